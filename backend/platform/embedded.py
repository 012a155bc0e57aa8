"""The embedded database: a SecantusDB server as a supervised process of its own, for demo, development and trials.

It speaks MongoDB's wire protocol on the loopback interface and is never imported: it is a separate program under its
own licence, found in `.embedded/` where set-up put it. A real replica set takes its place by YUNYING_MONGODB_URI.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import shutil
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from backend.platform.clock import Clock, SystemClock
from backend.platform.database import Database, OperationFailure
from backend.platform.embedded_address import Address, create_account, read_password, running_uri, write_private
from backend.platform.errors import DatabaseUnavailable, Invalid, YunyingError
from backend.platform.ids import secret

__all__ = ["EmbeddedDatabase", "EmbeddedDatabaseError", "EmbeddedOptions", "running_uri", "supervise"]

log = logging.getLogger(__name__)

INSTALLED = Path(__file__).resolve().parents[2] / ".embedded"
"""Where set-up installs the server."""

_START_SECONDS = 30.0
_LONGEST_PAUSE = 10.0
_LONGEST_LOG = 8 << 20
# The server must not outlive its supervisor. The kernel ends it with the thread that started it; where there is no
# such call (not Linux), a killed supervisor leaves the server to whoever starts next.
_LAUNCH = """
import os, signal, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


class EmbeddedDatabaseError(YunyingError):
    """The embedded database cannot be started; the text says what to do."""

    code = "embedded-database"


@dataclass(frozen=True)
class EmbeddedOptions:
    """How to run the server."""

    folder: Path
    """Its files, log, lock and address; `data/db`."""
    program: str = ""
    """A server program to run in place of the installed one, such as the maintainer's Rust build for scale tests."""
    cache_size: str = "512M"
    health_seconds: float = 5.0
    """Time between two health checks, each a durable write."""
    silent_seconds: float = 60.0
    """How long it may neither answer nor use the processor (as for an index) before it is started again."""
    low_space_bytes: int = 256 << 20
    """Below this much free space a warning is logged; the object store stops to take objects at its own reserve."""


