"""What WADO-RS retrieves (PS3.18 10.4): instances, frames, metadata and bulk data, each within the caller's right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from functools import partial

from backend.access.model import Action, Principal
from backend.archive.model import Instance
from backend.platform.cpu import CpuPool, Urgency
from backend.platform.errors import NotFound, TooLarge
from backend.platform.objects import PIECE, ObjectStore
from backend.viewing.frames import FrameSource, problem_of
from render import Image, RenderError

from .media import DICOM, EXPLICIT_LITTLE, MEDIA_OF_SYNTAX, OCTETS, Chosen, MediaRange, Offer, choose
from .multipart import Part
from .openings import Openings, Target
from .references import stream_spans
from .transcode import explicit_little, little_endian_frame, progressive_syntax

MAX_IN_MEMORY = 1 << 29
"""Largest file that is read whole, to be transcoded, bytes."""
_TRANSCODED_AT_ONCE = 2
_CODESTREAM_HEAD = 4096
_IMPLICIT = "1.2.840.10008.1.2"
_PLAIN = frozenset({_IMPLICIT, EXPLICIT_LITTLE})
_NATIVE = frozenset({*_PLAIN, "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.98"})
Parts = AsyncGenerator[Part, None]


class Retrieval:
    """Originals, whole or in part. All methods need `Action.EXAM_ORIGINAL` and raise `NotFound` without it."""

    def __init__(self, openings: Openings, objects: ObjectStore, source: FrameSource, pool: CpuPool) -> None:
        self._openings, self._objects, self._source, self._pool = openings, objects, source, pool
        self._transcoding = asyncio.Semaphore(_TRANSCODED_AT_ONCE)

    async def instances(
        self, principal: Principal, target: Target, accept: Sequence[MediaRange], base: str
    ) -> tuple[Chosen, Parts]:
        """The instances of the path: as stored, byte for byte, unless another transfer syntax is asked for.

        `base`: URL of the DICOMweb service, for the parts' locations. Raises `NotAcceptable`.
        """
        exam = await self._openings.exam(principal, Action.EXAM_ORIGINAL, target.study)
        found = await self._openings.instances(exam, target)
        single = len(found) == 1
        chosen = [choose(accept, _instance_offers(instance, single)) for instance in found]
        return chosen[0], self._files(found, chosen, f"{base}/studies/{target.study}")

    async def frames(
        self, principal: Principal, target: Target, numbers: Sequence[int], accept: Sequence[MediaRange], base: str
    ) -> tuple[Chosen, Parts]:
        """Frames by number from 1, in the order asked. Raises `NotFound` for a number beyond the last."""
        exam = await self._openings.exam(principal, Action.EXAM_ORIGINAL, target.study)
        instance = await self._openings.instance(exam, target)
        if not instance.rows or any(number > instance.frames for number in numbers):
            raise NotFound(f"该实例共有 {instance.frames if instance.rows else 0} 帧，没有所要求的帧。")
        spans = stream_spans(instance)
        progressive = ""
        if instance.stream is not None and spans:
            start, end = spans[0]
            head = await self._objects.range(instance.stream.key, start, min(end, start + _CODESTREAM_HEAD))
            progressive = progressive_syntax(head)
        chosen = choose(accept, _frame_offers(instance.transfer_syntax_uid, progressive, len(numbers) == 1))
        url = f"{base}/studies/{target.study}/series/{target.series}/instances/{target.instance}/frames"
        return chosen, self._frames(instance, numbers, chosen, url, progressive)

    async def bulkdata(
        self, principal: Principal, target: Target, span: tuple[int, int], accept: Sequence[MediaRange]
    ) -> tuple[Chosen, Parts]:
        """The value at `span` (offset, length) of the file, as the metadata's BulkDataURI names it. Raises `NotFound`."""
        exam = await self._openings.exam(principal, Action.EXAM_ORIGINAL, target.study)
        instance = await self._openings.instance(exam, target)
        offset, length = span
        if not 0 < length <= instance.size - offset:
            raise NotFound
        return choose(accept, [Offer(OCTETS)]), self._span(instance, offset, length)

    async def pixel_data(
        self, principal: Principal, target: Target, accept: Sequence[MediaRange], base: str
    ) -> tuple[Chosen, Parts]:
        """The value of Pixel Data; compressed, it comes as its frames (PS3.18 8.7.3.3.2)."""
        exam = await self._openings.exam(principal, Action.EXAM_ORIGINAL, target.study)
        instance = await self._openings.instance(exam, target)
        if instance.transfer_syntax_uid in _PLAIN and instance.pixel_offset >= 0:
            head = await self._objects.range(instance.original, instance.pixel_offset, instance.pixel_offset + 12)
            offset, length = _value_of(head, instance.transfer_syntax_uid == _IMPLICIT)
            return await self.bulkdata(principal, target, (instance.pixel_offset + offset, length), accept)
        return await self.frames(principal, target, range(1, instance.frames + 1), accept, base)

    async def _span(self, instance: Instance, offset: int, length: int) -> Parts:
        async def body() -> AsyncIterator[bytes]:
            for start in range(offset, offset + length, PIECE):
                yield await self._objects.range(instance.original, start, min(start + PIECE, offset + length))

        yield Part(OCTETS, body(), size=length)

    async def _files(self, found: Sequence[Instance], chosen: Sequence[Chosen], base: str) -> Parts:
        for instance, choice in zip(found, chosen, strict=True):
            series = instance.series_key.partition("/")[2]
            location = f"{base}/series/{series}/instances/{instance.sop_instance_uid}"
            if choice.transfer_syntax == instance.transfer_syntax_uid:
                yield Part(choice.content_type, self._objects.stream(instance.original), location, instance.size)
            else:
                async with self._transcoding:
                    original = await self._whole(instance)
                    made = await self._pool.run(_checked(partial(explicit_little, original)), Urgency.AHEAD)
                yield Part(choice.content_type, made, location, len(made))

    async def _frames(
        self, instance: Instance, numbers: Sequence[int], chosen: Chosen, url: str, progressive: str
    ) -> Parts:
        for number in numbers:
            if chosen.transfer_syntax == progressive and instance.stream is not None:
                start, end = stream_spans(instance)[number - 1]
                data = await self._objects.range(instance.stream.key, start, end)
            else:
                image = await self._source.image(instance.original, Urgency.SEEN)
                work = _checked(partial(_frame, image, number - 1, chosen.transfer_syntax))
                data = await self._pool.run(work, Urgency.SEEN)
            yield Part(chosen.content_type, data, f"{url}/{number}", len(data))

    async def _whole(self, instance: Instance) -> bytes:
        if instance.size > MAX_IN_MEMORY:
            raise TooLarge("该实例过大，只能按原样（transfer-syntax=*）整体获取。")
        return await self._objects.get(instance.original)


