"""Flow control and the pump, against a link that is modelled byte by byte."""

from __future__ import annotations

import asyncio
import heapq
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.platform.clock import ManualClock
from backend.platform.errors import Unavailable
from backend.viewing.flow import LEAST_WINDOW, QUEUE_SECONDS, Flow
from backend.viewing.frames import ImageProblem
from backend.viewing.model import Format, Picture
from backend.viewing.plan import Plan, SeriesShape, View
from backend.viewing.series import FrameRef, SeriesView
from backend.viewing.stream import FIRST_SLICE, LEAST_SLICE, Stream
from tests.viewing.house import split

JPEG_BYTES, PNG_BYTES, SHEET_BYTES = 25_000, 90_000, 35_000


class Link:
    """A link of a given rate and round trip: what is sent arrives in order, is acknowledged, and the acknowledgement travels back."""

    def __init__(self, rate: float, round_trip: float) -> None:
        self.rate, self.round_trip = rate, round_trip
        self.free = 0.0

    def acknowledged_at(self, size: int, now: float) -> float:
        self.free = max(self.free, now + self.round_trip / 2) + size / self.rate
        return self.free + self.round_trip / 2


def drive(flow: Flow, link: Link, seconds: float, start: float = 0.0) -> tuple[float, int]:
    """Sends as much as the flow allows for some seconds; the end and the most that was in flight."""
    now, sent, most = start, flow._sent, 0
    acks: list[tuple[float, int]] = []
    while now < start + seconds:
        size = int(max(flow.goodput * 0.04, LEAST_SLICE)) if flow.goodput else FIRST_SLICE
        while flow.may_send(size):
            sent += size
            flow.sent(size, now)
            heapq.heappush(acks, (link.acknowledged_at(size, now), sent))
            most = max(most, flow.in_flight)
            assert flow.in_flight <= max(flow.window, size)
        now, total = heapq.heappop(acks)
        assert flow.acked(total, now)
    for at, total in sorted(acks):
        flow.acked(total, at)
        now = max(now, at)
    return now, most


@pytest.mark.parametrize(
    ("rate", "round_trip"), [(200_000, 0.15), (1_125_000, 0.165), (3_750_000, 0.01), (50_000, 0.4)]
)
def test_the_rate_is_found_and_the_queue_stays_short(rate: float, round_trip: float) -> None:
    flow, link = Flow(0.0), Link(rate, round_trip)
    flow.round_trip_seen(round_trip, 0.0)
    now, _ = drive(flow, link, 5)
    assert flow.goodput == pytest.approx(rate, rel=0.3)
    _, most = drive(flow, link, 3, start=now)
    held_by_link = rate * round_trip
    assert most <= max(LEAST_WINDOW, 1.35 * (held_by_link + rate * QUEUE_SECONDS)) + FIRST_SLICE + 0.05 * rate


def test_a_link_with_little_to_carry_does_not_look_slow() -> None:
    flow, link, now, sent = Flow(0.0), Link(1_125_000, 0.165), 0.0, 0
    flow.round_trip_seen(0.165, 0.0)
    for _ in range(12):
        sent += 25_000
        flow.sent(25_000, now)
        now = link.acknowledged_at(25_000, now)
        flow.acked(sent, now)
        now += 0.4
    assert flow.quality == 85
    assert flow.goodput > 600_000


def test_a_link_that_drops_is_noticed_within_its_own_delay() -> None:
    flow, link = Flow(0.0), Link(1_125_000, 0.165)
    flow.round_trip_seen(0.165, 0.0)
    now, _ = drive(flow, link, 4)
    link.rate = 50_000
    now, _ = drive(flow, link, 6, start=now)
    assert flow.goodput < 100_000
    assert flow.window <= 60_000
    assert flow.quality == 50


def test_impossible_acknowledgements_are_refused() -> None:
    flow = Flow(0.0)
    flow.sent(1000, 0.0)
    assert not flow.acked(1001, 0.1)
    assert flow.acked(1000, 0.1)
    assert not flow.acked(999, 0.2)


