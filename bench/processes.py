"""Child processes of a measurement: started, watched for CPU time, and ended whatever happens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port of the loopback address that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: list[str],
    *,
    ready: Callable[[], bool],
    seconds: float = 90.0,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """`command` in a group of its own, ready when `ready` says so; the whole group is ended on leaving.

    Raises RuntimeError with the last lines of what it said when it ends early or is not ready in time.
    """
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **(environment or {})}, start_new_session=True
        )
        try:
            _await(child, ready, seconds, log.fileno())
            yield child
        finally:
            end(child)


def _await(child: subprocess.Popen[bytes], ready: Callable[[], bool], seconds: float, log: int) -> None:
    until = time.monotonic() + seconds
    while not ready():
        if child.poll() is not None or time.monotonic() > until:
            tail = os.pread(log, 4000, max(0, os.fstat(log).st_size - 4000)).decode(errors="replace")
            raise RuntimeError(f"{child.args!r} did not become ready (status {child.poll()}):\n{tail}")
        time.sleep(0.05)


def end(child: subprocess.Popen[bytes]) -> None:
    """Asks the child and its group to end, then makes them."""
    for signal_number, patience in ((signal.SIGTERM, 20), (signal.SIGKILL, 5)):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal_number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(patience)
            break
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def listening(port: int) -> bool:
    """Whether somebody accepts connections on `port`."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cpu_seconds(pid: int) -> float:
    """CPU time of one process with all its threads, user and system, so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def children_of(pid: int) -> dict[int, str]:
    """Process ids below `pid` (all depths) and their command lines."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError, IndexError):
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            found[int(entry.name)] = f"{parent} {command}"
    below, edge = {}, {pid}
    while edge:
        edge = {child for child, text in found.items() if int(text.split(" ", 1)[0]) in edge and child not in below}
        below.update({child: found[child].split(" ", 1)[1] for child in edge})
    return below


@contextmanager
def shaped(port: int, profile: str) -> Iterator[int]:
    """A relay in front of `port` with this profile, in a process of its own; its port."""
    child = subprocess.Popen(
        [sys.executable, "-m", "bench.link", "--to", str(port), "--profile", profile],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert child.stdout is not None
        yield int(child.stdout.readline())
    finally:
        end(child)
