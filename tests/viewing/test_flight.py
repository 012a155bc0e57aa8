"""The shared cache: never above its bytes, one maker for many who wait, cancelled when nobody waits."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.platform.cpu import Demand, Urgency
from backend.viewing.flight import SharedCache


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 140)), max_size=80))
def test_bytes_never_exceed_the_bound(puts: list[tuple[int, int]]) -> None:
    cache: SharedCache[bytes] = SharedCache(100, len)
    latest: dict[int, bytes] = {}
    for key, size in puts:
        value = bytes(size)
        cache.keep(key, value)
        latest[key] = value
        held = [kept for k in range(13) if (kept := cache.peek(k)) is not None]
        assert sum(map(len, held)) == cache.bytes <= 100
        if 0 < size <= 100:
            assert cache.peek(key) == value


async def test_many_who_wait_share_one_maker() -> None:
    cache: SharedCache[bytes] = SharedCache(100, len)
    made, gate, urgencies = 0, asyncio.Event(), []

    async def make(demand: Demand) -> bytes:
        nonlocal made
        made += 1
        await gate.wait()
        urgencies.append(demand.urgency)
        return b"pixels"

    waiting = [asyncio.ensure_future(cache.get("k", make, Urgency.AHEAD)) for _ in range(20)]
    waiting.append(asyncio.ensure_future(cache.get("k", make, Urgency.SEEN)))
    await asyncio.sleep(0)
    waiting[0].cancel()
    gate.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert results[1:] == [b"pixels"] * 20
    assert (made, urgencies) == (1, [Urgency.SEEN])
    assert await cache.get("k", make, Urgency.SEEN) == b"pixels"
    assert made == 1


async def test_work_ends_when_all_who_waited_are_gone_and_may_be_wanted_again() -> None:
    cache: SharedCache[bytes] = SharedCache(100, len)
    cancelled = 0

    async def stuck(demand: Demand) -> bytes:
        nonlocal cancelled
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled += 1
            raise
        return b""

    async def quick(demand: Demand) -> bytes:
        return b"now"

    waiting = [asyncio.ensure_future(cache.get("k", stuck, Urgency.SEEN)) for _ in range(3)]
    await asyncio.sleep(0.01)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.sleep(0.01)
    assert cancelled == 1
    assert await cache.get("k", quick, Urgency.SEEN) == b"now"


async def test_errors_reach_all_and_are_not_kept() -> None:
    cache: SharedCache[bytes] = SharedCache(100, len)

    async def fail(demand: Demand) -> bytes:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    outcomes = await asyncio.gather(*(cache.get("k", fail, Urgency.SEEN) for _ in range(4)), return_exceptions=True)
    assert all(isinstance(outcome, ZeroDivisionError) for outcome in outcomes)
    with pytest.raises(ZeroDivisionError):
        await cache.get("k", fail, Urgency.SEEN)
