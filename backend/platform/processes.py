"""Processes of ours: ending in order when told, and not outliving whoever started them."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
_LONGEST_PAUSE = 10.0


def end_with_parent(parent: int) -> None:
    """From now on SIGTERM reaches this process when `parent`, which started it, dies. Where there is no such call, nothing happens."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)


async def until_told() -> None:
    """Returns when the process is told to end (SIGTERM or SIGINT)."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, told.set)
    await told.wait()


class Child:
    """A program that runs until it is stopped; started again, with growing pauses, when it ends by itself."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log_file: Path) -> None:
        self.name = name
        self._command, self._environment, self._log_file = command, environment, log_file
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """Process id, 0 while it is down."""
        return self._process.pid if self._process and self._process.returncode is None else 0

    async def start(self) -> None:
        """Starts it and watches over it."""
        await self._launch()
        self._watcher = asyncio.create_task(self._watch(), name=f"child {self.name}")

    async def stop(self, seconds: float = 10.0) -> None:
        """Tells it to end, and kills it when it has not after `seconds`."""
        if self._watcher:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(asyncio.shield(process.wait()), seconds)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _launch(self) -> None:
        with self._log_file.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                env=dict(self._environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C in the terminal is for the supervisor, which stops its children in order.
                start_new_session=True,
            )

    async def _watch(self) -> None:
        pause = 0.2
        while True:
            process = self._process
            assert process is not None
            started = asyncio.get_running_loop().time()
            status = await process.wait()
            if asyncio.get_running_loop().time() - started > 30:
                pause = 0.2
            log.error("%s ended with status %s; it is started again. See %s", self.name, status, self._log_file)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            await self._launch()
