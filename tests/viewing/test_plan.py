"""The order of docs/streaming.md, by rule and by random walks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.viewing.plan import AHEAD, BEHIND, Item, Plan, SeriesShape, Tier, View
from render import Rect

CT = SeriesShape(200, 512, 512)
FILM = SeriesShape(1, 3000, 2500)


def view(seq: int = 1, frame: int = 100, **more) -> View:
    known = {"series": 0, "window": None, "fit": (512, 512)}
    return View(seq=seq, frame=frame, **{**known, **more})


def everything(plan: Plan, size: int = 20_000) -> list[Item]:
    items = []
    while (item := plan.next()) is not None:
        plan.sent(item, size)
        items.append(item)
        assert len(items) < 3000
    return items


def test_at_rest_seen_then_exact_then_sheets_then_neighbours() -> None:
    plan = Plan([CT], 48_000_000)
    plan.look(view())
    items = everything(plan)
    assert [(i.tier, i.frame, i.exact) for i in items[:2]] == [(Tier.SEEN, 100, False), (Tier.EXACT, 100, True)]
    assert [i.tier for i in items] == sorted(i.tier for i in items)
    sheets = [i.frame for i in items if i.tier is Tier.SHEET]
    assert sheets[0] == 96
    assert sorted(sheets) == list(range(0, 200, 16))
    assert sheets == sorted(sheets, key=lambda first: -1 if first == 96 else abs(first + 8 - 100))
    assert {i.frame for i in items if i.tier is Tier.AHEAD_EXACT} == {98, 99, 101, 102}


def test_travel_is_fetched_ahead_in_its_direction() -> None:
    plan = Plan([CT], 48_000_000)
    plan.look(view(dir=-1, moving=True))
    items = everything(plan)
    assert not any(i.exact for i in items)
    ahead = [i.frame for i in items if i.tier is Tier.AHEAD]
    assert ahead[:6] == [99, 98, 97, 96, 101, 95]
    assert set(ahead) == {*range(100 - AHEAD, 100), *range(101, 101 + BEHIND)}


def test_a_slow_link_under_a_moving_finger_gets_the_sheet_first() -> None:
    plan = Plan([CT], 48_000_000)
    plan.goodput = 50_000.0
    plan.look(view(dir=1, moving=True))
    first, second = plan.next(), plan.next()
    assert (first.tier, first.frame) == (Tier.SHEET, 96)
    assert (second.tier, second.frame) == (Tier.SEEN, 100)


def test_what_the_terminal_holds_is_not_sent_and_what_it_lost_is() -> None:
    plan = Plan([CT], 48_000_000)
    plan.look(view())
    everything(plan)
    assert plan.next() is None
    plan.look(view(seq=2, have=2))
    assert plan.next() is None
    plan.look(view(seq=3, have=0))
    assert [(i.tier, i.exact) for i in everything(plan)] == [(Tier.SEEN, False), (Tier.EXACT, True)]
    plan.overview(0, (40.0, 400.0))
    assert {i.window for i in everything(plan) if i.tier is Tier.SHEET} == {(40.0, 400.0)}


def test_after_a_reconnect_nothing_held_comes_again() -> None:
    plan = Plan([CT], 48_000_000)
    plan.remember(0, None, (512, 512), [(0, 199)], [(60, 140)], [(98, 102)])
    plan.look(view(have=2))
    assert everything(plan) == []
    plan.remember(0, None, (512, 512), [(0, 100)], [], [])
    fresh = Plan([CT], 48_000_000)
    fresh.remember(0, None, (512, 512), [(0, 100)], [], [])
    fresh.look(view())
    assert {i.frame for i in everything(fresh) if i.tier is Tier.SHEET} == set(range(96, 200, 16))


def test_fetching_ahead_stops_at_half_of_what_the_terminal_keeps() -> None:
    plan = Plan([CT], 400_000)
    plan.look(view())
    items = everything(plan, size=50_000)
    assert sum(i.tier is Tier.AHEAD for i in items) <= 4


def test_tiles_come_from_the_middle_and_lossy_before_exact() -> None:
    plan = Plan([FILM], 48_000_000)
    plan.look(view(frame=0, fit=(700, 840), tiles=(0, Rect(900, 1200, 700, 900)), have=1))
    items = [i for i in everything(plan) if i.tile is not None]
    count = len(items) // 2
    assert [i.exact for i in items] == [False] * count + [True] * count
    seen = {(i.tile[1].x, i.tile[1].y) for i in items}
    assert seen == {(x, y) for x in (512, 1024, 1536) for y in (1024, 1536, 2048)}
    assert (items[0].tile[1].x, items[0].tile[1].y) == (1024, 1536)


def test_a_changed_series_is_sent_anew() -> None:
    plan = Plan([CT], 48_000_000)
    plan.look(view())
    everything(plan)
    plan.changed(0, SeriesShape(220, 512, 512), same_frames=False)
    items = everything(plan)
    assert (items[0].tier, items[0].frame) == (Tier.SEEN, 100)
    assert max(i.frame + i.count for i in items if i.tier is Tier.SHEET) == 220


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 199), st.booleans(), st.integers(-1, 1), st.integers(0, 6)), max_size=25))
def test_random_walks_always_serve_the_seen_frame_first_and_send_nothing_twice(walk: list[tuple]) -> None:
    plan = Plan([CT], 48_000_000)
    sent: set[tuple] = set()
    for seq, (frame, moving, direction, steps) in enumerate(walk):
        have = 2 if (frame, True) in sent else 1 if (frame, False) in sent else 0
        plan.look(view(seq=seq, frame=frame, moving=moving, dir=direction, have=have))
        for step in range(steps):
            item = plan.next()
            if item is None:
                break
            if step == 0 and have == 0:
                assert (item.tier, item.frame) == (Tier.SEEN, frame)
            assert plan.wanted(item)
            name = ("sheet", item.frame) if item.tier is Tier.SHEET else (item.frame, item.exact)
            assert name not in sent
            sent.add(name)
            plan.sent(item, 20_000)
