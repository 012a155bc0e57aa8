"""One STOW-RS request (PS3.18 10.5): parts are ingested as they arrive, a few at a time, and each gets its receipt."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator

from backend.platform.errors import Unavailable

from .ingest import Ingest
from .model import Outcome, Receipt
from .multipart import BrokenMultipart, MultipartParser, PartBegin, PartEnd

log = logging.getLogger(__name__)

_AT_ONCE = 4
_HELD_BYTES = 1 << 20
_MEDIA_TYPES = ("application/dicom", "application/octet-stream")


class Cut(Exception):
    """The sender went away in the middle of a part."""


class _Part:
    """The bytes of one part between the socket and ingest: at most about 1 MiB of them wait."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._changed = asyncio.Event()
        self._ended = self._cut = self._unwanted = False

    async def write(self, piece: bytes) -> None:
        """Hands on a piece; waits while enough is held."""
        while self._held > _HELD_BYTES and not self._unwanted:
            self._changed.clear()
            await self._changed.wait()
        if not self._unwanted:
            self._pieces.append(piece)
            self._held += len(piece)
            self._changed.set()

    def end(self, *, cut: bool = False) -> None:
        """All bytes came, or no more will."""
        self._ended, self._cut = True, cut
        self._changed.set()

    def leave(self) -> None:
        """Nobody reads any more: what still comes is dropped."""
        self._unwanted = True
        self._changed.set()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes as they come. Raises `Cut` when the sender went away."""
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._held -= len(piece)
                self._changed.set()
                yield piece
            if self._cut:
                raise Cut
            if self._ended:
                return
            self._changed.clear()
            await self._changed.wait()


class Upload:
    """The state of one request."""

    def __init__(self, ingest: Ingest, institution: str, source: str, boundary: bytes, study: str = "") -> None:
        self._ingest, self._institution, self._source, self._study = ingest, institution, source, study
        self._parser = MultipartParser(boundary)
        self._part: _Part | None = None
        self._tasks: list[asyncio.Task[Receipt]] = []
        self._free = asyncio.Semaphore(_AT_ONCE)
        self.broken = False
        """Whether the body stopped to make sense; what came before was received."""

    async def feed(self, data: bytes) -> None:
        """Takes a piece of the body."""
        if self.broken:
            return
        try:
            for event in self._parser.feed(data):
                if isinstance(event, PartBegin):
                    await self._begin(event)
                elif isinstance(event, PartEnd):
                    self._end()
                elif self._part is not None:
                    await self._part.write(event)
        except BrokenMultipart:
            self.broken = True
            self._end(cut=True)

    async def finish(self) -> list[Receipt]:
        """The receipts of all parts, in order. Raises what stood in the way when nothing at all was received for it."""
        if not self._parser.finished:
            self.broken = True
            self._end(cut=True)
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        failures = [result for result in results if isinstance(result, Unavailable)]
        if failures and len(failures) == len(results):
            raise failures[0]
        return [_receipt(result) for result in results if not isinstance(result, Cut)]

    def cut(self) -> None:
        """The connection is gone: the part that was under way is dropped, the complete ones are received."""
        self._end(cut=True)

    async def _begin(self, event: PartBegin) -> None:
        await self._free.acquire()
        self._part = part = _Part()
        kind = event.headers.get("content-type", _MEDIA_TYPES[0]).split(";")[0].strip().lower()
        work = self._receive(part) if kind in _MEDIA_TYPES else self._decline()
        task = asyncio.create_task(work)
        self._tasks.append(task)

        def ended(task: asyncio.Task[Receipt]) -> None:
            # Looked at here as well: after a cut nobody asks for the results.
            if not task.cancelled() and isinstance(task.exception(), Unavailable):
                log.warning("An uploaded instance was not stored: %s", task.exception())
            part.leave()
            self._free.release()

        task.add_done_callback(ended)

    def _end(self, *, cut: bool = False) -> None:
        if self._part is not None:
            self._part.end(cut=cut)
            self._part = None

    async def _receive(self, part: _Part) -> Receipt:
        return await self._ingest.receive(part.pieces(), self._institution, self._source, study=self._study)

    async def _decline(self) -> Receipt:
        text = "该部分的媒体类型不是 application/dicom，未保存。"
        return Receipt(Outcome.REFUSED, code="unsupported-part", text=text)


def _receipt(result: Receipt | BaseException) -> Receipt:
    if isinstance(result, Receipt):
        return result
    if isinstance(result, Unavailable):
        return Receipt(Outcome.REFUSED, code=result.code, text=result.text)
    raise result
