"""What to send next on one socket: an ordered queue, made anew for each view.

Pure logic: it knows frames by number and never touches a pixel. The order is that of docs/streaming.md; the tests state it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from backend.platform.cpu import Urgency
from backend.viewing.model import Size, WindowValues
from backend.viewing.pictures import NATIVE, SHEET_FRAMES
from render import Rect, tile_rect, tiles_in

AHEAD, BEHIND = 32, 8
"""Neighbours fetched as JPEG in the direction of travel and against it."""
EXACT_AROUND = 2
"""Neighbours fetched lossless on each side when all else is done."""
WHOLE_SERIES = 128
"""Series of at most so many frames are fetched whole: cine loops."""
_SLOW = 1_000_000 / 8
"""Below this goodput (bytes a second) a moving finger outruns even small pictures: the contact sheet around the frame goes before it."""
_MOST_TILES = 64
_ACCOUNTS = 8


class Tier(IntEnum):
    """Why something is sent; lower goes first."""

    SEEN = 0
    TILE = 1
    EXACT = 2
    SHEET = 3
    AHEAD = 4
    AHEAD_EXACT = 5

    @property
    def urgency(self) -> Urgency:
        """Its place in the queue for the processor."""
        return _URGENCY[self]


_URGENCY = {
    Tier.SEEN: Urgency.SEEN,
    Tier.TILE: Urgency.SEEN,
    Tier.EXACT: Urgency.SHARPEN,
    Tier.SHEET: Urgency.OVERVIEW,
    Tier.AHEAD: Urgency.AHEAD,
    Tier.AHEAD_EXACT: Urgency.AHEAD,
}


@dataclass(frozen=True, slots=True)
class View:
    """What is on screen."""

    seq: int
    series: int
    frame: int
    window: WindowValues | None
    """None: each frame's own default."""
    fit: Size
    tiles: tuple[int, Rect] | None = None
    """Level and visible rectangle in its pixels."""
    moving: bool = False
    dir: int = 0
    have: int = 0
    """What the terminal holds of the seen frame: 0 nothing, 1 a JPEG, 2 the lossless picture."""


@dataclass(frozen=True, slots=True)
class Item:
    """One picture to send."""

    tier: Tier
    series: int
    frame: int
    """Of a sheet: its first frame."""
    window: WindowValues | None
    fit: Size
    exact: bool = False
    tile: tuple[int, Rect] | None = None
    count: int = 1
    """Frames of a sheet."""

    @property
    def key(self) -> tuple[object, ...]:
        """The picture itself, whatever the reason for sending it."""
        kind = "sheet" if self.tier is Tier.SHEET else self.tile
        return (kind, self.series, self.frame, self.window, self.fit if kind is None else None, self.exact)


@dataclass
class SeriesShape:
    """What planning needs of a series."""

    frames: int
    rows: int
    columns: int


@dataclass
class Held:
    """What the terminal holds for one series, window and size, as far as the server knows."""

    lossy: set[int] = field(default_factory=set)
    exact: set[int] = field(default_factory=set)
    tiles: set[tuple[object, ...]] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    bytes: int = 0


