"""Attacks on the trail by whoever can write to the database, or to the anchors, but has not the key: each is found and named (R9)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from pathlib import Path

import pytest

from backend.access.model import Action, ExamRef, Kind, Principal, Role
from backend.audit.anchors import AnchorFile, AnchorProblem, Anchors, read_anchors
from backend.audit.model import Fault, Verdict
from backend.audit.rules import Guard, Trail
from backend.audit.store import SCHEMA, AuditStore
from backend.audit.verification import export, verify
from backend.platform.clock import ManualClock
from backend.platform.database import Database
from backend.platform.schema import migrate

KEY, ANCHOR_KEY = b"k" * 32, b"a" * 32
CLOCK = ManualClock()
EXAM = ExamRef("exam1", "h1", "person")
DOCTOR = Principal(Kind.STAFF, "wang", "s1", "h1", frozenset({Role.CLINICIAN}))


class House:
    """A trail in a database, its anchors in a folder."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = database, folder
        self.store, self.audit = AuditStore(database), database.collection("audit")

    async def process(self, chain: str, entries: int, *, key: bytes = KEY, every: int = 200, stop: bool = True) -> None:
        """What one process writes from start to end."""
        anchors = Anchors(AnchorFile(self.folder, chain, ANCHOR_KEY, CLOCK), entries=every, seconds=0.05)
        guard = Guard(Trail(self.store, key, chain, anchors), CLOCK)
        for _ in range(entries):
            await guard.require(DOCTOR, Action.EXAM_VIEW, EXAM)
        if stop:
            await anchors.stop()

    async def verify(self) -> Verdict:
        return await verify(self.store, KEY, list(read_anchors(self.folder, ANCHOR_KEY)))

    def lines(self, chain: str) -> list[dict]:
        return [json.loads(line) for line in self.file(chain).read_text().splitlines()]

    def file(self, chain: str) -> Path:
        return self.folder / f"{chain}.anchors"

    def put(self, chain: str, lines: list[dict]) -> None:
        self.file(chain).write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> House:
    await migrate(database, [SCHEMA], CLOCK)
    made = House(database, tmp_path / "anchors")
    await made.process("a", 5)
    await made.process("b", 7, every=2)
    return made


async def test_whole_chains_reach_to_their_anchors(house: House) -> None:
    verdict = await house.verify()
    assert (verdict.entries, verdict.chains, verdict.faults, verdict.unanchored) == (12, 2, (), 0)
    assert house.lines("a")[0]["sequence"] == 0 and house.lines("a")[-1]["sequence"] == 4
    assert "wang" not in house.file("a").read_text() and "exam1" not in house.file("a").read_text()


@pytest.mark.parametrize("left", [4, 1])
async def test_a_cut_tail_is_named(house: House, left: int) -> None:
    await house.audit.delete_many({"chain": "b", "sequence": {"$gte": left}})
    assert (await verify(house.store, KEY)).fault is None, "the chain alone cannot show it"
    assert (await house.verify()).faults == (Fault("b", left, "cut"),)


async def test_a_cut_chain_is_named(house: House) -> None:
    await house.audit.delete_many({"chain": "a"})
    verdict = await house.verify()
    assert verdict.faults == (Fault("a", 0, "cut"),) and verdict.entries == 7


async def test_an_emptied_trail_is_named(house: House) -> None:
    await house.audit.delete_many({})
    assert (await house.verify()).faults == (Fault("a", 0, "cut"), Fault("b", 0, "cut"))


async def test_edits_removals_and_exchanges_in_several_chains_are_all_named(house: House) -> None:
    await house.process("c", 4)
    await house.audit.update_one({"_id": f"a/{1:012d}"}, {"$set": {"subject": "somebody else"}})
    await house.audit.delete_one({"_id": f"b/{3:012d}"})
    rows = [await house.audit.find_one({"_id": f"c/{n:012d}"}) for n in (1, 2)]
    for row, number in zip(rows, (2, 1), strict=True):
        key = f"c/{number:012d}"
        await house.audit.replace_one({"_id": key}, {**row, "_id": key, "sequence": number})
    faults = (await house.verify()).faults
    assert faults == (Fault("a", 1, "changed"), Fault("b", 3, "missing"), Fault("c", 1, "changed"))


async def test_a_chain_written_anew_with_the_key_is_not_the_anchored_one(house: House) -> None:
    await house.audit.delete_many({"chain": "b"})
    trail = Trail(house.store, KEY, "b")
    for number in range(7):
        await Guard(trail, CLOCK).require(DOCTOR, Action.EXAM_VIEW, ExamRef(f"other{number}", "h1", ""))
    assert (await house.verify()).faults == (Fault("b", 0, "rewritten"),)


@pytest.mark.parametrize("change", [{"sequence": 2}, {"digest": "1" * 64}, {"time": "2020-01-01"}, {"mac": "0" * 64}])
async def test_a_forged_anchor_is_named(house: House, change: dict) -> None:
    """As if to hide a cut: the last head is made an earlier one, without the key."""
    lines = house.lines("b")
    house.put("b", [*lines[:-1], {**lines[-1], **change}])
    faults = (await house.verify()).faults
    assert [fault.what for fault in faults] == ["forged-anchor"] and faults[0].chain == "b"


