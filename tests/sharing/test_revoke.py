"""R4: what was taken back is gone within a second, in every process and in what is open. By the machine's clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from backend import app
from tests.sharing.house import Guest, Patient, SharingHouse, verified


class Elsewhere:
    """Another process's address, with the same phones."""

    def __init__(self, house: SharingHouse, url: str) -> None:
        self.url, self.last_code = url, house.last_code


@pytest.fixture
async def two(mongo_uri: str, tmp_path: Path) -> AsyncIterator[tuple[SharingHouse, Elsewhere]]:
    """Two web roles over one database, each with its own caches."""
    async with AsyncExitStack() as stack:
        house = SharingHouse()
        await house.start(stack, mongo_uri, tmp_path)
        yield house, Elsewhere(house, house.serve(stack, app.core(house.f)))


async def test_revoked_within_a_second_everywhere(two: tuple[SharingHouse, Elsewhere]) -> None:
    house, elsewhere = two
    patient = await Patient(house).enter()
    share = await patient.share(house.ct, report=True)
    guest = await Guest(elsewhere, share["url"]).verify()
    assert (await guest.open(share["passcode"]))[0] == 201
    socket = await guest.stream(house.ct)

    async def watch() -> float:
        while await socket.read_message() is not None:
            pass
        return time.monotonic()

    closing = asyncio.create_task(watch())
    manifest, report = f"/api/v1/exams/{house.ct.exam}/manifest", f"/api/v1/exams/{house.ct.exam}/report"
    assert (await guest.ask("GET", manifest))[0] == 200  # The other process's caches are warm now.
    begun = time.monotonic()
    assert (await patient.ask("DELETE", f"/api/v1/shares/{share['id']}"))[0] == 204
    assert await asyncio.wait_for(closing, 5) - begun <= 1.0
    assert socket.close_code == 4403
    await asyncio.sleep(max(0.0, begun + 1.0 - time.monotonic()))
    for path in (manifest, report, f"/api/v1/exams/{house.ct.exam}/series/0/frames/0/picture"):
        assert (await guest.ask("GET", path))[0] == 401
    late = Guest(elsewhere, share["url"])
    status, problem = await late.ask("POST", "/api/v1/shared/link", {"link": late.link})
    assert (status, problem["code"]) == (410, "share-revoked")
    # Revoking twice is no error, and the patient still sees who was there.
    assert (await patient.ask("DELETE", f"/api/v1/shares/{share['id']}"))[0] == 204
    assert len((await patient.ask("GET", f"/api/v1/shares/{share['id']}/openings"))[1]["items"]) == 1


async def test_openers_and_a_revocation_at_once(two: tuple[SharingHouse, Elsewhere]) -> None:
    """Whoever comes in at the very moment of revocation is not in after it; openers come through both processes."""
    house, elsewhere = two
    patient = await Patient(house).enter()
    share = await patient.share(house.ct, limit=30)
    guests = [await verified(house, share, f"139{n:08d}") for n in range(24)]
    for guest in guests[::2]:
        guest.house = elsewhere

    async def revoke() -> None:
        await asyncio.sleep(0.05)
        assert (await patient.ask("DELETE", f"/api/v1/shares/{share['id']}"))[0] == 204

    answers = await asyncio.gather(revoke(), *(guest.open(share["passcode"]) for guest in guests))
    assert all(status in (201, 401, 410) for status, _ in answers[1:]), answers
    assert (await patient.listed(share))["opened"] <= 30
    await asyncio.sleep(1.0)
    assert {(await guest.manifest(house.ct))[0] for guest in guests} == {401}


async def test_the_limit_holds_across_processes(two: tuple[SharingHouse, Elsewhere]) -> None:
    """No lock reaches from one process to another: what holds here is the compare-and-set on the share."""
    house, elsewhere = two
    patient = await Patient(house).enter()
    share = await patient.share(house.ct, limit=7)
    guests = [await verified(house, share, f"139{n:08d}") for n in range(50)]
    for guest in guests[::2]:
        guest.house = elsewhere
    answers = await asyncio.gather(*(guest.open(share["passcode"]) for guest in guests))
    assert [status for status, _ in answers].count(201) == 7
    assert {problem["code"] for status, problem in answers if status != 201} == {"share-used-up"}
    assert (await patient.listed(share))["opened"] == 7