class Plan:
    """The queue of one socket."""

    def __init__(self, shapes: list[SeriesShape], keep_bytes: int) -> None:
        """`keep_bytes`: encoded bytes that the terminal will hold; nothing is fetched ahead beyond."""
        self.shapes = shapes
        self._keep = keep_bytes
        self.view: View | None = None
        self._held: dict[tuple[object, ...], Held] = {}
        self._sheets_sent: dict[tuple[int, WindowValues | None], set[int]] = {}
        self._sheet_windows: dict[int, WindowValues | None] = {}
        self._queue: Iterator[Item] = iter(())
        self._put_back: list[Item] = []
        self._windowing = False
        self.goodput = 0.0

    def held(self, series: int, window: WindowValues | None, fit: Size) -> Held:
        """The account for this series, window and size; begins empty."""
        shape = self.shapes[series]
        size = None if max(shape.rows, shape.columns) <= NATIVE else fit
        return self._held.setdefault((series, window, size), Held())

    def look(self, view: View) -> None:
        """The view changed: what was queued is dropped and the order made anew."""
        before = self.view
        if before is None or (before.series, before.window, before.fit) != (view.series, view.window, view.fit):
            self._forget_but(view)
        if before is None or (before.frame, before.series, before.window) != (view.frame, view.series, view.window):
            self.held(view.series, view.window, view.fit).tiles.clear()
        held = self.held(view.series, view.window, view.fit)
        (held.lossy.add if view.have >= 1 else held.lossy.discard)(view.frame)
        (held.exact.add if view.have >= 2 else held.exact.discard)(view.frame)
        if view.series not in self._sheet_windows:
            self._sheet_windows[view.series] = view.window
        if before is not None and (before.frame, before.series) == (view.frame, view.series):
            self._windowing = view.moving and (self._windowing or before.window != view.window)
        else:
            self._windowing = False
        self.view = view
        self._restart()

    def overview(self, series: int, window: WindowValues | None) -> None:
        """The sheets of a series are wanted (again), for this window."""
        self._sheet_windows[series] = window
        self._sheets_held(series).clear()
        self._restart()

    def changed(self, series: int, shape: SeriesShape, *, same_frames: bool) -> None:
        """The series was derived anew. With other frames numbers mean other pictures now, and all that was known of it is void."""
        self.shapes[series] = shape
        if not same_frames:
            self._held = {key: held for key, held in self._held.items() if key[0] != series}
            self._sheets_sent = {key: sent for key, sent in self._sheets_sent.items() if key[0] != series}
            self._restart()

    def remember(
        self,
        series: int,
        window: WindowValues | None,
        fit: Size,
        sheets: Sequence[tuple[int, int]],
        frames: Sequence[tuple[int, int]],
        exact: Sequence[tuple[int, int]],
    ) -> None:
        """Takes inclusive ranges of frames that the terminal holds since before it lost its connection."""
        count = self.shapes[series].frames
        held = self.held(series, window, fit)
        held.exact.update(_members(exact, count))
        held.lossy.update(_members(frames, count), held.exact)
        cells = set(_members(sheets, count))
        self._sheet_windows[series] = window
        starts = range(0, count, SHEET_FRAMES)
        whole = [first for first in starts if cells.issuperset(range(first, min(first + SHEET_FRAMES, count)))]
        self._sheets_held(series).update(whole)

    def next(self) -> Item | None:
        """What to render and send next; None when the terminal has all that it may want."""
        while self._put_back:
            item = self._put_back.pop()
            if not self._done(item):
                return item
        return next((item for item in self._queue if not self._done(item)), None)

    def put_back(self, item: Item) -> None:
        """The item was not sent after all; it comes next unless the view changes."""
        self._put_back.append(item)

    def wanted(self, item: Item) -> bool:
        """Whether the item still serves the present view."""
        view = self.view
        if view is None or self._done(item):
            return False
        if item.tier is Tier.SHEET:
            return self._sheet_windows.get(item.series) == item.window
        if (item.series, item.window) != (view.series, view.window):
            return False
        if item.tile is not None:
            return view.tiles is not None and view.tiles[0] == item.tile[0] and item.frame == view.frame
        if item.fit != view.fit and max(self._size(item.series)) > NATIVE:
            return False
        if item.frame == view.frame:
            return not item.exact or not view.moving
        return abs(item.frame - view.frame) <= AHEAD or self.shapes[item.series].frames <= WHOLE_SERIES

    def pressing(self, item: Item) -> bool:
        """Whether the present view has nothing more urgent to wait for than this item."""
        view = self.view
        if view is None:
            return True
        if item.tier is Tier.SHEET:
            covers = item.series == view.series and item.frame <= view.frame < item.frame + item.count
            if covers and self._sheet_first(view):
                return True
        elif item.frame == view.frame and (item.tile is not None or not item.exact):
            return True
        held = self.held(view.series, view.window, view.fit)
        return view.frame in held.lossy or view.frame in held.exact or view.frame in held.failed

    def sent(self, item: Item, size: int) -> None:
        """The item went out, `size` bytes."""
        held = self.held(item.series, item.window, item.fit)
        held.bytes += size
        if item.tier is Tier.SHEET:
            self._sheets_held(item.series).add(item.frame)
        elif item.tile is not None:
            held.tiles.add(item.key)
        else:
            held.lossy.add(item.frame)
            if item.exact:
                held.exact.add(item.frame)

    def failed(self, item: Item) -> None:
        """The item cannot be made; it is not tried again for this series and window."""
        held = self.held(item.series, item.window, item.fit)
        if item.tier is Tier.SHEET:
            self._sheets_held(item.series).add(item.frame)
        elif item.tile is not None:
            held.tiles.add(item.key)
        else:
            held.failed.add(item.frame)

    def _restart(self) -> None:
        self._put_back.clear()
        self._queue = iter(()) if self.view is None else self._order(self.view)

    def _forget_but(self, view: View) -> None:
        """Keeps the accounts of the latest windows and sizes: a terminal keeps the pictures of no more either."""
        present = self.held(view.series, view.window, view.fit)
        key = next(key for key, held in self._held.items() if held is present)
        self._held[key] = self._held.pop(key)
        while len(self._held) > _ACCOUNTS:
            del self._held[next(iter(self._held))]
        while len(self._sheets_sent) > 2 * _ACCOUNTS:
            del self._sheets_sent[next(iter(self._sheets_sent))]

    def _size(self, series: int) -> Size:
        return self.shapes[series].columns, self.shapes[series].rows

    def _sheets_held(self, series: int) -> set[int]:
        return self._sheets_sent.setdefault((series, self._sheet_windows.get(series)), set())

    def _done(self, item: Item) -> bool:
        if item.tier is Tier.SHEET:
            return item.frame in self._sheets_held(item.series)
        held = self.held(item.series, item.window, item.fit)
        if item.tile is not None:
            return item.key in held.tiles
        if item.frame in held.failed or item.frame in held.exact:
            return True
        return not item.exact and item.frame in held.lossy

    def _order(self, view: View) -> Iterator[Item]:
        """The whole order for a view, made step by step as room comes up."""
        if self._sheet_first(view):
            yield from self._sheets(view, reach=1)
        if view.tiles is None or view.have == 0:
            yield self._frame(Tier.SEEN, view, view.frame)
        yield from self._tiles(view, exact=False)
        if not view.moving:
            if view.tiles is None:
                yield self._frame(Tier.EXACT, view, view.frame, exact=True)
            yield from self._tiles(view, exact=True)
        if self._windowing:
            return  # The window will be another one in a moment: all else would be made and sent for nothing.
        yield from self._sheets(view)
        yield from self._neighbours(view)
        if not view.moving and view.tiles is None:
            for step in range(1, EXACT_AROUND + 1):
                for frame in self._both_ways(view, step):
                    yield self._frame(Tier.AHEAD_EXACT, view, frame, exact=True)

    def _sheet_first(self, view: View) -> bool:
        return view.moving and 0 < self.goodput < _SLOW and not self._windowing

    def _frame(self, tier: Tier, view: View, frame: int, *, exact: bool = False) -> Item:
        return Item(tier, view.series, frame, view.window, view.fit, exact)

    def _tiles(self, view: View, *, exact: bool) -> Iterator[Item]:
        """Visible tiles, from the middle outwards."""
        if view.tiles is None:
            return
        level, seen = view.tiles
        shape = self.shapes[view.series]
        rects = [
            tile_rect(shape.rows, shape.columns, level, row, column)
            for row, column in tiles_in(shape.rows, shape.columns, level, seen)
        ]
        x, y = seen.x + seen.width / 2, seen.y + seen.height / 2
        rects.sort(key=lambda r: (r.x + r.width / 2 - x) ** 2 + (r.y + r.height / 2 - y) ** 2)
        tier = Tier.EXACT if exact else Tier.TILE
        for rect in rects[:_MOST_TILES]:
            yield Item(tier, view.series, view.frame, view.window, view.fit, exact, (level, rect))

    def _sheets(self, view: View, reach: int | None = None) -> Iterator[Item]:
        """Contact sheets, nearest first; all, or as many as `reach` says."""
        frames = self.shapes[view.series].frames
        if frames < 2:
            return
        starts = sorted(range(0, frames, SHEET_FRAMES), key=lambda first: self._sheet_distance(view, first))
        window = self._sheet_windows[view.series]
        for first in starts[:reach]:
            count = min(SHEET_FRAMES, frames - first)
            yield Item(Tier.SHEET, view.series, first, window, view.fit, count=count)

    def _sheet_distance(self, view: View, first: int) -> float:
        """How soon the finger comes there; what lies behind counts double."""
        if first <= view.frame < first + SHEET_FRAMES:
            return -1
        middle = first + SHEET_FRAMES / 2 - view.frame
        return abs(middle) * (2 if view.dir * middle < 0 else 1)

    def _neighbours(self, view: View) -> Iterator[Item]:
        frames = self.shapes[view.series].frames
        ahead, behind = (AHEAD, BEHIND) if view.dir else ((AHEAD + BEHIND) // 2,) * 2
        if frames <= WHOLE_SERIES:
            ahead = behind = frames
        held = self.held(view.series, view.window, view.fit)
        for frame in self._travel(view, ahead, behind):
            # Half of what the terminal can hold: pictures of other windows and series want room, too.
            if held.bytes * 2 > self._keep:
                return
            yield self._frame(Tier.AHEAD, view, frame)

    def _travel(self, view: View, ahead: int, behind: int) -> Iterator[int]:
        """Neighbours in the order in which a finger would reach them, four ahead for each one behind."""
        frames, direction = self.shapes[view.series].frames, view.dir or 1
        forth = (view.frame + direction * n for n in range(1, ahead + 1))
        back = (view.frame - direction * n for n in range(1, behind + 1))
        share = 4 if view.dir else 1
        while True:
            group = [frame for _, frame in zip(range(share), forth, strict=False)]
            group += [frame for _, frame in zip(range(1), back, strict=False)]
            if not group:
                return
            yield from (frame for frame in group if 0 <= frame < frames)

    def _both_ways(self, view: View, step: int) -> list[int]:
        direction = view.dir or 1
        frames = self.shapes[view.series].frames
        return [f for f in (view.frame + direction * step, view.frame - direction * step) if 0 <= f < frames]


def _members(ranges: Sequence[tuple[int, int]], count: int) -> Iterator[int]:
    for first, last in ranges:
        yield from range(first, min(last + 1, count))
