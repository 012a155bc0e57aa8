"""Receiving instances: object first, then metadata, then the answer. What contradicts is kept aside, what is broken is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

from cachetools import LRUCache

from backend.identity.rules import People
from backend.platform.clock import Clock
from backend.platform.crypto import FieldCipher
from backend.platform.database import Database, DuplicateKey
from backend.platform.jobs import Intent, Intents
from backend.platform.objects import PIECE, ObjectInfo, ObjectStore

from .bursts import Burst, Bursts
from .documents import Original
from .header import Header, Refused, read_header
from .journal import Arrival, Journal, Misplaced, check_patient, check_series
from .model import Outcome, Receipt
from .ranges import RangeStream
from .same import same_image

ORIGINALS = "original"
"""Prefix of the object keys of originals."""
_WHOLE_BYTES = 8 << 20
_HEAD_BYTES = 1 << 20
_COMPARED_BYTES = 256 << 20
_MAX_HEADER_BYTES = 32 << 20
_RACES = 5


@dataclass(frozen=True, slots=True)
class Received:
    """The bytes of one instance, durable in the object store, and what their header says."""

    institution: str
    source: str
    original: Original
    header: Header | Refused


class Ingest:
    """Receives instances for all doors of one process. `stop` before the process ends, or the worker has to tidy up."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        intents: Intents,
        people: People,
        cipher: FieldCipher,
        clock: Clock,
        *,
        max_instance_bytes: int = 4 << 30,
        threads: int = 4,
    ) -> None:
        self._objects = objects
        self._journal = Journal(database, intents, people, cipher, clock)
        self._bursts = Bursts(self._journal)
        self._max_bytes = max_instance_bytes
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="ingest")
        self._writers = ThreadPoolExecutor(threads * 2, thread_name_prefix="originals")
        # What is known to be there, so that most instances cost one write: series -> (exam, blind Patient ID).
        self._known: LRUCache[str, tuple[str, str]] = LRUCache(20_000)
        self._opening: dict[str, asyncio.Lock] = {}

    async def receive(self, chunks: AsyncIterator[bytes], institution: str, source: str, *, study: str = "") -> Receipt:
        """The receipt for one Part 10 file that arrives in chunks; STORED and DUPLICATE only when all of it is durable.

        `study` refuses instances of another study. Raises StorageFull, StorageUnavailable or DatabaseUnavailable: then nothing
        was acknowledged and the sender repeats. Chunks may be left unread where the file is refused for its size.
        """
        try:
            received = await self._received(chunks, institution, source)
        except Refused as error:
            return Receipt(Outcome.REFUSED, code=error.code, text=error.text)
        return await self.record(received, study=study)

    async def _received(self, chunks: AsyncIterator[bytes], institution: str, source: str) -> Received:
        loop = asyncio.get_running_loop()
        held, size = [], 0
        async for chunk in chunks:
            held.append(chunk)
            size += len(chunk)
            if size > _WHOLE_BYTES:
                return await self._receive_large(b"".join(held), chunks, institution, source)
        return await loop.run_in_executor(self._pool, self.put, held, institution, source)

    def put(self, pieces: Iterable[bytes], institution: str, source: str) -> Received:
        """Puts a whole file into the object store and reads its header; for threads. The pieces are held in memory.

        Raises `Refused` for what is too large to be kept at all, StorageFull or StorageUnavailable.
        """
        whole = b"".join(pieces)
        if len(whole) > self._max_bytes:
            raise too_large()
        # The disk and the hash do not hold the interpreter: the header is read meanwhile.
        putting = self._writers.submit(self._objects.put_addressed_sync, ORIGINALS, [whole])
        header = _header(BytesIO(whole), len(whole))
        return Received(institution, source, _original(putting.result()), header)

    def put_file(self, path: Path, institution: str, source: str) -> Received:
        """`put` of a file, in pieces where it is large."""
        size = path.stat().st_size
        if size > self._max_bytes:
            raise too_large()
        with path.open("rb") as file:
            if size <= _WHOLE_BYTES:
                return self.put([file.read()], institution, source)
            header = _header(file, size)
            file.seek(0)
            info = self._objects.put_addressed_sync(ORIGINALS, iter(lambda: file.read(PIECE), b""))
        return Received(institution, source, _original(info), header)

    async def record(self, received: Received, *, study: str = "", instance: str = "") -> Receipt:
        """Writes the metadata of what `put` made durable; the receipt. Study and instance are those that the sender announced, if any."""
        header = received.header
        if isinstance(header, Header):
            header = _announced(header, study, instance)
        if isinstance(header, Refused):
            await self._keep_aside(received, header.code, header.text, None)
            return Receipt(Outcome.REFUSED, code=header.code, text=header.text)
        arrival = self._journal.arrival(received.institution, header, received.original)
        try:
            stored = await self._store(arrival)
        except Misplaced as error:
            return await self._aside(received, header, error.code, error.text)
        if stored:
            return _receipt(Outcome.STORED, header)
        if await self._same_image(arrival):
            return _receipt(Outcome.DUPLICATE, header)
        return await self._aside(
            received, header, "uid-conflict", "同一实例标识下已有内容不同的影像。原影像未改动，新文件已另存待查。"
        )

    async def settle(self, intent: Intent) -> None:
        """Handler of `SETTLE` intents: counts what a dead process had stored."""
        await self._journal.settle(str(intent.payload["series"]))

    async def flush(self) -> None:
        """Settles what was received up to now: counts are final and derivations armed afterwards."""
        await self._bursts.flush()

    async def stop(self) -> None:
        """Settles what is open and ends the threads."""
        await self._bursts.close()
        self._pool.shutdown(wait=False)
        self._writers.shutdown(wait=False)

    async def _same_image(self, arrival: Arrival) -> bool:
        """Whether the stored instance is the same: byte for byte, or but for the way in which each sender writes it."""
        held = await self._journal.known(arrival)
        if held is None or held.sha256 == arrival.original.sha256:
            return held is not None
        if max(held.size, arrival.original.size) > _COMPARED_BYTES:
            return False
        first, second = await self._objects.get(held.key), await self._objects.get(arrival.original.key)
        return await asyncio.get_running_loop().run_in_executor(self._pool, same_image, first, second)

    async def _store(self, arrival: Arrival) -> bool:
        """Writes the instance; False when its UID is known."""
        for _ in range(_RACES):
            async with self._bursts.joined(arrival.series_key) as burst:
                try:
                    await self._write(arrival, burst)
                except DuplicateKey:
                    if await self._journal.known(arrival) is not None:
                        return False
                    # Another process opened the same series or exam at the same moment: now they are there.
                    continue
                return True
        raise RuntimeError("a series could not be opened")

    async def _write(self, arrival: Arrival, burst: Burst) -> None:
        known = self._known.get(arrival.series_key)
        if known is None:
            async with self._opening.setdefault(arrival.exam_key, asyncio.Lock()):
                known = self._known.get(arrival.series_key)
                if known is None:
                    await self._open(arrival, burst)
                    return
        check_series(known[0], arrival.exam_key)
        check_patient(known[1], self._journal.documents.blind_patient_id(arrival.header.patient.patient_id))
        await self._bursts.mark(burst)
        await self._journal.add(arrival)

    async def _open(self, arrival: Arrival, burst: Burst) -> None:
        try:
            patient = await self._journal.open(arrival, burst.id)
        finally:
            self._opening.pop(arrival.exam_key, None)
        burst.marked = True
        self._known[arrival.series_key] = (arrival.exam_key, patient)

    async def _receive_large(self, first: bytes, rest: AsyncIterator[bytes], institution: str, source: str) -> Received:
        """Streams a large file through, keeping its beginning at hand for the header."""

        async def pieces() -> AsyncIterator[bytes]:
            size = len(first)
            yield first
            async for chunk in rest:
                size += len(chunk)
                if size > self._max_bytes:
                    raise too_large()
                yield chunk

        info = await self._objects.put_addressed(ORIGINALS, pieces())
        loop = asyncio.get_running_loop()

        def fetch(start: int, end: int) -> bytes:
            return asyncio.run_coroutine_threadsafe(self._objects.range(info.key, start, end), loop).result()

        stream = cast(BinaryIO, RangeStream(fetch, info.size, first[:_HEAD_BYTES], _MAX_HEADER_BYTES))
        header = await loop.run_in_executor(self._pool, lambda: _header(stream, info.size))
        return Received(institution, source, _original(info), header)

    async def _aside(self, received: Received, header: Header, code: str, text: str) -> Receipt:
        await self._keep_aside(received, code, text, header)
        return _receipt(Outcome.KEPT_ASIDE, header, code, text)

    async def _keep_aside(self, received: Received, code: str, text: str, header: Header | None) -> None:
        await self._journal.keep_aside(received.institution, received.source, code, text, received.original, header)


def too_large() -> Refused:
    """The refusal of a file beyond the limit."""
    return Refused("单个文件超出系统允许的大小，已拒绝。", code="too-large")


def _announced(header: Header, study: str, instance: str) -> Header | Refused:
    """The header, unless it is of something else than the sender said."""
    if study and header.study_instance_uid != study:
        return Refused("实例不属于所上传的检查，已拒绝。", code="other-study")
    if instance and header.sop_instance_uid != instance:
        return Refused("数据集中的实例标识与所通告的不一致，已拒绝。", code="uid-mismatch")
    return header


def _header(stream: BinaryIO, size: int) -> Header | Refused:
    try:
        return read_header(stream, size)
    except Refused as error:
        return error


def _original(info: ObjectInfo) -> Original:
    return Original(info.key, info.size, info.sha256)


def _receipt(outcome: Outcome, header: Header, code: str = "", text: str = "") -> Receipt:
    return Receipt(outcome, header.sop_class_uid, header.sop_instance_uid, header.study_instance_uid, code, text)
