"""One viewer's stream: takes the plan's items one by one, renders each when it may be sent, and sends it in slices that can be overtaken."""

from __future__ import annotations

import asyncio
import json
import struct
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from backend.platform.clock import Clock
from backend.platform.errors import NotFound, Unavailable, YunyingError
from backend.viewing.flow import MOVING_QUEUE_SECONDS, QUEUE_SECONDS, Flow
from backend.viewing.model import Format, Picture, Size
from backend.viewing.pictures import SHEET_COLUMNS, Pictures, shown_size
from backend.viewing.plan import Item, Plan, Tier, View
from backend.viewing.series import FrameRef, SeriesView
from render import Rect

LEAST_SLICE, FIRST_SLICE, MOST_SLICE = 8 * 1024, 16 * 1024, 256 * 1024
"""Bounds of a slice in bytes, and its size before anything was measured. Messages longer than two slices are sent in slices, between
which something more urgent may go."""
_SLICE_SECONDS = 0.04
"""So long a slice may take the link. Smaller ones cost the processor of both sides more than they win."""
_TILES_AT_ONCE = 4
_SUSPENDED = 3
_RETRY_SECONDS = 1.0
_BUSY_SECONDS = 0.25
_MOVING_SECONDS = 0.05
"""Under a moving finger a JPEG may take the link for so long."""
_STEPS = ((1, 85, 1.0), (1, 70, 0.7), (1, 50, 0.5), (2, 85, 0.38), (2, 70, 0.27), (2, 50, 0.19))
"""How a frame may be sent, best first: shrunk by how much, JPEG quality, and its bytes relative to the first (measured on CT)."""
_SHEET_QUALITY = {85: 70, 70: 50, 50: 40}
"""JPEG quality of a contact sheet, by what the link can bear."""


class Wire(Protocol):
    """The socket."""

    async def send(self, message: bytes | dict[str, Any]) -> None:
        """Sends a binary message or a JSON text; returns when the kernel has it. Raises ConnectionError when it is closed."""
        ...


@dataclass
class _Parcel:
    """A picture on its way."""

    item: Item
    header: dict[str, Any]
    body: bytes
    id: int
    data: bytes = b""
    at: int = 0

    def begin(self, seq: int) -> None:
        """Frames the message; a picture that answers a view names the newest one."""
        stamped = self.header if self.item.tier is Tier.SHEET else {**self.header, "seq": seq}
        self.data = framed(stamped, self.body)

    @property
    def rest(self) -> int:
        return len(self.data) - self.at

    def slice(self, size: int) -> tuple[bytes, int]:
        """The next message of this parcel, of about `size` bytes, and where the one after it begins."""
        if self.at == 0 and len(self.data) <= 2 * size:
            return self.data, len(self.data)
        header = {"k": "part", "id": self.id, "at": self.at, "of": len(self.data)}
        piece = self.data[self.at : self.at + size]
        return framed(header, piece), self.at + len(piece)


