"""Stored values of frames at the size wanted: out of the stream object, or of the original while there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numpy.typing import NDArray

import render
from backend.platform.cpu import CpuPool, Demand, Urgency
from backend.platform.errors import NotFound, TooLarge, Unsupported, YunyingError
from backend.platform.objects import ObjectStore
from backend.viewing.flight import SharedCache
from backend.viewing.model import Size
from backend.viewing.series import FrameRef
from render import Image, Transform

Array = NDArray[Any]
T = TypeVar("T")

MAX_ORIGINAL = 1 << 30
"""Largest file that is read whole to show a frame of it, bytes."""


class ImageProblem(Unsupported):
    """A frame that cannot be shown, with the reason as a code of `render`."""

    code = "corrupt-image"
    default_text = "该图像数据不完整或已损坏，无法显示。请联系检查医院重新上传。"


_TEXTS = {
    "unsupported-syntax": "该图像的编码格式暂不支持显示，原始数据已完整保存。",
    "limit-exceeded": "该图像尺寸过大，暂不支持在线显示，原始数据已完整保存。",
    "not-an-image": "该对象不是图像，无法显示。",
}


def problem_of(code: str) -> YunyingError:
    """The error that tells people of a `RenderError` with this code."""
    code = code.replace("_", "-")
    if code == "unsupported-syntax":
        return Unsupported(_TEXTS[code], code=code)
    if code == "limit-exceeded":
        return TooLarge(_TEXTS[code], code=code)
    if code == "not-an-image":
        return NotFound(_TEXTS[code], code=code)
    return ImageProblem()


class FrameSource:
    """Decoded values, kept within a bound of bytes and decoded once however many ask."""

    def __init__(self, objects: ObjectStore, pool: CpuPool, cache_bytes: int) -> None:
        self._objects, self._pool = objects, pool
        self._values: SharedCache[Array] = SharedCache(cache_bytes * 3 // 4, lambda array: int(array.nbytes) + 256)
        self._originals: SharedCache[tuple[Image, int]] = SharedCache(cache_bytes // 4, lambda opened: opened[1])
        self._transforms: SharedCache[Transform] = SharedCache(4096, lambda _: 1)

    def peek(self, ref: FrameRef, size: Size, *, exact: bool) -> Array | None:
        """The values that `fitted` would give, if they are in memory."""
        found = self._values.peek(_key(ref, size, True))
        return self._values.peek(_key(ref, size, False)) if found is None and not exact else found

    async def fitted(self, ref: FrameRef, size: Size, *, exact: bool, urgency: Urgency) -> Array:
        """Stored values of a frame at `size` (width, height): (rows, columns), or (rows, columns, 3) RGB.

        With `exact`, they are `render.reference_fit` of the whole frame. Without, they may come from a lower resolution of the
        stream object. Raises what `problem_of` gives, StorageUnavailable, Overloaded.
        """
        found = self.peek(ref, size, exact=exact)
        if found is not None:
            return found
        exact = exact or size == ref.size or not ref.ends or self._values.peek(_key(ref, ref.size, True)) is not None
        key = _key(ref, size, exact)
        if size == ref.size:
            return await self._values.get(key, lambda demand: self._whole(ref, demand), urgency)
        make = self._fit_whole if exact else self._fit_level
        return await self._values.get(key, lambda demand: make(ref, size, demand), urgency)

    async def cell(self, ref: FrameRef, data: bytes | None, reduce: int, urgency: Urgency) -> Array:
        """Small values for the overview: out of the cell's bytes if given, else the whole frame shrunk alike."""
        size = (-(-ref.columns >> reduce), -(-ref.rows >> reduce))
        if data is None or not ref.ends:
            return await self.fitted(ref, size, exact=False, urgency=urgency)
        found = self._values.peek(_key(ref, size, False))
        if found is not None:
            return found
        value = _checked(lambda: render.unpack_cell(data))
        self._values.keep(_key(ref, size, False), value)
        return value

    async def transform(self, ref: FrameRef, urgency: Urgency) -> Transform:
        """What turns the frame's values into grey levels; read from the original's header while the reference has none."""
        if ref.transform is not None:
            return ref.transform

        async def read(demand: Demand) -> Transform:
            image = await self.image(ref.original, demand.urgency)
            return await self._pool.run(lambda: _checked(lambda: image.transform(ref.frame)), demand)

        return await self._transforms.get((ref.original, ref.frame), read, urgency)

    async def image(self, original: str, urgency: Urgency) -> Image:
        """The opened original. Raises what `problem_of` gives, ObjectMissing, StorageUnavailable."""

        async def read(demand: Demand) -> tuple[Image, int]:
            info = await self._objects.head(original)
            if info.size > MAX_ORIGINAL:
                raise problem_of("limit-exceeded")
            data = await self._objects.get(original)
            return await self._pool.run(lambda: _checked(lambda: render.open_image(data)), demand), len(data)

        return (await self._originals.get(original, read, urgency))[0]

    async def _whole(self, ref: FrameRef, demand: Demand) -> Array:
        if ref.problem:
            raise problem_of(ref.problem)
        if ref.ends:
            prefix = await self._objects.range(ref.stream, ref.start, ref.start + ref.ends[-1])
            return await self._pool.run(lambda: _unpack(prefix, ref, 0), demand)
        image = await self.image(ref.original, demand.urgency)
        return await self._pool.run(lambda: _checked(lambda: image.decode(ref.frame)), demand)

    async def _fit_whole(self, ref: FrameRef, size: Size, demand: Demand) -> Array:
        whole = await self.fitted(ref, ref.size, exact=True, urgency=demand.urgency)
        return await self._pool.run(lambda: _checked(lambda: render.reference_fit(whole, *size)), demand)

    async def _fit_level(self, ref: FrameRef, size: Size, demand: Demand) -> Array:
        """From the smallest resolution that has enough samples; good for movement, not for rest."""
        if ref.problem:
            raise problem_of(ref.problem)
        level = render.level_for(ref.rows, ref.columns, *size)
        level = min(level, len(ref.ends) - 1)
        length = ref.ends[len(ref.ends) - 1 - level]
        prefix = await self._objects.range(ref.stream, ref.start, ref.start + length)
        return await self._pool.run(
            lambda: _checked(lambda: render.reference_fit(_unpack(prefix, ref, level), *size)), demand
        )


def _key(ref: FrameRef, size: Size, exact: bool) -> tuple[Any, ...]:
    return (ref.original, ref.frame, size, exact)


def _unpack(prefix: bytes, ref: FrameRef, reduce: int) -> Array:
    return _checked(lambda: render.unpack(prefix, ref.ends, reduce))


def _checked(work: Callable[[], T]) -> T:
    """The result of `work()`; a `RenderError` becomes the error that people are told."""
    try:
        return work()
    except render.RenderError as error:
        raise problem_of(error.code) from error
