"""Grouped work: everybody gets their own answer, and rivals become one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from backend.platform.database import Database, DuplicateKey
from backend.platform.errors import DatabaseUnavailable
from backend.platform.grouping import Grouped


async def test_those_who_come_together_share_one_commit(database: Database):
    rows, counts = database.collection("rows"), database.collection("counts")
    sizes = []

    async def store(items: Sequence[int]) -> list[int]:
        async def write(session):
            await rows.insert_many([{"_id": item} for item in items], session=session)
            change = {"$inc": {"value": len(items)}}
            await counts.update_one({"_id": "n"}, change, upsert=True, session=session)
            return [item * 2 for item in items]

        sizes.append(len(items))
        return await database.run_transaction(write)

    grouped = Grouped(store, most=16)
    assert await asyncio.gather(*[grouped.do(n) for n in range(40)]) == [n * 2 for n in range(40)]
    assert sizes == [16, 16, 8]
    assert await grouped.do(100) == 200
    assert (await counts.find_one({"_id": "n"}))["value"] == 41

    outcomes = await asyncio.gather(*[grouped.do(n) for n in (200, 7, 201)], return_exceptions=True)
    assert [type(each) for each in outcomes] == [int, DuplicateKey, int]
    assert (await counts.find_one({"_id": "n"}))["value"] == 43 == await rows.count({})


async def test_an_outage_is_told_to_all_at_once():
    tries = []

    async def down(items: Sequence[int]) -> list[int]:
        tries.append(len(items))
        raise DatabaseUnavailable

    grouped = Grouped(down)
    outcomes = await asyncio.gather(*[grouped.do(n) for n in range(5)], return_exceptions=True)
    assert {type(each) for each in outcomes} == {DatabaseUnavailable}
    assert tries == [5]


async def test_one_who_leaves_does_not_stop_the_others():
    async def slow(items: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(0.05)
        return items

    grouped = Grouped(slow)
    leaving, staying = asyncio.create_task(grouped.do(1)), asyncio.create_task(grouped.do(2))
    await asyncio.sleep(0.01)
    leaving.cancel()
    assert await staying == 2
    with pytest.raises(asyncio.CancelledError):
        await leaving