@pytest.mark.parametrize("attack", ["added", "removed", "exchanged", "copied"])
async def test_lines_cannot_be_made_removed_moved_or_repeated(house: House, attack: str) -> None:
    a, b = house.lines("a"), house.lines("b")
    assert len(b) >= 3
    forged = {
        "added": [*b, {**b[-1], "sequence": 99}],
        "removed": [b[0], *b[2:]],
        "exchanged": [b[1], b[0], *b[2:]],
        "copied": [*b, a[0]],
    }
    house.put("b", forged[attack])
    assert "forged-anchor" in {fault.what for fault in (await house.verify()).faults}


@pytest.mark.parametrize("garbage", ["{}", "[]", "no json", '{"chain": "b", "sequence": "x"}', "\xff"])
async def test_garbage_among_the_anchors_is_named(house: House, garbage: str) -> None:
    with house.file("b").open("ab") as file:
        file.write(garbage.encode("latin-1") + b"\n")
    assert (await house.verify()).faults == (Fault("b", 0, "forged-anchor"),)


async def test_chains_without_any_anchor_are_counted(house: House) -> None:
    await Guard(Trail(house.store, KEY, "old"), CLOCK).require(DOCTOR, Action.EXAM_VIEW, EXAM)
    house.file("a").unlink()
    verdict = await house.verify()
    assert (verdict.faults, verdict.unanchored) == ((), 2)


async def test_a_killed_process_leaves_no_false_alarm_and_little_to_cut(house: House) -> None:
    await house.process("k", 9, every=4, stop=False)
    await asyncio.sleep(0.3)
    with house.file("k").open("ab") as file:
        file.write(b'{"chain": "k", "sequence": 8, "dig')
    verdict = await house.verify()
    assert verdict.faults == () and verdict.entries == 21
    await house.audit.delete_one({"_id": f"k/{8:012d}"})
    assert (await house.verify()).faults == (Fault("k", 8, "cut"),)


async def test_the_first_entry_is_anchored_at_once_and_more_within_the_seconds(house: House) -> None:
    anchors = Anchors(AnchorFile(house.folder, "n", ANCHOR_KEY, CLOCK), entries=1000, seconds=0.2)
    guard = Guard(Trail(house.store, KEY, "n", anchors), CLOCK)
    await guard.require(DOCTOR, Action.EXAM_VIEW, EXAM)
    async with asyncio.timeout(10):
        while not house.file("n").exists() or not house.lines("n"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await guard.require(DOCTOR, Action.EXAM_VIEW, EXAM)
    assert house.lines("n")[-1]["sequence"] == 0
    async with asyncio.timeout(10):
        while house.lines("n")[-1]["sequence"] != 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_chain_begun_anew_after_a_failed_write_is_anchored_too(house: House, monkeypatch) -> None:
    anchors = Anchors(AnchorFile(house.folder, "f", ANCHOR_KEY, CLOCK), seconds=0.05)
    guard = Guard(Trail(house.store, KEY, "f", anchors), CLOCK)
    await guard.require(DOCTOR, Action.EXAM_VIEW, EXAM)
    append = house.store.append

    async def fails(links) -> None:
        raise TimeoutError

    monkeypatch.setattr(house.store, "append", fails)
    with pytest.raises(TimeoutError):
        await guard.require(DOCTOR, Action.EXAM_VIEW, EXAM)
    monkeypatch.setattr(house.store, "append", append)
    await guard.require(DOCTOR, Action.EXAM_VIEW, EXAM)
    await anchors.stop()
    assert (await house.verify()).faults == ()
    await house.audit.delete_many({"chain": "f.1"})
    assert (await house.verify()).faults == (Fault("f.1", 0, "cut"),)


async def test_a_folder_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AnchorProblem, match="YUNYING_AUDIT_ANCHOR"):
        AnchorFile(tmp_path / "file" / "anchors", "x", ANCHOR_KEY, CLOCK)


async def test_while_the_folder_is_away_people_are_served_and_heads_follow_later(house: House, caplog) -> None:
    anchors = Anchors(AnchorFile(house.folder, "w", ANCHOR_KEY, CLOCK), seconds=0.05)
    guard = Guard(Trail(house.store, KEY, "w", anchors), CLOCK)
    away = house.folder.with_name("away")
    house.folder.rename(away)
    await guard.require(DOCTOR, Action.EXAM_VIEW, EXAM)
    await asyncio.sleep(0.2)
    assert "could not be anchored" in caplog.text
    away.rename(house.folder)
    await anchors.stop()
    assert house.lines("w")[-1]["sequence"] == 0 and (await house.verify()).faults == ()


async def test_export_holds_every_entry_with_its_hash(house: House, tmp_path: Path) -> None:
    file = tmp_path / "trail.jsonl"
    count, digest = await export(house.store, file)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert count == len(rows) == 12 and digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert file.stat().st_mode & 0o077 == 0
    for row in rows:
        entry = json.dumps(row["entry"], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        text = f"{row['previous']}|{row['chain']}|{row['sequence']}|{entry}"
        assert hmac.digest(KEY, text.encode(), "sha256").hex() == row["hash"], "checked without the program"
    with pytest.raises(FileExistsError):
        await export(house.store, file)
