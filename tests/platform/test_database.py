"""The database over its socket: errors, transactions, paging, and what a killed server keeps."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from datetime import UTC, datetime

import pytest

from backend.platform.database import Database, DatabaseUnavailable, DuplicateKey, Query, prefix_range
from backend.platform.embedded import EmbeddedDatabase, EmbeddedOptions
from backend.platform.errors import Invalid


async def test_documents_come_back_as_they_were_written(database: Database):
    people = database.collection("people")
    born = datetime(1990, 5, 17, 3, 4, 5, 678000, tzinfo=UTC)
    document = {"_id": "1", "name": "欧阳娜娜", "born": born, "size": 1 << 40, "raw": b"\x00\xff", "none": None}
    await people.insert_one(document)
    assert await people.find_one({"_id": "1"}) == document
    assert await people.update_one({"_id": "1", "size": 1 << 40}, {"$set": {"size": 2}}) == 1
    assert await people.update_one({"_id": "1", "size": 1 << 40}, {"$set": {"size": 3}}) == 0
    assert await people.update_one({"_id": "2"}, {"$set": {"size": 3}}, upsert=True) == 1
    assert await people.count({}) == 2
    assert await people.delete_many({"size": {"$gte": 1}}) == 2


async def test_a_unique_index_refuses_the_second(database: Database):
    people = database.collection("people")
    await people.create_index(("phone",), unique=True)
    await people.insert_one({"_id": 1, "phone": "a"})
    with pytest.raises(DuplicateKey):
        await people.insert_one({"_id": 2, "phone": "a"})


async def test_a_transaction_is_whole_or_nothing(database: Database):
    left, right = database.collection("left"), database.collection("right")
    await left.insert_one({"_id": 0})

    async def half(session):
        await left.insert_one({"_id": 1}, session=session)
        await right.insert_one({"_id": 1}, session=session)
        raise KeyError("stop")

    with pytest.raises(KeyError):
        await database.run_transaction(half)
    assert (await left.count({}), await right.count({})) == (1, 0)


async def test_conflicting_transactions_all_count(database: Database):
    counters = database.collection("counters")
    await counters.insert_one({"_id": "n", "value": 0})

    async def increment(session):
        value = (await counters.find_one({"_id": "n"}, session=session))["value"]
        await counters.update_one({"_id": "n"}, {"$set": {"value": value + 1}}, session=session)
        return value

    values = await asyncio.gather(*[database.run_transaction(increment) for _ in range(24)])
    assert sorted(values) == list(range(24))
    assert (await counters.find_one({"_id": "n"}))["value"] == 24


async def test_pages_follow_each_other_without_gap_or_double(database: Database):
    exams = database.collection("exams")
    await exams.create_index(("institution", "-day"))
    await exams.insert_many([{"_id": i, "institution": i % 2, "day": i % 7, "modality": i % 3} for i in range(100)])
    query = Query("exams", {"institution": 1}, {"modality": {"$ne": 0}}, ("-day", "_id"), limit=4)
    seen, place = [], None
    while True:
        page = await exams.find_page(query, place)
        assert 1 <= len(page.items) <= 4
        seen += [(-row["day"], row["_id"]) for row in page.items]
        place = page.next
        if place is None:
            break
    assert seen == sorted((-(i % 7), i) for i in range(100) if i % 2 == 1 and i % 3)


@pytest.mark.parametrize("value", ["20261101", 5, 5.5, datetime(2026, 11, 1, tzinfo=UTC)], ids=str)
async def test_pages_keep_equal_values_under_a_longer_index(database: Database, value: object):
    exams = database.collection("exams")
    await exams.create_index(("institution", "day", "_id"))
    await exams.insert_many([{"_id": i, "institution": 1, "day": value} for i in range(10)])
    query = Query("exams", {"institution": 1}, sort=("-day", "_id"), limit=4)
    seen: list[int] = []
    place = None
    while True:
        page = await exams.find_page(query, place)
        seen += [row["_id"] for row in page.items]
        place = page.next
        if place is None:
            break
    assert seen == list(range(10))


@pytest.mark.parametrize("place", ["", "x", "!!!", "AAAA", "a" * 5000])
async def test_a_made_up_page_is_refused(database: Database, place: str):
    with pytest.raises(Invalid):
        await database.collection("exams").find_page(Query("exams", {}, sort=("-day", "_id"), limit=4), place)


async def test_an_operator_cannot_be_smuggled_into_a_page(database: Database):
    query = Query("exams", {}, sort=("_id",), limit=4)
    with pytest.raises(Invalid):
        await database.collection("exams").find_page(query, query.place_of({"_id": {"$gt": ""}}))


async def test_prefixes_select_what_begins_so(database: Database):
    names = database.collection("names")
    texts = ["wang", "wangwu", "wan", "wb", "Wang", "王", "王五", "玉", "w"]
    await names.insert_many([{"_id": text} for text in texts])
    for prefix in ("wang", "w", "王", "wz"):
        found = {row["_id"] for row in await names.find({"_id": prefix_range(prefix)})}
        assert found == {text for text in texts if text.startswith(prefix)}
    with pytest.raises(ValueError, match="empty"):
        prefix_range("")


async def test_iterating_gives_every_document(database: Database):
    rows = database.collection("rows")
    await rows.insert_many([{"_id": i} for i in range(1005)])
    assert [row["_id"] async for row in rows.iterate({}, batch=100, sort=("_id",))] == list(range(1005))


async def test_changes_are_told(database: Database):
    rows = database.collection("rows")
    await rows.insert_one({"_id": 0})
    async with database.watch("rows", [{"$match": {"operationType": "insert"}}]) as changes:
        await rows.insert_one({"_id": 1})
        async with asyncio.timeout(5):
            assert (await anext(changes))["fullDocument"] == {"_id": 1}


async def test_an_unreadable_address_is_refused_with_its_setting():
    with pytest.raises(Invalid, match="YUNYING_MONGODB_URI"):
        await Database.connect("mongodb://[", "x")


async def test_nobody_listening_is_said_within_seconds():
    start = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        await Database.connect("mongodb://127.0.0.1:1/?directConnection=true", "x", operation_seconds=1.0)
    assert time.monotonic() - start < 3


async def test_a_frozen_database_gives_a_clear_error_and_recovers(tmp_path):
    options = EmbeddedOptions(tmp_path / "db", health_seconds=60)
    async with EmbeddedDatabase(options) as embedded:
        database = await Database.connect(embedded.uri, "t", operation_seconds=1.0)
        rows = database.collection("rows")
        await rows.insert_one({"_id": 0})
        os.kill(embedded.pid, signal.SIGSTOP)
        start = time.monotonic()

        async def write(session):
            await rows.insert_one({"_id": "t"}, session=session)

        attempts = [rows.insert_one({"_id": i}) for i in range(1, 30)]
        attempts += [rows.find_one({"_id": 0}), database.run_transaction(write), database.check_health()]
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        assert {type(each) for each in outcomes} == {DatabaseUnavailable}
        assert time.monotonic() - start < 5
        os.kill(embedded.pid, signal.SIGCONT)
        await _until_writable(database, "after", 10)
        assert await rows.find_one({"_id": 0}) == {"_id": 0}
        database.close()


async def _until_writable(database: Database, key: str, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while True:
            try:
                await database.collection("rows").replace_one({"_id": key}, {"_id": key}, upsert=True)
            except DatabaseUnavailable:
                await asyncio.sleep(0.05)
            else:
                return


@pytest.mark.crash
async def test_killed_at_random_it_keeps_every_acknowledged_write(tmp_path):
    """Six kills while four writers insert and one writes pairs in transactions: nothing acknowledged is lost, no pair
    is half, and indexes agree with documents."""
    async with EmbeddedDatabase(EmbeddedOptions(tmp_path / "db")) as embedded:
        database = await Database.connect(embedded.uri, "t", operation_seconds=2.0)
        rows, left, right = (database.collection(name) for name in ("rows", "left", "right"))
        await rows.create_index(("n",))
        acknowledged, pairs = set(), set()
        ended = asyncio.Event()

        async def insert(writer: int) -> None:
            n = 0
            while not ended.is_set():
                n += 1
                try:
                    await rows.insert_one({"_id": f"{writer}-{n}", "n": n})
                    acknowledged.add(f"{writer}-{n}")
                except DatabaseUnavailable:
                    await asyncio.sleep(0.02)

        async def pair() -> None:
            n = 0
            while not ended.is_set():
                n += 1

                async def both(session, n=n):
                    await left.insert_one({"_id": n}, session=session)
                    await right.insert_one({"_id": n}, session=session)

                try:
                    await database.run_transaction(both)
                    pairs.add(n)
                except (DatabaseUnavailable, DuplicateKey):
                    # DuplicateKey: committed, killed before the answer, asked again.
                    await asyncio.sleep(0.02)

        tasks = [asyncio.create_task(work) for work in (*map(insert, range(4)), pair())]
        for kill in range(6):
            before = len(acknowledged)
            await asyncio.sleep(0.15 + 0.11 * kill)
            assert embedded.pid
            os.kill(embedded.pid, signal.SIGKILL)
            async with asyncio.timeout(20):
                while len(acknowledged) <= before + 20 or embedded.restarts <= kill or not embedded.pid:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        ended.set()
        await asyncio.gather(*tasks)
        kept = {row["_id"] for row in await rows.find({}, timeout=30)}
        assert acknowledged <= kept
        assert len(acknowledged) > 100
        by_index = {row["_id"] for row in await rows.find({"n": {"$gte": 0}}, timeout=30)}
        assert by_index == kept
        lefts = {row["_id"] for row in await left.find({})}
        rights = {row["_id"] for row in await right.find({})}
        assert lefts == rights
        assert pairs <= lefts
        assert pairs
        database.close()
