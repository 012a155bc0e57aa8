"""Intents: with their cause or not at all, run at least once, retried, given up with the cause kept."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from backend.platform.clock import ManualClock
from backend.platform.database import Database
from backend.platform.errors import Invalid, StorageUnavailable
from backend.platform.executor import InProcessExecutor
from backend.platform.jobs import SCHEMA, Intent, Intents
from backend.platform.schema import migrate


@pytest.fixture
async def intents(database: Database) -> Intents:
    await migrate(database, [SCHEMA])
    return Intents(database)


@pytest.fixture
async def executor(intents: Intents):
    running = InProcessExecutor(intents, slots=3, lease_seconds=1.0, poll_seconds=0.05)
    yield running
    await running.stop(0.5)


async def test_an_intent_lives_and_dies_with_its_cause(database: Database, intents: Intents):
    async def cause(session, fail: bool):
        await database.collection("causes").insert_one({"_id": str(fail)}, session=session)
        await intents.add(session, "derive", "series-1", {"$odd.key": "$value"})
        if fail:
            raise KeyError

    with pytest.raises(KeyError):
        await database.run_transaction(lambda session: cause(session, True))
    assert await intents.pending() == 0
    await database.run_transaction(lambda session: cause(session, False))
    assert await intents.pending("derive") == 1
    assert await intents.pending("other") == 0


async def test_the_payload_arrives_and_the_intent_vanishes(intents: Intents, executor: InProcessExecutor):
    seen = []

    async def note(intent: Intent) -> None:
        seen.append(intent)

    executor.handle("derive", note)
    await executor.start()
    await intents.add(None, "derive", "a", {"$odd": {"deep": ["$x", 1]}})
    intents.wake()
    await executor.drain()
    assert seen == [Intent("derive", "a", {"$odd": {"deep": ["$x", 1]}}, 1)]


async def test_adding_what_waits_runs_once_and_what_runs_runs_again(intents: Intents, executor: InProcessExecutor):
    begun, go = [], asyncio.Event()

    async def note(intent: Intent) -> None:
        begun.append(intent.payload["n"])
        await go.wait()

    executor.handle("derive", note)
    for n in range(3):
        await intents.add(None, "derive", "a", {"n": n})
    await executor.start()
    await _until(lambda: begun == [2])
    await intents.add(None, "derive", "a", {"n": 3})
    await intents.add(None, "derive", "a", {"n": 4})
    go.set()
    await executor.drain()
    assert begun == [2, 4]


async def test_many_workers_run_each_intent_once(database: Database, intents: Intents):
    runs: list[str] = []

    async def note(intent: Intent) -> None:
        runs.append(intent.key)
        await asyncio.sleep(0)

    workers = [InProcessExecutor(Intents(database), slots=4, poll_seconds=0.02) for _ in range(4)]
    for n in range(120):
        await intents.add(None, "derive", str(n))
    for worker in workers:
        worker.handle("derive", note)
        await worker.start()
    await workers[0].drain()
    for worker in workers:
        await worker.stop()
    assert sorted(runs) == sorted(str(n) for n in range(120))


async def test_no_more_run_at_once_than_slots(intents: Intents, executor: InProcessExecutor):
    running, most = 0, 0

    async def count(_: Intent) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.03)
        running -= 1

    executor.handle("derive", count)
    for n in range(12):
        await intents.add(None, "derive", str(n))
    await executor.start()
    await executor.drain()
    assert most == 3


async def test_a_failure_is_tried_again_after_a_pause(intents: Intents, executor: InProcessExecutor):
    tries = []

    async def fails_once(intent: Intent) -> None:
        tries.append(asyncio.get_running_loop().time())
        if intent.attempt == 1:
            raise RuntimeError("张三 13800000000")

    executor.handle("derive", fails_once)
    await executor.start()
    await intents.add(None, "derive", "a")
    intents.wake()
    await executor.drain()
    assert len(tries) == 2
    assert tries[1] - tries[0] > 0.7


async def test_hopeless_work_is_given_up_its_cause_kept_without_the_message(
    intents: Intents, executor: InProcessExecutor, caplog: pytest.LogCaptureFixture
):
    async def hopeless(intent: Intent) -> None:
        if intent.kind == "bad":
            raise Invalid("张三 13800000000", code="corrupt-frame")
        raise RuntimeError("张三 13800000000")

    executor.handle("bad", hopeless)
    executor.handle("once", hopeless, attempts=1)
    await executor.start()
    await intents.add(None, "bad", "a")
    await intents.add(None, "once", "a")
    intents.wake()
    await executor.drain()
    dead = {each.kind: each.cause for each in await intents.dead()}
    assert dead["bad"].startswith("Invalid corrupt-frame at test_jobs.py:")
    assert dead["once"].startswith("RuntimeError at test_jobs.py:")
    assert "张三" not in str(dead) + caplog.text
    assert await intents.revive("once", "a")
    assert not await intents.revive("once", "b")
    await executor.drain()
    assert len(await intents.dead()) == 2


async def test_a_dependency_that_is_down_never_kills_an_intent(database: Database):
    clock = ManualClock()
    intents = Intents(database, clock)
    executor = InProcessExecutor(intents, poll_seconds=0.02)
    tries = []

    async def down(intent: Intent) -> None:
        tries.append(intent.attempt)
        if len(tries) < 6:
            raise StorageUnavailable

    executor.handle("derive", down, attempts=2)
    await intents.add(None, "derive", "a")
    await executor.start()
    for n in range(6):
        await _until(lambda n=n: len(tries) > n)
        await asyncio.sleep(0.05)
        clock.advance(seconds=5)
    await executor.drain()
    await executor.stop()
    assert tries == [1] * 6


async def test_delayed_work_waits(database: Database):
    clock = ManualClock()
    intents = Intents(database, clock)
    await intents.add(None, "notify", "a", delay_seconds=60)
    assert await intents.claim("notify", 5, 10) == []
    clock.advance(seconds=61)
    (claim,) = await intents.claim("notify", 5, 10)
    assert await intents.claim("notify", 5, 10) == []
    clock.advance(seconds=9)
    assert await intents.renew(claim, 10)
    clock.advance(seconds=9)
    assert await intents.claim("notify", 5, 10) == []
    clock.advance(seconds=2)
    (second,) = await intents.claim("notify", 5, 10)
    assert second.intent.attempt == 2
    assert not await intents.renew(claim, 10)
    await intents.finish(claim)
    assert await intents.pending() == 1
    await intents.finish(second)
    assert await intents.pending() == 0


async def test_long_work_keeps_its_lease(database: Database, intents: Intents):
    runs = []

    async def long(intent: Intent) -> None:
        runs.append(intent.attempt)
        await asyncio.sleep(1.2)

    workers = [InProcessExecutor(Intents(database), lease_seconds=0.4, poll_seconds=0.05) for _ in range(2)]
    await intents.add(None, "derive", "a")
    for worker in workers:
        worker.handle("derive", long)
        await worker.start()
    await workers[0].drain()
    for worker in workers:
        await worker.stop()
    assert runs == [1]


async def test_stopping_gives_unfinished_work_back(intents: Intents, executor: InProcessExecutor):
    begun = asyncio.Event()

    async def endless(_: Intent) -> None:
        begun.set()
        await asyncio.sleep(600)

    executor.handle("derive", endless)
    await intents.add(None, "derive", "a")
    await executor.start()
    await asyncio.wait_for(begun.wait(), 5)
    await executor.stop(0.05)
    (claim,) = await intents.claim("derive", 1, 10)
    assert claim.intent.attempt == 1


@pytest.mark.crash
async def test_work_of_a_killed_process_is_run_again(database: Database, intents: Intents, mongo_uri: str):
    await intents.add(None, "slow", "a")
    worker = Path(__file__).with_name("worker_to_kill.py")
    for attempt in (1, 2):
        process = await asyncio.create_subprocess_exec(sys.executable, str(worker), mongo_uri, database.name)
        async with asyncio.timeout(20):
            while not await database.collection("begun").count({"_id": f"a-{attempt}"}):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        process.kill()
        await process.wait()
    survivor = InProcessExecutor(intents, lease_seconds=1.0, poll_seconds=0.05)
    done = []

    async def quick(intent: Intent) -> None:
        done.append(intent.attempt)

    survivor.handle("slow", quick)
    await survivor.start()
    await survivor.drain(10)
    await survivor.stop()
    assert done == [3]


async def test_work_that_kills_every_worker_is_given_up(database: Database):
    clock = ManualClock()
    intents = Intents(database, clock)
    await intents.add(None, "poison", "a")
    for _ in range(3):
        assert len(await intents.claim("poison", 1, 10)) == 1
        clock.advance(seconds=11)
    executor = InProcessExecutor(intents, poll_seconds=0.02)

    async def never(_: Intent) -> None:
        raise AssertionError

    executor.handle("poison", never, attempts=3)
    await executor.start()
    await executor.drain()
    await executor.stop()
    assert [each.cause for each in await intents.dead()] == ["the process died at every try"]


async def _until(true) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