class Stream:
    """Sends pictures of one exam to one terminal, the most useful first."""

    def __init__(
        self,
        wire: Wire,
        plan: Plan,
        pictures: Pictures,
        series: Callable[[int], Awaitable[SeriesView]],
        clock: Clock,
    ) -> None:
        """`series` gives the view of a series by its number in the manifest."""
        self._wire, self._plan, self._pictures, self._series, self._clock = wire, plan, pictures, series, clock
        self.flow = Flow(clock.monotonic())
        self._changed = asyncio.Event()
        self._ready: deque[_Parcel] = deque()
        self._suspended: OrderedDict[tuple[object, ...], _Parcel] = OrderedDict()
        self._problems: dict[tuple[int, int], dict[str, Any]] = {}
        self._told: set[tuple[int, int, int]] = set()
        self._ids = 0
        self._full_bytes = 0.0

    def look(self, view: View) -> None:
        """The terminal shows something else now."""
        self._plan.look(view)
        self.flow.queue_seconds = MOVING_QUEUE_SECONDS if view.moving else QUEUE_SECONDS
        self._changed.set()

    def overview(self, series: int, window: tuple[float, float] | None) -> None:
        """The terminal wants the contact sheets of a series."""
        self._plan.overview(series, window)
        self._changed.set()

    def acked(self, total: int) -> bool:
        """The terminal has received `total` bytes of pictures. False for a number that cannot be."""
        good = self.flow.acked(total, self._clock.monotonic())
        self._changed.set()
        return good

    def wake(self) -> None:
        """Something that the plan goes by has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Sends until cancelled. Raises ConnectionError when the socket is closed."""
        while True:
            self._changed.clear()
            parcel = await self._next_parcel()
            if parcel is None:
                await self._changed.wait()
            elif not await self._send(parcel):
                self._suspend(parcel)

    async def _next_parcel(self) -> _Parcel | None:
        """What to send next, rendered; None when there is nothing to do before something changes."""
        await self._tell_problem()
        while self._ready:
            parcel = self._ready.popleft()
            if self._plan.wanted(parcel.item):
                return parcel
        if not self.flow.may_send(1):
            return None
        self._plan.goodput = self.flow.goodput or 0.0
        item = self._plan.next()
        if item is None:
            return None
        known = self._suspended.pop(item.key, None)
        if known is not None:
            return known
        if item.tier >= Tier.AHEAD and self._pictures.busy:
            self._plan.put_back(item)
            asyncio.get_running_loop().call_later(_BUSY_SECONDS, self._changed.set)
            return None
        await self._render(self._with_company(item))
        # If nothing came of the item, the next turn of the loop finds another one at once.
        self._changed.set()
        return self._ready.popleft() if self._ready else None

    def _with_company(self, item: Item) -> list[Item]:
        """Tiles are made several at a time: handing one to a thread costs as much as making it."""
        items = [item]
        while item.tile is not None and len(items) < _TILES_AT_ONCE:
            following = self._plan.next()
            if following is None:
                break
            if following.tile is None or following.exact != item.exact:
                self._plan.put_back(following)
                break
            items.append(following)
        return items

    async def _render(self, items: list[Item]) -> None:
        """Makes the pictures of `items`, unless the view moves on meanwhile."""
        try:
            made = self._make(items) if await self._at_hand(items[0]) else self._interruptible(items)
            self._ready.extend(await made)
        except Unavailable as error:
            await self._unavailable(items, error)
        except YunyingError as error:
            self._failed(items, error)

    async def _at_hand(self, item: Item) -> bool:
        """Whether the picture is made on the spot, in less time than tasks would cost that watch the view meanwhile."""
        if item.tier is not Tier.SEEN:
            return False
        view = await self._series(item.series)
        return item.frame < len(view.frames) and self._pictures.at_hand(view.frames[item.frame], item.fit)

    async def _interruptible(self, items: list[Item]) -> list[_Parcel]:
        """The pictures, or none when the view moved on while they were made."""
        task = asyncio.ensure_future(self._make(items))
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            while not task.done():
                await asyncio.wait({task, changed}, return_when=asyncio.FIRST_COMPLETED)
                if not task.done() and changed.done():
                    if not (self._plan.wanted(items[0]) and self._plan.pressing(items[0])):
                        return []
                    self._changed.clear()
                    changed = asyncio.ensure_future(self._changed.wait())
            return task.result()
        finally:
            task.cancel()
            changed.cancel()

    async def _make(self, items: list[Item]) -> list[_Parcel]:
        item, view = items[0], await self._series(items[0].series)
        if item.tier is Tier.SHEET:
            return await self._sheet(item, view)
        if item.frame >= len(view.frames):
            raise NotFound("该序列中没有这一帧，请刷新页面。")
        ref = view.frames[item.frame]
        fmt = Format.PNG if item.exact else Format.JPEG
        look: dict[str, Any] = {"window": item.window, "fmt": fmt, "quality": self.flow.quality}
        if item.tile is not None:
            tiles = [(one, *one.tile) for one in items if one.tile is not None]
            rects = [rect for _, _, rect in tiles]
            made = await self._pictures.tiles(view, ref, item.tile[0], rects, urgency=item.tier.urgency, **look)
            return [
                self._parcel(one, _tile_header(one, level, rect, picture), picture)
                for (one, level, rect), picture in zip(tiles, made, strict=True)
            ]
        size = shown_size(ref, item.fit)
        if item.exact:
            picture = await self._pictures.frame(view, ref, size=size, urgency=item.tier.urgency, **look)
        else:
            picture = await self._moving_frame(view, ref, size, item)
        return [self._parcel(item, _frame_header(item, ref.size, picture), picture)]

    async def _moving_frame(self, view: SeriesView, ref: FrameRef, size: Size, item: Item) -> Picture:
        """A JPEG as good as the link can bear; under a moving finger one that it carries in a moment, judged by the last one's bytes."""
        steps = [step for step in _STEPS if step[1] <= self.flow.quality or step[0] > 1]
        chosen = steps[0]
        if self._plan.view is not None and self._plan.view.moving:
            room = self.flow.bytes_in(_MOVING_SECONDS)
            chosen = next((step for step in steps if self._full_bytes * step[2] <= room), steps[-1])
        shrink, quality, share = chosen
        smaller = (-(-size[0] // shrink), -(-size[1] // shrink))
        picture = await self._pictures.frame(
            view,
            ref,
            window=item.window,
            size=smaller,
            fmt=Format.JPEG,
            quality=quality,
            urgency=item.tier.urgency,
        )
        self._full_bytes = len(picture.data) / share
        return picture

    async def _sheet(self, item: Item, view: SeriesView) -> list[_Parcel]:
        numbers = range(item.frame, min(item.frame + item.count, len(view.frames)))
        picture, frames, cell = await self._pictures.sheet(
            view,
            numbers,
            window=item.window,
            quality=_SHEET_QUALITY[self.flow.quality],
            urgency=item.tier.urgency,
        )
        if not frames:
            self._plan.failed(item)
            return []
        header = {**_header("sheet", item, picture), "frames": frames, "cols": SHEET_COLUMNS, "cell": cell}
        return [self._parcel(item, header, picture)]

    def _parcel(self, item: Item, header: dict[str, Any], picture: Picture) -> _Parcel:
        self._ids += 1
        return _Parcel(item, header, picture.data, self._ids)

    async def _send(self, parcel: _Parcel) -> bool:
        """Sends what is left of a parcel as room comes up. False when something more urgent has to go first."""
        while not parcel.at or parcel.rest:
            if not self._goes_on(parcel):
                return False
            if not parcel.at:
                parcel.begin(self._plan.view.seq if self._plan.view else 0)
            message, following = parcel.slice(self._slice)
            if self.flow.may_send(len(message)):
                parcel.at = following
                self.flow.sent(len(message), self._clock.monotonic())
                await self._wire.send(message)
            else:
                self._changed.clear()
                await self._changed.wait()
                await self._tell_problem()
        self._plan.sent(parcel.item, len(parcel.data))
        return True

    @property
    def _slice(self) -> int:
        if self.flow.goodput is None:
            return FIRST_SLICE
        return int(min(max(self.flow.goodput * _SLICE_SECONDS, LEAST_SLICE), MOST_SLICE))

    def _goes_on(self, parcel: _Parcel) -> bool:
        """Whether to go on with a parcel: it is still wanted, and nothing more urgent waits, unless one slice ends it."""
        if parcel.at and parcel.rest <= self._slice:
            return True
        return self._plan.wanted(parcel.item) and self._plan.pressing(parcel.item)

    def _suspend(self, parcel: _Parcel) -> None:
        """Keeps what was begun: if it is wanted again, the rest will do."""
        if not parcel.at:
            return
        self._suspended[parcel.item.key] = parcel
        while len(self._suspended) > _SUSPENDED:
            self._suspended.popitem(last=False)

    def _failed(self, items: list[Item], error: YunyingError) -> None:
        for item in items:
            self._plan.failed(item)
            if item.tier is not Tier.SHEET:
                self._problems[item.series, item.frame] = _problem(error, item, None)
        self._changed.set()

    async def _tell_problem(self) -> None:
        """Says why the seen frame does not come; once for each view."""
        view = self._plan.view
        if view is None:
            return
        problem = self._problems.get((view.series, view.frame))
        if problem is not None and (view.series, view.frame, view.seq) not in self._told:
            self._told = {(view.series, view.frame, view.seq)}
            await self._wire.send(problem)

    async def _unavailable(self, items: Sequence[Item], error: Unavailable) -> None:
        """Storage or processor cannot now: say so if somebody waits, and try again a little later."""
        view, item = self._plan.view, items[0]
        if view is not None and (item.series, item.frame) == (view.series, view.frame):
            await self._wire.send(_problem(error, item, _RETRY_SECONDS))
        for one in reversed(items):
            self._plan.put_back(one)
        asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._changed.set)
        self._changed.clear()
        await self._changed.wait()


def framed(header: dict[str, Any], body: bytes) -> bytes:
    """A binary message: two bytes of header length (big-endian), the header, the body."""
    head = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack(">H", len(head)) + head + body


def _header(kind: str, item: Item, picture: Picture) -> dict[str, Any]:
    return {
        "k": kind,
        "s": item.series,
        "win": picture.window,
        "auto": item.window is None,
        "fmt": picture.format.value,
    }


def _frame_header(item: Item, full: tuple[int, int], picture: Picture) -> dict[str, Any]:
    shown = {"f": item.frame, "size": picture.size, "full": full, "lossless": picture.lossless}
    return {**_header("frame", item, picture), **shown}


def _tile_header(item: Item, level: int, rect: Rect, picture: Picture) -> dict[str, Any]:
    place = {"f": item.frame, "level": level, "rect": [rect.x, rect.y, rect.width, rect.height]}
    return {**_header("tile", item, picture), **place, "lossless": picture.lossless}


def _problem(error: YunyingError, item: Item, retry: float | None) -> dict[str, Any]:
    return {
        "t": "problem",
        "code": error.code,
        "text": error.text,
        "retry": retry,
        "series": item.series,
        "frame": item.frame,
    }