def _value_of(head: bytes, implicit: bool) -> tuple[int, int]:
    """Where the value of the element that begins with `head` begins, and its length (PS3.5 7.1)."""
    at = 4 if implicit else 8
    return at + 4, int.from_bytes(head[at : at + 4], "little")


def _frame(image: Image, index: int, syntax: str) -> bytes:
    if syntax == image.format.transfer_syntax_uid and image.encapsulated:
        return image.frame_bytes(index)
    return little_endian_frame(image, index)


def _checked(work: Callable[[], bytes]) -> Callable[[], bytes]:
    """The same work, telling people of a `RenderError`."""

    def run() -> bytes:
        try:
            return work()
        except RenderError as error:
            raise problem_of(error.code) from error

    return run


def _instance_offers(instance: Instance, single: bool) -> list[Offer]:
    stored = Offer(DICOM, instance.transfer_syntax_uid, single=single, stored=True)
    if instance.transfer_syntax_uid == EXPLICIT_LITTLE:
        return [stored]
    return [stored, Offer(DICOM, EXPLICIT_LITTLE, single=single)]


def _frame_offers(syntax: str, progressive: str, single: bool) -> list[Offer]:
    """Uncompressed first, since that is what no transfer syntax means (PS3.18 Table 8.7.3-4); then as stored; then the stream object."""
    offers = [Offer(OCTETS, EXPLICIT_LITTLE, single=single, stored=syntax in _NATIVE)]
    if syntax not in _NATIVE:
        offers += [
            Offer(media, syntax, single=single, stored=True) for media in (MEDIA_OF_SYNTAX.get(syntax), OCTETS) if media
        ]
    if progressive:
        offers.append(Offer(MEDIA_OF_SYNTAX[progressive], progressive, single=single))
    return offers