class Painter:
    """Pictures of known sizes, at once or when told."""

    def __init__(self) -> None:
        self.broken: set[int] = set()
        self.down = 0
        self.gate: asyncio.Event | None = None
        self.made: list[tuple[str, int]] = []

    async def frame(self, view: SeriesView, ref: FrameRef, *, fmt: Format, urgency: Any, **_: Any) -> Picture:
        if self.gate is not None and ref.frame in self.slow:
            await self.gate.wait()
        if self.down:
            self.down -= 1
            raise Unavailable
        if ref.frame in self.broken:
            raise ImageProblem
        self.made.append((fmt.value, ref.frame))
        size = PNG_BYTES if fmt is Format.PNG else JPEG_BYTES
        return Picture(bytes(size), fmt, (512, 512), (40.0, 400.0), fmt is Format.PNG)

    slow: frozenset[int] = frozenset()
    busy = False

    def at_hand(self, ref: FrameRef, fit: tuple[int, int]) -> bool:
        return False

    async def sheet(self, view: SeriesView, numbers: Any, **_: Any) -> tuple[Picture, list[int], tuple[int, int]]:
        self.made.append(("sheet", numbers[0]))
        return Picture(bytes(SHEET_BYTES), Format.JPEG, (512, 512), (40.0, 400.0), False), list(numbers), (128, 128)


