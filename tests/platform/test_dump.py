"""Dump and restore: equal counts and digests, indexes again, nothing lost by a broken file."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from backend.platform.database import Binary, Database, DuplicateKey, Int64, ObjectId
from backend.platform.dump import dump, restore
from backend.platform.errors import Conflict, Invalid
from backend.platform.ids import public_id
from backend.platform.schema import Index, Schema, SchemaTooNew, migrate

PEOPLE = Schema("people", version=1, indexes=(Index(("phone",), unique=True), Index(("born",), expire_seconds=10**8)))
THINGS = Schema("things")
KINDS = {
    "name": "司马相如",
    "born": datetime(2026, 2, 3, 4, 5, 6, 789000, tzinfo=UTC),
    "raw": Binary(b"\x00\x01\xff", 5),
    "oid": ObjectId("0123456789abcdef01234567"),
    "long": Int64(7),
    "int": 7,
    "double": 7.5,
    "deep": {"list": [1, "二", None, {"x": True}]},
}


@pytest.fixture
async def other(mongo_uri: str):
    database = await Database.connect(mongo_uri, f"test_{public_id(12)}")
    yield database
    await database.drop()
    database.close()


@pytest.fixture
async def filled(database: Database) -> Database:
    await migrate(database, [PEOPLE, THINGS])
    await database.collection("people").insert_many([{"_id": i, "phone": f"p{i}", **KINDS} for i in range(1203)])
    await database.collection("things").insert_many([{"_id": f"t{i}", "text": "長" * 2000} for i in range(900)])
    return database


async def test_a_restore_gives_equal_counts_and_digests(filled: Database, other: Database, tmp_path):
    written = await dump(filled, tmp_path / "all.dump")
    restored = await restore(other, tmp_path / "all.dump", [PEOPLE, THINGS])
    assert written.lines() == restored.lines()
    assert {name: tally.count for name, tally in written.collections.items()} == {
        "people": 1203,
        "things": 900,
        "schema": 2,
    }
    again = await dump(other, tmp_path / "again.dump")
    assert again.lines() == written.lines()
    assert await other.collection("people").find_one({"_id": 5}) == {"_id": 5, "phone": "p5", **KINDS}
    with pytest.raises(DuplicateKey):
        await other.collection("people").insert_one({"_id": -1, "phone": "p5"})
    assert (tmp_path / "all.dump").stat().st_mode & 0o077 == 0


async def test_a_target_with_documents_is_refused_unless_told(filled: Database, other: Database, tmp_path):
    await dump(filled, tmp_path / "all.dump")
    await other.collection("people").insert_one({"_id": "mine", "phone": "p5"})
    with pytest.raises(Conflict):
        await restore(other, tmp_path / "all.dump", [PEOPLE, THINGS])
    assert await other.collection("people").count({}) == 1
    await restore(other, tmp_path / "all.dump", [PEOPLE, THINGS], replace=True)
    assert await other.collection("people").count({}) == 1203


async def test_broken_files_change_nothing(filled: Database, other: Database, tmp_path):
    await dump(filled, tmp_path / "all.dump")
    whole = (tmp_path / "all.dump").read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for number, broken in enumerate((whole[:-5], whole[: len(whole) // 2], bytes(flipped), b"", b"not a dump" * 99)):
        path = tmp_path / f"broken{number}"
        path.write_bytes(broken)
        with pytest.raises(Invalid):
            await restore(other, path, [PEOPLE, THINGS], replace=True)
    with pytest.raises(Invalid):
        await restore(other, tmp_path / "absent", [PEOPLE])
    assert await other.collection_names() == []


async def test_an_older_dump_is_brought_up_and_a_newer_refused(filled: Database, other: Database, tmp_path):
    await dump(filled, tmp_path / "all.dump")

    async def lower(database: Database) -> None:
        await database.collection("people").update_many({}, [{"$set": {"phone": {"$toUpper": "$phone"}}}])

    newer = Schema("people", version=2, indexes=PEOPLE.indexes, migrations={2: lower})
    await restore(other, tmp_path / "all.dump", [newer, THINGS])
    assert (await other.collection("people").find_one({"_id": 5}))["phone"] == "P5"
    await dump(other, tmp_path / "newer.dump")
    with pytest.raises(SchemaTooNew):
        await restore(filled, tmp_path / "newer.dump", [PEOPLE, THINGS], replace=True)
    assert await filled.collection("people").count({}) == 1203
