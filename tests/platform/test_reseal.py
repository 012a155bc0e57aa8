"""Rotation over a real database: every sealed field is sealed anew, while it is read and written, and none becomes unreadable."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backend.platform.crypto import SM4, FieldCipher, Keys, sealed_by
from backend.platform.database import Database
from backend.platform.executor import InProcessExecutor
from backend.platform.jobs import SCHEMA as INTENTS
from backend.platform.jobs import Intents
from backend.platform.keyring import KeyRing, load_master_key
from backend.platform.reseal import KIND, Resealer
from backend.platform.schema import Schema, migrate

PEOPLE = Schema("people", sealed=("name", "phone"))
PLAIN = Schema("plain")
COUNT = 450


class World:
    def __init__(self, database: Database, folder: Path, cipher: str = "aes-256-gcm") -> None:
        self.file = folder / "master.key"
        keys = Keys(load_master_key(self.file, create=True))
        self.database, self.people = database, database.collection("people")
        self.cipher = FieldCipher(keys, ring=KeyRing(self.file), cipher=cipher)
        self.intents = Intents(database)
        self.resealer = Resealer(database, self.cipher, self.intents, (PEOPLE, PLAIN, INTENTS))

    def document(self, number: int) -> dict:
        key = f"p{number}"
        row = {"_id": key, "other": number, "name": self.seal("name", key, f"张{number}")}
        return row | ({"phone": self.seal("phone", key, str(number))} if number % 2 else {})

    def seal(self, field: str, key: str, text: str) -> bytes:
        return self.cipher.seal(text, collection="people", field=field, record=key)

    def opened(self, row: dict) -> dict:
        names = [name for name in ("name", "phone") if name in row]
        return {n: self.cipher.open(row[n], collection="people", field=n, record=row["_id"]) for n in names}

    async def keys_used(self) -> set[tuple[str, str]]:
        return {sealed_by(row[n]) for row in await self.people.find({}) for n in ("name", "phone") if n in row}


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> World:
    await migrate(database, [PEOPLE, PLAIN, INTENTS])
    made = World(database, tmp_path)
    await made.people.insert_many([made.document(number) for number in range(COUNT)])
    return made


async def test_background_work_seals_everything_anew_and_nothing_is_lost(world: World) -> None:
    KeyRing(world.file).rotate()
    assert await world.resealer.want() == ["people"]
    executor = InProcessExecutor(world.intents)
    executor.handle(KIND, world.resealer.handle)
    await executor.start()
    try:
        await executor.drain(30)
    finally:
        await executor.stop()
    assert await world.keys_used() == {("k2", "aes-256-gcm")}
    rows = {row["_id"]: row for row in await world.people.find({})}
    for number in range(COUNT):
        row = rows[f"p{number}"]
        assert world.opened(row)["name"] == f"张{number}" and row["other"] == number
    (tally,) = await world.resealer.survey()
    assert (tally.by_key, tally.unreadable) == ({("k2", "aes-256-gcm"): COUNT + COUNT // 2}, 0)


async def test_a_pass_that_was_cut_off_goes_on_where_values_are_old(world: World, monkeypatch) -> None:
    KeyRing(world.file).rotate()
    write, batches = Resealer._write, 0

    async def dies_at_the_third(collection, updates) -> int:
        nonlocal batches
        batches += 1
        if batches == 3:
            raise ConnectionResetError
        return await write(collection, updates)

    monkeypatch.setattr(world.resealer, "_write", dies_at_the_third)
    with pytest.raises(ConnectionResetError):
        await world.resealer.run("people")
    assert await world.keys_used() == {("k1", "aes-256-gcm"), ("k2", "aes-256-gcm")}
    assert all(world.opened(row) for row in await world.people.find({}))
    monkeypatch.setattr(world.resealer, "_write", write)
    tally = await world.resealer.run("people")
    assert 0 < tally.resealed < COUNT + COUNT // 2 and await world.keys_used() == {("k2", "aes-256-gcm")}
    assert (await world.resealer.run("people")).resealed == 0


async def test_values_are_readable_and_changes_are_kept_while_it_runs(world: World) -> None:
    KeyRing(world.file).rotate()
    work = asyncio.create_task(world.resealer.run("people"))
    for number in range(0, COUNT, 15):
        key = f"p{number}"
        await world.people.update_one({"_id": key}, {"$set": {"name": world.seal("name", key, "改名")}})
        row = await world.people.find_one({"_id": key})
        assert row is not None and world.opened(row)["name"] == "改名"
    await work
    for row in await world.people.find({}):
        number = int(row["_id"][1:])
        assert world.opened(row)["name"] == ("改名" if number % 15 == 0 else f"张{number}")
    assert await world.keys_used() == {("k2", "aes-256-gcm")}


async def test_a_change_between_reading_and_writing_wins(world: World, monkeypatch) -> None:
    KeyRing(world.file).rotate()
    write = Resealer._write

    async def after_somebody_else(collection, updates) -> int:
        for number in range(3):
            await world.people.replace_one({"_id": f"p{number}"}, {**world.document(number), "other": "new"})
        return await write(collection, updates)

    monkeypatch.setattr(world.resealer, "_write", after_somebody_else)
    await world.resealer.run("people")
    rows = [await world.people.find_one({"_id": f"p{number}"}) for number in range(3)]
    assert [row["other"] for row in rows] == ["new"] * 3 and all(world.opened(row) for row in rows)


async def test_another_cipher_is_taken_into_use_the_same_way(world: World, tmp_path: Path) -> None:
    sm4 = World(world.database, tmp_path, SM4)
    assert (await sm4.resealer.run("people")).resealed == COUNT + COUNT // 2
    assert await sm4.keys_used() == {("k1", SM4)}
    assert all(world.opened(row) for row in await world.people.find({}))


async def test_what_cannot_be_opened_is_counted_and_left_as_it_is(world: World) -> None:
    row = await world.people.find_one({"_id": "p1"})
    moved = {"_id": "p9", "name": row["name"], "phone": row["phone"]}
    await world.people.replace_one({"_id": "p9"}, moved)
    KeyRing(world.file).rotate()
    assert (await world.resealer.run("people")).unreadable == 2
    assert await world.people.find_one({"_id": "p9"}) == moved
    (tally,) = await world.resealer.survey()
    assert tally.unreadable == 2 and tally.by_key[("k1", "aes-256-gcm")] == 2
