"""The trail in a real database: every decision is there, and whatever is changed, removed or put elsewhere is found (R9)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from backend.access.model import Action, ExamRef, Kind, Principal, Role
from backend.audit.model import Fault
from backend.audit.rules import Guard, Trail
from backend.audit.store import SCHEMA, AuditStore
from backend.audit.verification import verify
from backend.platform.clock import ManualClock
from backend.platform.database import Database
from backend.platform.errors import NotFound, Unauthenticated, Unavailable
from backend.platform.schema import migrate

KEY = b"k" * 32
CLOCK = ManualClock()
EXAM = ExamRef("exam1", "h1", "person")
DOCTOR = Principal(Kind.STAFF, "wang", "s1", "h1", frozenset({Role.CLINICIAN}))
STRANGER = Principal(Kind.STAFF, "li", "s2", "h2", frozenset({Role.CLINICIAN}))


@pytest.fixture
async def store(database: Database) -> AuditStore:
    await migrate(database, [SCHEMA], CLOCK)
    return AuditStore(database)


async def write(store: AuditStore, chain: str, count: int) -> None:
    guard = Guard(Trail(store, KEY, chain), CLOCK)
    for _ in range(count):
        await guard.require(DOCTOR, Action.EXAM_VIEW, EXAM)


async def test_allow_and_deny_are_both_recorded(store: AuditStore) -> None:
    guard = Guard(Trail(store, KEY, "a"), CLOCK)
    await guard.require(DOCTOR, Action.EXAM_VIEW, EXAM)
    with pytest.raises(NotFound):
        await guard.require(STRANGER, Action.EXAM_VIEW, EXAM)
    with pytest.raises(Unauthenticated):
        await guard.require_action(Principal(Kind.ANONYMOUS, "anonymous"), Action.EXAM_SEARCH)
    entries = await store.of("resource", "exam1", CLOCK.now() - timedelta(days=1))
    assert {(e.subject, e.allowed, e.scenario) for e in entries} == {
        ("wang", True, "own-hospital"),
        ("li", False, "none"),
    }
    assert (await verify(store, KEY)).entries == 3


async def test_whole_chains_are_found_right(store: AuditStore) -> None:
    await write(store, "a", 5)
    await write(store, "b", 3)
    verdict = await verify(store, KEY)
    assert (verdict.entries, verdict.chains, verdict.fault) == (8, 2, None)


async def test_parallel_entries_form_one_chain(store: AuditStore) -> None:
    guard = Guard(Trail(store, KEY, "a"), CLOCK)
    await asyncio.gather(*(guard.require(DOCTOR, Action.EXAM_VIEW, EXAM) for _ in range(300)))
    verdict = await verify(store, KEY)
    assert (verdict.entries, verdict.chains, verdict.fault) == (300, 1, None)


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "somebody else"},
        {"allowed": False},
        {"resource": "exam2"},
        {"time": CLOCK.now() + timedelta(seconds=1)},
        {"origin": {"address": "1.2.3.4", "agent": "", "request_id": "", "entry": ""}},
        {"previous": "1" * 64},
        {"hash": "1" * 64},
    ],
    ids=lambda c: next(iter(c)),
)
async def test_changed_entry_is_named(store: AuditStore, database: Database, change) -> None:
    await write(store, "a", 3)
    await write(store, "b", 5)
    await database.collection("audit").update_one({"_id": f"b/{2:012d}"}, {"$set": change})
    verdict = await verify(store, KEY)
    assert verdict.fault == Fault("b", 2, "changed") and verdict.entries == 5


@pytest.mark.parametrize("removed", [0, 2])
async def test_removed_entry_is_named(store: AuditStore, database: Database, removed: int) -> None:
    await write(store, "a", 5)
    await database.collection("audit").delete_one({"_id": f"a/{removed:012d}"})
    assert (await verify(store, KEY)).fault == Fault("a", removed, "missing")


async def test_exchanged_entries_are_named(store: AuditStore, database: Database) -> None:
    guard = Guard(Trail(store, KEY, "a"), CLOCK)
    for number in range(4):
        await guard.require(DOCTOR, Action.EXAM_VIEW, ExamRef(f"exam{number}", "h1", ""))
    audit = database.collection("audit")
    rows = [await audit.find_one({"_id": f"a/{n:012d}"}) for n in (1, 2)]
    for row, number in zip(rows, (2, 1), strict=True):
        await audit.replace_one({"_id": f"a/{number:012d}"}, {**row, "_id": f"a/{number:012d}", "sequence": number})
    assert (await verify(store, KEY)).fault == Fault("a", 1, "changed")


async def test_hash_made_without_the_key_is_found(store: AuditStore) -> None:
    forger = Guard(Trail(store, b"x" * 32, "a"), CLOCK)
    await forger.require(DOCTOR, Action.EXAM_VIEW, EXAM)
    assert (await verify(store, KEY)).fault == Fault("a", 0, "changed")


async def test_access_without_a_record_does_not_happen_and_the_trail_goes_on(store: AuditStore, monkeypatch) -> None:
    guard = Guard(Trail(store, KEY, "a"), CLOCK)
    await guard.require(DOCTOR, Action.EXAM_VIEW, EXAM)
    append = store.append

    async def written_but_not_told(links) -> None:
        await append(links)
        raise TimeoutError

    monkeypatch.setattr(store, "append", written_but_not_told)
    with pytest.raises(TimeoutError):
        await guard.require(DOCTOR, Action.EXAM_VIEW, EXAM)
    monkeypatch.setattr(store, "append", append)
    await guard.require(DOCTOR, Action.EXAM_VIEW, EXAM)
    verdict = await verify(store, KEY)
    assert (verdict.entries, verdict.chains, verdict.fault) == (3, 2, None)


async def test_a_write_that_is_cut_off_counts_as_none(store: AuditStore, monkeypatch) -> None:
    trail = Trail(store, KEY, "a")
    guard = Guard(trail, CLOCK)
    begun = asyncio.Event()

    async def never(links) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(store, "append", never)
    access = [asyncio.create_task(guard.require(DOCTOR, Action.EXAM_VIEW, EXAM)) for _ in range(3)]
    await begun.wait()
    trail._writer.cancel()
    for outcome in await asyncio.gather(*access, return_exceptions=True):
        assert isinstance(outcome, Unavailable)
