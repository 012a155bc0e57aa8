"""Where the embedded database listens and with which password: what other processes of one machine need to know."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from backend.platform.database import Database, OperationFailure

USER = "yunying"


@dataclass(frozen=True)
class Address:
    """How a server is reached. Without a password it has no accounts yet."""

    port: int
    password: str = ""

    @property
    def uri(self) -> str:
        """Connection string."""
        account = f"{USER}:{self.password}@" if self.password else ""
        options = (
            "directConnection=true&authSource=admin&authMechanism=SCRAM-SHA-256" if account else "directConnection=true"
        )
        # The server forgets across a restart which retried writes it has done, so the driver must not retry by itself.
        return f"mongodb://{account}127.0.0.1:{self.port}/?{options}&retryWrites=false"


def read_password(folder: Path) -> str:
    """The password of this folder's server, empty before it has an account."""
    try:
        return (folder / "password").read_text()
    except FileNotFoundError:
        return ""


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner may read, at once and durably."""
    temporary = path.with_name(path.name + ".new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


async def create_account(uri: str, password: str) -> None:
    """Makes the one account, anew if an earlier start was cut off before the password was kept."""
    admin = await Database.connect(uri, "admin")
    try:
        with suppress(OperationFailure):
            await admin.command({"dropUser": USER})
        roles = [{"role": "root", "db": "admin"}]
        await admin.command({"createUser": USER, "pwd": password, "roles": roles, "mechanisms": ["SCRAM-SHA-256"]})
    finally:
        admin.close()


def running_uri(folder: Path) -> str | None:
    """Connection string of the server that another process supervises in this folder, None when there is none."""
    try:
        address = Address(int((folder / "port").read_text()), read_password(folder))
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return address.uri
    finally:
        os.close(lock)
    return None
