"""The queue before the threads: order, bounds, cancellation, deadlines."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.platform.cpu import CpuPool, Demand, Urgency
from backend.platform.errors import Overloaded


@pytest.fixture
def pool() -> Iterator[CpuPool]:
    pool = CpuPool(threads=1, queue=5)
    yield pool
    pool.close()


class Plug:
    """Keeps the only thread busy until it is pulled."""

    def __init__(self, pool: CpuPool) -> None:
        self._gate, self._inside = threading.Event(), threading.Event()
        self.task = asyncio.ensure_future(pool.run(self._hold))

    def _hold(self) -> None:
        self._inside.set()
        self._gate.wait(10)

    async def ready(self) -> None:
        await asyncio.to_thread(self._inside.wait, 10)

    def pull(self) -> None:
        self._gate.set()


async def test_results_and_errors_come_back(pool: CpuPool) -> None:
    assert await pool.run(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 // 0)
    assert await pool.run(threading.get_ident) != threading.get_ident()


async def test_what_is_seen_goes_first_and_equals_keep_their_order(pool: CpuPool) -> None:
    plug = Plug(pool)
    await plug.ready()
    done: list[str] = []
    jobs = [
        asyncio.ensure_future(pool.run(lambda name=name: done.append(name), urgency))
        for name, urgency in [
            ("background", Urgency.BACKGROUND),
            ("ahead", Urgency.AHEAD),
            ("seen 1", Urgency.SEEN),
            ("seen 2", Urgency.SEEN),
        ]
    ]
    await asyncio.sleep(0)
    plug.pull()
    await asyncio.gather(plug.task, *jobs)
    assert done == ["seen 1", "seen 2", "ahead", "background"]


async def test_a_demand_that_rises_overtakes(pool: CpuPool) -> None:
    plug = Plug(pool)
    await plug.ready()
    done: list[str] = []
    demand = Demand(Urgency.AHEAD)
    jobs = [
        asyncio.ensure_future(pool.run(lambda: done.append("overview"), Urgency.OVERVIEW)),
        asyncio.ensure_future(pool.run(lambda: done.append("risen"), demand)),
    ]
    await asyncio.sleep(0)
    demand.rise(Urgency.SEEN)
    plug.pull()
    await asyncio.gather(plug.task, *jobs)
    assert done == ["risen", "overview"]
    assert pool.waiting == 0


async def test_full_queue_refuses_and_cancelled_jobs_never_begin(pool: CpuPool) -> None:
    plug = Plug(pool)
    await plug.ready()
    begun: list[int] = []
    jobs = [asyncio.ensure_future(pool.run(lambda n=n: begun.append(n))) for n in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await pool.run(lambda: None)
    for job in jobs[:4]:
        job.cancel()
    await asyncio.sleep(0.01)
    assert pool.waiting == 1
    plug.pull()
    await asyncio.gather(plug.task, jobs[4])
    assert begun == [4]


async def test_a_job_that_waits_too_long_is_given_up(pool: CpuPool) -> None:
    plug = Plug(pool)
    await plug.ready()
    begun: list[int] = []
    with pytest.raises(Overloaded):
        await pool.run(lambda: begun.append(1), deadline=0.02)
    plug.pull()
    await plug.task
    await pool.run(lambda: None)
    assert begun == []
    assert pool.waiting == 0


async def test_background_work_leaves_a_thread_free() -> None:
    pool = CpuPool(threads=2, queue=10)
    gate = threading.Event()
    slow = [asyncio.ensure_future(pool.run(lambda: gate.wait(10), Urgency.BACKGROUND)) for _ in range(3)]
    await asyncio.sleep(0.02)
    begun = time.monotonic()
    await pool.run(lambda: None)
    assert time.monotonic() - begun < 1
    gate.set()
    await asyncio.gather(*slow)
    pool.close()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(list(Urgency)), st.booleans()), max_size=40))
def test_any_mixture_ends_with_an_empty_queue(plan: list[tuple[Urgency, bool]]) -> None:
    async def play() -> None:
        pool = CpuPool(threads=2, queue=8)
        outcomes: list[object] = []
        tasks = []
        for number, (urgency, cancel) in enumerate(plan):
            task = asyncio.ensure_future(pool.run(lambda number=number: number, urgency))
            tasks.append(task)
            await asyncio.sleep(0)
            assert 0 <= pool.waiting <= 8
            if cancel:
                task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for number, outcome in enumerate(outcomes):
            assert outcome == number or isinstance(outcome, Overloaded | asyncio.CancelledError)
        assert pool.waiting == 0
        pool.close()

    asyncio.run(play())