class EmbeddedDatabase:
    """Starts the server, watches it, starts it again when it dies or no longer writes, and stops it."""

    def __init__(self, options: EmbeddedOptions, clock: Clock | None = None) -> None:
        self._options = options
        self._folder = options.folder
        self._clock = clock or SystemClock()
        self._lock = -1
        self._port = 0
        self._password = ""
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._ticks = 0
        self.restarts = 0
        """How often the server was started again."""

    @property
    def uri(self) -> str:
        """Connection string; the same for as long as this object runs, restarts included."""
        return Address(self._port, self._password).uri

    @property
    def pid(self) -> int:
        """Process id of the server, 0 while it is down."""
        return self._process.pid if self._process and self._process.returncode is None else 0

    async def start(self) -> None:
        """Returns when the server takes durable writes. Call it from a thread that lives as long as it shall.

        Raises EmbeddedDatabaseError when it is not installed, when another process has the folder, or when it does
        not come up.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        await self._take_lock()
        try:
            self._port = _free_port()
            await self._ensure_account()
            await self._launch()
        except BaseException:
            await self._end()
            self._drop_lock()
            raise
        write_private(self._folder / "port", str(self._port))
        self._watcher = asyncio.create_task(self._watch(), name="embedded database")

    async def stop(self) -> None:
        """Stops the server in order."""
        if self._watcher:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])
            self._watcher = None
        await self._end()
        (self._folder / "port").unlink(missing_ok=True)
        self._drop_lock()

    async def __aenter__(self) -> EmbeddedDatabase:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _take_lock(self) -> None:
        """The server inherits the lock, so that it is free only when supervisor and server are both gone."""
        self._lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for _ in range(30):
            with suppress(BlockingIOError):
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            await asyncio.sleep(0.1)
        self._drop_lock()
        raise EmbeddedDatabaseError(
            f"内置数据库目录 {self._folder} 正被另一个进程使用。请先停止该进程，或为本进程设置另一个 YUNYING_DATA 目录。",
            code="embedded-database-busy",
        )

    def _drop_lock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    async def _ensure_account(self) -> None:
        """At the very first start: makes the account, so that no other user of this machine reads the data."""
        self._password = read_password(self._folder)
        if self._password:
            return
        await self._launch()
        password = secret()
        await create_account(self.uri, password)
        await self._end(at_once=True)
        write_private(self._folder / "password", password)
        self._password = password

    async def _launch(self) -> None:
        command = _command(self._options, self._port)
        if self._password:
            command.append("--auth")
        with _log_file(self._folder / "server.log") as log_file:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                "-c",
                _LAUNCH,
                str(os.getpid()),
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log_file,
                stderr=log_file,
                cwd=self._folder,
                # Nothing of our own environment: it may hold secrets.
                env={"PYTHONPATH": str(INSTALLED), "PATH": os.defpath, "LANG": "C.UTF-8"},
                pass_fds=(self._lock,),
                start_new_session=True,
            )
        await self._until_ready(self._process)

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        deadline = self._clock.monotonic() + _START_SECONDS
        while self._clock.monotonic() < deadline:
            if process.returncode is not None:
                break
            if _listening(self._port):
                # Refused for its password: a stranger took the port in the same moment.
                with suppress(DatabaseUnavailable, Invalid, OperationFailure):
                    await self._check()
                    return
            await asyncio.sleep(0.02)
        raise EmbeddedDatabaseError(
            f"内置数据库未能启动，原因见 {self._folder / 'server.log'}。"
            "若磁盘已满请清理空间；若数据目录由其他版本写入，请用该版本导出（yunying dump）后再恢复。"
        )

    async def _check(self) -> None:
        database = await Database.connect(self.uri, "health", operation_seconds=min(4.0, self._options.silent_seconds))
        try:
            await database.check_health()
        finally:
            database.close()

    async def _watch(self) -> None:
        """Starts the server again when it ended, when it refuses writes, or when it has been silent for long."""
        pause, refusals, silent_since = 0.1, 0, 0.0
        while True:
            if not await self._exited_within(self._options.health_seconds):
                health, busy = await self._health(), self._busy()
                if health == "well":
                    pause, refusals, silent_since = 0.1, 0, 0.0
                    continue
                refusals += health == "refuses"
                if health == "silent" and busy:
                    silent_since = 0.0
                    continue
                silent_since = silent_since or self._clock.monotonic()
                if refusals < 2 and self._clock.monotonic() - silent_since < self._options.silent_seconds:
                    continue
            log.error("The embedded database ended or no longer writes; it is started again.")
            await self._end(at_once=True)
            await asyncio.sleep(pause)
            pause, refusals, silent_since = min(pause * 2, _LONGEST_PAUSE), 0, 0.0
            self.restarts += 1
            try:
                await self._launch()
            except EmbeddedDatabaseError as error:
                log.error("%s", error.text)
            except OSError as error:
                log.error("The embedded database could not be started: %s", error.strerror)

    async def _exited_within(self, seconds: float) -> bool:
        if self._process is None:
            return True
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._process.wait()), seconds)
            return True
        return False

    async def _health(self) -> Literal["well", "refuses", "silent"]:
        """Refusing (a full disk, a panic of its storage) does not pass by itself; silence may be a long index build."""
        if shutil.disk_usage(self._folder).free < self._options.low_space_bytes:
            log.warning("The disk of the embedded database is almost full.")
        try:
            await self._check()
        except (Invalid, OperationFailure):
            return "refuses"
        except DatabaseUnavailable as error:
            return "refuses" if isinstance(error.__cause__, OperationFailure) else "silent"
        return "well"

    def _busy(self) -> bool:
        """Whether the server has used the processor since the last call, as far as the system tells."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return False
        before, self._ticks = self._ticks, int(fields[11]) + int(fields[12])
        return self._ticks > before + 1

    async def _end(self, *, at_once: bool = False) -> None:
        """Ends the server; every acknowledged write is on disk already, so that killing it is safe."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL if at_once else signal.SIGTERM)
        try:
            await asyncio.wait_for(asyncio.shield(process.wait()), 5.0)
        except TimeoutError:
            process.kill()
            await process.wait()


def _command(options: EmbeddedOptions, port: int) -> list[str]:
    if options.program:
        if not os.access(options.program, os.X_OK):
            raise EmbeddedDatabaseError(
                f"设置 YUNYING_EMBEDDED_PROGRAM={options.program} 无效：该文件不存在或不可执行，请改正路径。"
            )
        # The default log of the Rust build occupies 2 GB and makes every restart take 11 s.
        program = [options.program, "--log-file-max", "64MB"]
    else:
        if not (INSTALLED / "secantus").is_dir():
            raise EmbeddedDatabaseError(
                "内置数据库尚未安装，请先运行 make setup，或用 YUNYING_MONGODB_URI 指定 MongoDB。"
            )
        program = [sys.executable, "-m", "secantus"]
    # An empty file, lest the server finds a configuration of its own somewhere else.
    configuration = options.folder / "server.toml"
    configuration.write_text("")
    return [
        *program,
        *("--config", str(configuration.resolve())),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--storage-path", str((options.folder / "files").resolve())),
        *("--cache-size", options.cache_size, "--log-level", "WARNING"),
        # Without it an acknowledged write is lost when the process is killed.
        "--sync-on-commit",
    ]


def _log_file(path: Path) -> BinaryIO:
    """The server's log, kept across restarts and begun anew when it has grown."""
    with suppress(FileNotFoundError):
        if path.stat().st_size > _LONGEST_LOG:
            path.replace(path.with_suffix(".old"))
    return path.open("ab")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def supervise(options: EmbeddedOptions) -> None:
    """Runs the server until this process is told to end (SIGTERM or SIGINT)."""
    told = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, told.set)
    async with EmbeddedDatabase(options):
        await told.wait()
