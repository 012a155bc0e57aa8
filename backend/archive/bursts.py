"""Bursts: instances of one series that arrive together are marked once, counted once and derived once.

A mark is a durable intent, written before the first instance of the burst. A moment later this process settles the series and
withdraws the mark, after all instances that were written under it. If the process dies in between, the worker finds the mark.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from backend.platform.errors import DatabaseUnavailable
from backend.platform.ids import public_id

from .journal import Journal

log = logging.getLogger(__name__)

_QUIET_SECONDS = 0.3
_LONGEST_SECONDS = 2.0
_RETRY_SECONDS = 2.0


class Burst:
    """Instances of one series under one mark."""

    def __init__(self, series_key: str) -> None:
        self.series_key = series_key
        self.id = public_id()
        self.marked = False
        self.marking = asyncio.Lock()
        self.due = asyncio.Event()
        self.count = 0
        self._inside = 0
        self._empty = asyncio.Event()

    def enter(self) -> None:
        """One more instance is being written."""
        self.count += 1
        self._inside += 1
        self._empty.clear()

    def leave(self) -> None:
        """It was written, or not."""
        self._inside -= 1
        if not self._inside:
            self._empty.set()

    async def emptied(self) -> None:
        """Returns when nothing is being written under the mark."""
        await self._empty.wait()


class Bursts:
    """The bursts of one process."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._open: dict[str, Burst] = {}
        self._settling: dict[asyncio.Task[None], Burst] = {}
        self._stopping = False

    @asynccontextmanager
    async def joined(self, series_key: str) -> AsyncIterator[Burst]:
        """The burst that an instance of the series belongs to; it is not settled before the block ends."""
        burst = self._open.get(series_key)
        if burst is None:
            burst = self._open[series_key] = Burst(series_key)
            task = asyncio.create_task(self._settle(burst))
            self._settling[task] = burst
            task.add_done_callback(self._settling.pop)
        burst.enter()
        try:
            yield burst
        finally:
            burst.leave()

    async def mark(self, burst: Burst) -> None:
        """Makes the burst's mark durable, once."""
        if burst.marked:
            return
        async with burst.marking:
            if not burst.marked:
                await self._journal.mark(burst.id, burst.series_key)
                burst.marked = True

    async def flush(self) -> None:
        """Settles what is open, now."""
        for burst in self._settling.values():
            burst.due.set()
        if self._settling:
            await asyncio.wait(list(self._settling))

    async def close(self) -> None:
        """Settles what is open and tries each only once more."""
        self._stopping = True
        while self._settling:
            await self.flush()

    async def _settle(self, burst: Burst) -> None:
        await self._until_quiet(burst)
        del self._open[burst.series_key]
        await burst.emptied()
        if not burst.marked:
            return
        while True:
            try:
                await self._journal.settle(burst.series_key, burst.id)
            except DatabaseUnavailable:
                if self._stopping:
                    log.warning("A series is left to the worker to settle: the database does not answer.")
                    return
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    @staticmethod
    async def _until_quiet(burst: Burst) -> None:
        """Waits until nothing more comes for a moment, or for as long as a burst may last."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_SECONDS):
                seen = -1
                while seen != burst.count:
                    seen = burst.count
                    with suppress(TimeoutError):
                        await asyncio.wait_for(burst.due.wait(), _QUIET_SECONDS)
                        return
