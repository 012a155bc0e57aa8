"""Ports of the demo: nobody else's, another demo's included."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.platform.errors import YunyingError

ADDRESS = "127.0.0.1"
_USUAL = 11112
"""The port that peers' examples use."""


class PortTaken(YunyingError):
    """A port that was asked for is taken; the text says what to do."""

    code = "port-taken"


def must_be_free(port: int) -> None:
    """Raises `PortTaken` if somebody listens on this port."""
    if _free(port) is None:
        raise PortTaken(f"端口 {port} 已被占用或不可用，请用 PORT=其他端口 make demo。")


@contextmanager
def dicom_port() -> Iterator[int]:
    """The usual port if it is free, else any free one.

    Two demos that start at once both find the usual port free, and the second would talk to the first one's node: the lock is what
    one of them gets.
    """
    path = Path(tempfile.gettempdir()) / f"yunying-demo-{_USUAL}.{os.getuid()}.lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        usual = _free(_USUAL) if _locked(lock) else None
        port = usual or _free(0)
        if port is None:
            raise PortTaken("没有可用的本机端口给 DICOM 节点。")
        yield port
    finally:
        os.close(lock)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _free(port: int) -> int | None:
    """The port (any for 0) if it can be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError:
            return None
        return int(probe.getsockname()[1])
