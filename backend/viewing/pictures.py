"""Pictures of 8 bits: a frame, tiles of one, a contact sheet, a thumbnail. Windowed on full-depth values, encoded once however many ask."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

import render
from backend.platform.cpu import CpuPool, Demand, Urgency
from backend.platform.errors import YunyingError
from backend.platform.objects import ObjectMissing, ObjectStore
from backend.viewing.flight import SharedCache
from backend.viewing.frames import FrameSource
from backend.viewing.model import Format, Picture, Size, WindowValues
from backend.viewing.series import FrameRef, SeriesView, with_default
from render import Rect, Transform, Window

NATIVE = 1024
"""Frames whose sides are no longer are shown at their own size, whatever the screen; pixels."""
CELL = 128
"""Long side of an overview cell and of a thumbnail, pixels."""
SHEET_COLUMNS = 4
SHEET_FRAMES = 16
# Up to so many pixels a JPEG is made on the event loop: handing it to a thread would cost as much as it saves.
_INLINE_PIXELS = 300_000

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Look:
    """How a frame is turned into 8 bits, and the window that people are told."""

    transform: Transform
    window: Window | None
    """None: what the file says (its VOI LUT, its first window, its full range)."""
    told: WindowValues | None
    """None for colour."""


class Pictures:
    """Makes pictures out of a `FrameSource`."""

    def __init__(self, source: FrameSource, objects: ObjectStore, pool: CpuPool, cache_bytes: int = 48 << 20) -> None:
        self.source = source
        self._objects, self._pool = objects, pool
        self._encoded: SharedCache[Picture] = SharedCache(cache_bytes, lambda picture: len(picture.data) + 200)
        self._luts: LRUCache[Hashable, NDArray[np.uint8]] = LRUCache(256)
        self._lut_lock = threading.Lock()

    @property
    def busy(self) -> bool:
        """More work waits than will be done in a moment: nothing should be fetched ahead now."""
        return self._pool.waiting > 2 * self._pool.threads

    def at_hand(self, ref: FrameRef, fit: Size) -> bool:
        """Whether a JPEG of this frame is made on the spot: small, and its values in memory."""
        width, height = shown_size(ref, fit)
        return width * height <= _INLINE_PIXELS and self.source.peek(ref, (width, height), exact=False) is not None

    async def look(self, view: SeriesView, ref: FrameRef, asked: WindowValues | None, urgency: Urgency) -> Look:
        """The transform of a frame with the window asked for; None asks for the frame's own default."""
        transform = ref.transform or await self.source.transform(ref, urgency)
        return look_of(with_default(transform, view.default_window), asked)

    async def frame(
        self,
        view: SeriesView,
        ref: FrameRef,
        *,
        window: WindowValues | None = None,
        size: Size | None = None,
        fmt: Format = Format.JPEG,
        quality: int = 85,
        urgency: Urgency = Urgency.SEEN,
    ) -> Picture:
        """One whole frame at `size` (width, height, not above its own; None: its own).

        PNG is exact, JPEG may come from a lower resolution.
        """
        look = await self.look(view, ref, window, urgency)
        size = size or ref.size
        exact = fmt is Format.PNG
        key = (ref.original, ref.frame, look.transform, look.window, size, fmt, quality)
        kept = self._encoded.peek(key)
        if kept is not None:
            return kept
        values = self.source.peek(ref, size, exact=exact)
        if values is not None and not exact and urgency is Urgency.SEEN and size[0] * size[1] <= _INLINE_PIXELS:
            picture = self._picture(values, look, fmt, quality, exact)
            self._encoded.keep(key, picture)
            return picture

        async def make(demand: Demand) -> Picture:
            found = values
            if found is None:
                found = await self.source.fitted(ref, size, exact=exact, urgency=demand.urgency)
            return await self._pool.run(lambda: self._picture(found, look, fmt, quality, exact), demand)

        return await self._encoded.get(key, make, urgency)

    async def tiles(
        self,
        view: SeriesView,
        ref: FrameRef,
        level: int,
        rects: Sequence[Rect],
        *,
        window: WindowValues | None = None,
        fmt: Format = Format.JPEG,
        quality: int = 85,
        urgency: Urgency = Urgency.SEEN,
    ) -> list[Picture]:
        """Pieces of level `level` (1 / 2**level of the frame), all made in one job."""
        look = await self.look(view, ref, window, urgency)
        exact = fmt is Format.PNG
        high, wide = render.level_size(ref.rows, ref.columns, level)
        values = await self.source.fitted(ref, (wide, high), exact=exact, urgency=urgency)

        def cut() -> list[Picture]:
            return [self._picture(rect.cut(values), look, fmt, quality, exact) for rect in rects]

        return await self._pool.run(cut, urgency)

    async def sheet(
        self, view: SeriesView, numbers: Sequence[int], *, window: WindowValues | None, quality: int, urgency: Urgency
    ) -> tuple[Picture, list[int], Size]:
        """A contact sheet of the frames `numbers`: picture, the frames in it row by row, and the size of a cell.

        Frames that cannot be shown are left out; an empty list means that none can.
        """
        refs = [view.frames[number] for number in numbers]
        cells = await self._cells(view, refs, window, urgency)
        shown = [(number, *cell) for number, cell in zip(numbers, cells, strict=True) if cell is not None]
        first = refs[0]
        size = render.fit(first.rows, first.columns, (CELL, CELL))
        frames = [number for number, _, _ in shown]
        if not shown:
            return Picture(b"", Format.JPEG, size, None, False), [], size
        key = (
            "sheet",
            tuple((view.frames[n].original, view.frames[n].frame) for n in frames),
            shown[0][2].window,
            size,
        )

        async def make(demand: Demand) -> Picture:
            return await self._pool.run(lambda: self._sheet([(v, look) for _, v, look in shown], size, quality), demand)

        return await self._encoded.get(key, make, urgency), frames, size

    async def thumbnail(self, view: SeriesView, ref: FrameRef) -> Picture:
        """JPEG of a frame, long side 128."""
        look = await self.look(view, ref, None, Urgency.OVERVIEW)
        size = render.fit(ref.rows, ref.columns, (CELL, CELL))
        values = await self.source.fitted(ref, size, exact=False, urgency=Urgency.OVERVIEW)
        return await self._pool.run(lambda: self._picture(values, look, Format.JPEG, 80, False), Urgency.OVERVIEW)

    async def _cells(
        self, view: SeriesView, refs: Sequence[FrameRef], window: WindowValues | None, urgency: Urgency
    ) -> list[tuple[Array, Look] | None]:
        pieces = await self._overview(view, refs)

        async def one(ref: FrameRef, piece: bytes | None) -> tuple[Array, Look] | None:
            try:
                look = await self.look(view, ref, window, urgency)
                reduce = view.overview_reduce if piece else render.overview_reduce(ref.rows, ref.columns)
                return await self.source.cell(ref, piece, reduce, urgency), look
            except YunyingError:
                return None

        return list(await asyncio.gather(*(one(ref, piece) for ref, piece in zip(refs, pieces, strict=True))))

    async def _overview(self, view: SeriesView, refs: Sequence[FrameRef]) -> list[bytes | None]:
        """The cells' bytes in one read; None where there are none."""
        spans = [ref.overview for ref in refs if ref.overview is not None]
        if not view.overview or not spans:
            return [None] * len(refs)
        low, high = min(start for start, _ in spans), max(end for _, end in spans)
        try:
            data = await self._objects.range(view.overview, low, high)
        except ObjectMissing:
            return [None] * len(refs)  # A newer overview took its place; the frames themselves are still there.
        return [None if ref.overview is None else data[ref.overview[0] - low : ref.overview[1] - low] for ref in refs]

    def _sheet(self, cells: Sequence[tuple[Array, Look]], size: Size, quality: int) -> Picture:
        painted = [self._paint(values, look) for values, look in cells]
        pixels = render.sheet(painted, size, SHEET_COLUMNS)
        data = render.encode_jpeg(pixels, quality)
        return Picture(data, Format.JPEG, (pixels.shape[1], pixels.shape[0]), cells[0][1].told, False)

    def _picture(self, values: Array, look: Look, fmt: Format, quality: int, exact: bool) -> Picture:
        pixels = self._paint(values, look)
        data = render.encode_png(pixels) if fmt is Format.PNG else render.encode_jpeg(pixels, quality)
        size = (pixels.shape[1], pixels.shape[0])
        return Picture(data, fmt, size, look.told, exact and fmt is Format.PNG)

    def _paint(self, values: Array, look: Look) -> NDArray[np.uint8]:
        if look.transform.colour or values.ndim == 3 or values.dtype.kind not in "iu" or values.dtype.itemsize > 2:
            return render.window_pixels(values, look.transform, look.window)
        return np.asarray(cv2.LUT(values, self._lut(look, values.dtype)))

    def _lut(self, look: Look, dtype: Any) -> NDArray[np.uint8]:
        key = (look.transform, look.window, dtype)
        with self._lut_lock:
            found = self._luts.get(key)
        if found is None:
            found = render.grey_lut(look.transform, look.window, dtype)
            with self._lut_lock:
                self._luts[key] = found
        return found


def look_of(transform: Transform, asked: WindowValues | None) -> Look:
    """The window that `asked` means with this transform.

    A window keeps the function of the file (VOI LUT Function holds for all of its windows, PS3.3 C.11.2.1.3); the values of one of the
    file's own windows mean that window.
    """
    if transform.colour:
        return Look(transform, None, None)
    if asked is None:
        own = render.drag_window(transform)
        return Look(transform, None, (own.center, own.width))
    for window in transform.windows:
        if (window.center, window.width) == asked:
            return Look(transform, window, asked)
    function = transform.windows[0].function if transform.windows else "LINEAR"
    if function == "LINEAR" and asked[1] < 1:
        function = "LINEAR_EXACT"
    return Look(transform, Window(asked[0], asked[1], function=function), asked)


def shown_size(ref: FrameRef, asked: Size | None) -> Size:
    """Width and height at which a whole frame is sent: its own where small or not asked, else what was asked within its own."""
    if asked is None or max(ref.size) <= NATIVE:
        return ref.size
    return max(1, min(asked[0], ref.columns)), max(1, min(asked[1], ref.rows))
