"""The commands on keys and trail, over the whole product: a key is exchanged under a running system, and a cut trail is told."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient

from backend import app
from backend.identity.store import PatientStore
from backend.platform.settings import child_environment
from tests.sharing.house import FINDINGS, PHONE, Patient, SharingHouse

_SEALED = re.compile(rb"k[0-9]+(\.[a-z0-9]+)?\0")


class System:
    """A house whose commands are run as an operator does."""

    def __init__(self, house: SharingHouse, folder: Path) -> None:
        self.house, self.folder = house, folder

    async def process(self, *words: str, **settings: str) -> asyncio.subprocess.Process:
        """A command of the program on the house's data."""
        held = self.house.f.settings
        environment = child_environment(
            data=self.folder, mongodb_uri=held.mongodb_uri, mongodb_name=held.mongodb_name, **settings
        )
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "backend.cli", *words, env=environment, stdout=-1, stderr=-1
        )

    async def command(self, *words: str, **settings: str) -> tuple[int, str]:
        """Exit status and what it printed."""
        process = await self.process(*words, **settings)
        said, complaint = await asyncio.wait_for(process.communicate(), 60)
        assert b"Traceback" not in complaint, complaint.decode()
        return process.returncode or 0, said.decode()

    async def sealed_values(self) -> list[tuple[str, str, bytes]]:
        """(collection, field, head) of everything in the database that looks sealed, declared or not."""
        found = []
        for schema in app.SCHEMAS:
            async for row in self.house.f.database.collection(schema.collection).iterate({}):
                found += [(schema.collection, *each) for each in _sealed_in(row)]
        return found


def _sealed_in(value: Any, path: str = "") -> list[tuple[str, bytes]]:
    if isinstance(value, bytes):
        head = _SEALED.match(value)
        return [(path, head[0])] if head else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [each for name, inner in items for each in _sealed_in(inner, f"{path}.{name}".lstrip("."))]


@pytest.fixture
async def system(mongo_uri: str, tmp_path: Path) -> AsyncIterator[System]:
    async with AsyncExitStack() as stack:
        house = SharingHouse()
        await house.start(stack, mongo_uri, tmp_path)
        yield System(house, tmp_path)
        await house.core.anchors.stop()


async def test_a_key_is_exchanged_under_a_running_system(system: System) -> None:
    house = system.house
    patient = await Patient(house).enter()
    await patient.share(house.ct)
    before = await system.sealed_values()
    declared = {(schema.collection, field) for schema in app.SCHEMAS for field in schema.sealed}
    assert {(collection, field) for collection, field, _ in before} == declared, "each sealed field is declared"
    assert {head for *_, head in before} == {b"k1.aes\0"}

    status, said = await system.command("keys", "rotate")
    assert status == 0 and "k2" in said
    worker = await system.process("worker", field_cipher="sm4-gcm")
    try:
        assert (await system.command("keys", "reseal"))[0] == 0
        async with asyncio.timeout(60):
            while {head for *_, head in await system.sealed_values()} != {b"k2.sm4\0"}:
                for path in ("", "/report"):
                    assert (await patient.ask("GET", f"/api/v1/exams/{house.ct.exam}{path}"))[0] == 200
                await asyncio.sleep(0.1)
    finally:
        worker.terminate()
        await worker.communicate()
    assert len(await system.sealed_values()) == len(before)
    _, exam = await patient.ask("GET", f"/api/v1/exams/{house.ct.exam}")
    _, report = await patient.ask("GET", f"/api/v1/exams/{house.ct.exam}/report")
    assert exam["patient"] == "张小明" and report["findings"] == FINDINGS
    assert len((await patient.ask("GET", "/api/v1/exams"))[1]["items"]) == 2
    people = PatientStore(house.f.database, house.f.cipher)
    assert len(await people.by_phone(people.blind_phone(PHONE))) == 2, "found by the same blind index"
    status, said = await system.command("keys", "status")
    assert status == 0 and "无法解密 0 项" in said and "k2，sm4-gcm" in said and "k1" not in said


async def test_a_value_that_no_key_opens_is_told(system: System) -> None:
    exams = system.house.f.database.collection("exams")
    rows = await exams.find({}, limit=2)
    await exams.update_one({"_id": rows[0]["_id"]}, {"$set": {"patient": rows[1]["patient"]}})
    status, said = await system.command("keys", "status")
    assert status == 1 and "无法解密 1 项" in said


async def test_verify_and_export_as_an_operator_runs_them(system: System) -> None:
    house, file = system.house, system.folder / "trail.jsonl"
    patient = await Patient(house).enter()
    assert (await patient.ask("GET", f"/api/v1/exams/{house.ct.exam}"))[0] == 200
    await house.core.anchors.stop()
    status, said = await system.command("audit", "verify")
    assert status == 0 and "锚点" in said, said
    status, said = await system.command("audit", "export", str(file))
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert status == 0 and f"{len(rows)} 条" in said and "张小明" not in file.read_text()
    assert (await system.command("audit", "export", str(file)))[0] == 1, "evidence is not overwritten"
    assert (await system.command("audit", "export"))[0] == 1
    last = max(rows, key=lambda row: row["sequence"])
    await house.f.database.collection("audit").delete_one({"_id": f"{last['chain']}/{last['sequence']:012d}"})
    status, said = await system.command("audit", "verify")
    assert status == 1 and last["chain"] in said and f"第 {last['sequence']} 条" in said and "被删除" in said


async def test_a_role_that_is_told_to_end_anchors_its_last_entry(system: System) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Neither time nor number of entries brings the second anchor: only the end does.
    rare = {"audit_anchor_seconds": "3600", "audit_anchor_entries": "1000000"}
    patient = await Patient(system.house).enter()
    cookies = "; ".join(f"{name}={value}" for name, value in patient.cookies.items())
    await system.house.core.anchors.stop()
    known = set(system.house.f.settings.anchor_folder.glob("*.anchors"))
    serve = await system.process("serve", http_port=str(port), **rare)
    url = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(40):
            while True:
                try:
                    await AsyncHTTPClient().fetch(f"{url}/readyz")
                    break
                except OSError:
                    await asyncio.sleep(0.1)
        for _ in range(5):
            await AsyncHTTPClient().fetch(f"{url}/api/v1/exams/{system.house.ct.exam}", headers={"Cookie": cookies})
    finally:
        serve.terminate()
        await serve.communicate()
    (file,) = set(system.house.f.settings.anchor_folder.glob("*.anchors")) - known
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    audit = system.house.f.database.collection("audit")
    entries = await audit.find({"chain": lines[0]["chain"]})
    assert len(entries) > 1 and [line["sequence"] for line in lines] == [0, len(entries) - 1]