class Wire:
    """Keeps what was sent, acknowledges nothing by itself."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.stream: Stream | None = None

    async def send(self, message: Any) -> None:
        if isinstance(message, bytes):
            flow = self.stream.flow
            assert flow.in_flight <= max(flow.window, len(message)), "more in flight than the window"
            header, body = split(message)
            assert len(body) <= 2 * max(FIRST_SLICE, 0.05 * (flow.goodput or 0))
            if header["k"] == "part" and header["at"] == 0:
                header["inner"] = split(body)[0]
            self.sent.append(header)
        else:
            self.sent.append(message)


class Bench:
    """A stream with a painter and a wire."""

    def __init__(self, frames: int = 60) -> None:
        self.clock, self.wire, self.painter = ManualClock(), Wire(), Painter()
        refs = [FrameRef(f"original/{n}", n, 512, 512) for n in range(frames)]
        opened = SeriesView("s", {}, refs)

        async def series(number: int) -> SeriesView:
            return opened

        self.plan = Plan([SeriesShape(frames, 512, 512)], 48_000_000)
        self.stream = Stream(self.wire, self.plan, self.painter, series, self.clock)  # type: ignore[arg-type]
        self.wire.stream = self.stream
        self.seq = 0

    async def __aenter__(self) -> Bench:
        self.task = asyncio.ensure_future(self.stream.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.task.done():
            self.task.result()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def settle(self) -> None:
        for _ in range(60):
            await asyncio.sleep(0)

    def look(self, frame: int, **more: Any) -> None:
        self.seq += 1
        known = {"series": 0, "window": None, "fit": (512, 512)}
        self.stream.look(View(seq=self.seq, frame=frame, **{**known, **more}))

    def acknowledge(self, share: float = 1.0) -> None:
        flow = self.stream.flow
        self.clock.advance(seconds=0.6)
        assert self.stream.acked(flow._acked + int(flow.in_flight * share))

    def frames(self) -> list[dict[str, Any]]:
        """Headers of the frames that were begun."""
        begun = [header.get("inner", header) for header in self.wire.sent]
        return [header for header in begun if header.get("k") == "frame"]


async def test_the_seen_frame_overtakes_a_large_picture_on_its_way() -> None:
    async with Bench() as bench:
        bench.look(10)
        await bench.settle()
        bench.acknowledge()
        await bench.settle()
        slices = [header for header in bench.wire.sent if header["k"] == "part"]
        assert slices
        assert slices[-1]["at"] + LEAST_SLICE < slices[-1]["of"]
        bench.look(30)
        await bench.settle()
        bench.acknowledge()
        await bench.settle()
        after = bench.wire.sent[bench.wire.sent.index(slices[-1]) + 1 :]
        begun = after[0].get("inner", after[0])
        assert (begun["k"], begun["f"], begun["seq"]) == ("frame", 30, 2)


async def test_an_interrupted_picture_goes_on_where_it_stopped() -> None:
    async with Bench() as bench:
        bench.look(10)
        await bench.settle()
        bench.acknowledge()
        await bench.settle()
        bench.look(11)
        for _ in range(2):
            await bench.settle()
            bench.acknowledge()
        bench.look(10, have=1)
        for _ in range(12):
            await bench.settle()
            bench.acknowledge()
        begun = [header["id"] for header in bench.wire.sent if header["k"] == "part" and header["of"] > PNG_BYTES]
        ats = [header["at"] for header in bench.wire.sent if header["k"] == "part" and header["id"] == begun[0]]
        assert ats == sorted(set(ats))
        assert ats[-1] + FIRST_SLICE >= PNG_BYTES
        assert bench.painter.made.count(("png", 10)) == 1


async def test_rendering_for_an_older_view_is_given_up() -> None:
    async with Bench() as bench:
        bench.painter.gate, bench.painter.slow = asyncio.Event(), frozenset({5})
        bench.look(5)
        await bench.settle()
        bench.look(6)
        await bench.settle()
        assert {header["f"] for header in bench.frames()} == {6}
        bench.painter.gate.set()
        await bench.settle()
        assert ("jpeg", 5) not in bench.painter.made


async def test_a_broken_frame_is_told_and_the_others_go_on() -> None:
    async with Bench() as bench:
        bench.painter.broken = {7}
        bench.look(7)
        for _ in range(40):
            await bench.settle()
            bench.acknowledge()
        problems = [text for text in bench.wire.sent if text.get("t") == "problem"]
        assert [(p["code"], p["series"], p["frame"]) for p in problems] == [("corrupt-image", 0, 7)]
        assert problems[0]["text"]
        assert {header["f"] for header in bench.frames()} >= {6, 8}
        bench.look(6, have=1)
        bench.look(7)
        await bench.settle()
        assert sum(text.get("t") == "problem" for text in bench.wire.sent) == 2


async def test_while_the_window_is_dragged_nothing_else_is_made() -> None:
    async with Bench() as bench:
        bench.look(10, moving=True, window=(40.0, 400.0))
        await bench.settle()
        bench.acknowledge()
        for step in range(5):
            bench.painter.made.clear()
            bench.look(10, moving=True, window=(40.0 + step, 380.0))
            for _ in range(4):
                await bench.settle()
                bench.acknowledge()
            assert bench.painter.made == [("jpeg", 10)]
        bench.look(10, window=(44.0, 380.0), have=1)
        await bench.settle()
        assert bench.painter.made[1] == ("png", 10)


async def test_under_load_nothing_is_fetched_ahead() -> None:
    async with Bench() as bench:
        bench.painter.busy = True
        bench.look(10)
        for _ in range(40):
            await bench.settle()
            bench.acknowledge()
        assert {made for made in bench.painter.made if made[0] != "sheet"} == {("jpeg", 10), ("png", 10)}
        bench.painter.busy = False
        bench.stream.wake()
        for _ in range(10):
            await bench.settle()
            bench.acknowledge()
        assert ("jpeg", 11) in bench.painter.made


async def test_a_moving_finger_on_a_slow_link_gets_smaller_pictures() -> None:
    async with Bench() as bench:
        seen = []
        painted = bench.painter.frame

        async def frame(*args: Any, quality: int, size: tuple[int, int], fmt: Format, **more: Any) -> Picture:
            seen.append((fmt, quality, size))
            return await painted(*args, fmt=fmt, **more)

        bench.painter.frame = frame  # type: ignore[method-assign]
        for step in range(6):
            bench.look(10 + step, moving=True)
            for _ in range(3):
                await bench.settle()
                bench.acknowledge()
        assert seen[-1] == (Format.JPEG, 50, (256, 256))


async def test_what_is_down_for_a_moment_is_tried_again() -> None:
    async with Bench() as bench:
        bench.painter.down = 1
        bench.look(3)
        await bench.settle()
        assert bench.wire.sent[-1]["code"] == "unavailable"
        bench.stream.wake()
        await bench.settle()
        assert bench.frames()[0]["f"] == 3


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("look"), st.integers(0, 59), st.booleans(), st.sampled_from([None, (40.0, 400.0)])),
            st.tuples(st.just("ack"), st.floats(0, 1)),
            st.tuples(st.just("settle")),
        ),
        max_size=40,
    )
)
def test_random_play_never_sends_a_stale_view_after_a_newer_one(play: list[tuple[Any, ...]]) -> None:
    async def run() -> None:
        async with Bench() as bench:
            known: dict[int, int] = {}
            for action, *details in play:
                if action == "look":
                    frame, moving, window = details
                    bench.look(frame, moving=moving, window=window)
                    known[bench.seq] = frame
                elif action == "ack":
                    bench.acknowledge(details[0])
                else:
                    await bench.settle()
                await asyncio.sleep(0)
            await bench.settle()
            begun = [header["seq"] for header in bench.frames()]
            assert begun == sorted(begun)

    asyncio.run(run())
