"""Migration of schemas: once, in order, by one process, never downwards."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from backend.platform.clock import ManualClock, SystemClock
from backend.platform.database import Database, DuplicateKey
from backend.platform.schema import Index, Schema, SchemaTooNew, migrate


async def test_indexes_are_made_and_changed(database: Database):
    await migrate(database, [Schema("a", indexes=(Index(("x", "-y")), Index(("u",))))])
    await migrate(database, [Schema("a", indexes=(Index(("x", "-y")), Index(("u",), unique=True)))])
    found = await database.collection("a").index_information()
    assert {"x_1_y_-1", "u_1"} <= found.keys()
    await database.collection("a").insert_one({"_id": 1, "u": 1})
    with pytest.raises(DuplicateKey):
        await database.collection("a").insert_one({"_id": 2, "u": 1})


async def test_a_partial_index_binds_only_its_documents(database: Database):
    partial = Index(("u",), unique=True, partial={"alive": True})
    await migrate(database, [Schema("a", indexes=(partial,))])
    rows = database.collection("a")
    await rows.insert_many([{"_id": 1, "u": 1, "alive": True}, {"_id": 2, "u": 1, "alive": False}])
    with pytest.raises(DuplicateKey):
        await rows.insert_one({"_id": 3, "u": 1, "alive": True})


async def test_migrations_run_in_order_once_though_many_start_at_the_same_time(database: Database):
    ran = []

    def step(number: int):
        async def run(_: Database) -> None:
            ran.append(number)
            await asyncio.sleep(0.05)

        return run

    await migrate(database, [Schema("a", version=1)])
    newer = Schema("a", version=4, migrations={2: step(2), 3: step(3), 4: step(4)})
    await asyncio.gather(*[migrate(database, [newer]) for _ in range(4)])
    assert ran == [2, 3, 4]


async def test_a_new_collection_needs_no_migration(database: Database):
    async def never(_: Database) -> None:
        raise AssertionError

    await migrate(database, [Schema("a", version=3, migrations={2: never, 3: never})])


async def test_a_failed_migration_is_repeated_from_where_it_failed(database: Database):
    ran = []

    async def fails_once(_: Database) -> None:
        ran.append(3)
        if len(ran) == 2:
            raise KeyError("power")

    async def first(_: Database) -> None:
        ran.append(2)

    await migrate(database, [Schema("a", version=1)])
    newer = Schema("a", version=3, migrations={2: first, 3: fails_once})
    with pytest.raises(KeyError):
        await migrate(database, [newer])
    await migrate(database, [newer])
    assert ran == [2, 3, 3]


async def test_a_newer_database_is_refused_and_left_as_it_is(database: Database):
    await migrate(database, [Schema("a", version=5)])
    with pytest.raises(SchemaTooNew, match="a"):
        await migrate(database, [Schema("b"), Schema("a", version=4)])
    assert "b" not in {row["_id"] for row in await database.collection("schema").find({})}


async def test_the_lease_of_a_dead_process_ends(database: Database):
    long_ago = SystemClock().now() - timedelta(hours=1)
    lease = {"_id": "lease", "kind": "lease", "holder": "dead", "until": long_ago}
    await database.collection("schema").insert_one(lease)
    await migrate(database, [Schema("a")])
    clock = ManualClock()
    await database.collection("schema").insert_one({**lease, "until": clock.now() + timedelta(seconds=30)})
    waiting = asyncio.create_task(migrate(database, [Schema("b")], clock))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    clock.advance(seconds=31)
    await asyncio.wait_for(waiting, 5)
