"""Killed at random while receiving (R6): every acknowledged instance is there, bit-exact, once."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

from backend.access.model import Scope
from backend.archive.header import data_set_start, read_header
from backend.archive.journal import SETTLE
from backend.archive.model import ExamQuery
from backend.platform.database import Database, DatabaseUnavailable
from backend.platform.embedded import EmbeddedDatabase, EmbeddedOptions
from backend.platform.executor import InProcessExecutor
from backend.platform.ids import public_id
from backend.platform.objects_local import LocalObjects
from tests.archive.conftest import Archive, new_archive
from tests.archive.samples import CT_CLASS, EXPLICIT, ct
from tests.archive.web import content_type, multipart, outcome, value

ROUNDS = 30
DATABASE_KILLS = frozenset({9, 19, 29})
"""Rounds in which the database's server is killed as well."""


class Receiver:
    """The receiving process."""

    def __init__(self, uri: str, name: str, folder: Path) -> None:
        self._command = [sys.executable, "-W", "ignore", "-m", "tests.archive.receiver", uri, name, str(folder)]
        self.ports: dict[str, Any] = {}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        root = Path(__file__).resolve().parents[2]
        self._process = await asyncio.create_subprocess_exec(*self._command, cwd=root, stdout=asyncio.subprocess.PIPE)
        assert self._process.stdout is not None
        self.ports = json.loads(await asyncio.wait_for(self._process.stdout.readline(), 60))

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()


class Senders:
    """Two devices and a gateway that send until the receiver is gone; what was acknowledged to them."""

    def __init__(self, round_number: int, folder: Path) -> None:
        self._round, self._folder = round_number, folder
        self.acknowledged: dict[str, str] = {}
        self.offered = 0

    def file(self) -> tuple[str, bytes]:
        """A new image; its UID."""
        study = f"1.2.826.0.1.50.{self._round}.{random.randrange(3)}"
        content = ct(study=study, side=64)
        self.offered += 1
        return _uid(content), content

    async def run(self, ports: dict[str, Any]) -> None:
        await asyncio.gather(
            asyncio.to_thread(self._device, ports["dicom"]), self._gateway(ports), self._gateway(ports)
        )

    def _device(self, port: int) -> None:
        entity = AE("CT1")
        # pynetdicom notices that its peer has died by its own timeout only.
        entity.dimse_timeout = 2
        entity.add_requested_context(CT_CLASS, EXPLICIT)
        association = entity.associate("127.0.0.1", port)
        while association.is_established:
            uid, content = self.file()
            path = self._folder / f"{uid}.dcm"
            path.write_bytes(content)
            try:
                status = association.send_c_store(path)
            except (RuntimeError, ValueError):
                break
            finally:
                path.unlink()
            if "Status" in status and status.Status == 0:
                self.acknowledged[uid] = _content(content)

    async def _gateway(self, ports: dict[str, Any]) -> None:
        while True:
            files = dict(self.file() for _ in range(3))
            headers = {"Authorization": f"Bearer {ports['token']}", "Content-Type": content_type()}
            request = HTTPRequest(f"{ports['base']}/dicom-web/studies", "POST", headers, multipart(files.values()))
            try:
                response = await AsyncHTTPClient().fetch(request, raise_error=False)
            except (OSError, HTTPClientError):
                return
            if response.code == 599:
                return
            for item in outcome(response)["stored"] if response.code < 300 else []:
                uid = value(item, "00081155")
                self.acknowledged[uid] = _content(files[uid])


def _uid(content: bytes) -> str:
    return read_header(BytesIO(content), len(content)).sop_instance_uid


def _content(content: bytes) -> str:
    """Hash of the data set, which both doors keep as it is."""
    return hashlib.sha256(content[data_set_start(content)[1] :]).hexdigest()


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[EmbeddedDatabase | None]:
    """A database server of the test's own, which it may kill; None where the tests run on a given server."""
    if os.environ.get("YUNYING_TEST_MONGODB_URI"):
        yield None
        return
    async with EmbeddedDatabase(EmbeddedOptions(tmp_path / "db")) as started:
        yield started


@pytest.mark.crash
@pytest.mark.timeout(600)
async def test_nothing_acknowledged_is_lost(embedded: EmbeddedDatabase | None, tmp_path: Path) -> None:
    uri = embedded.uri if embedded else os.environ["YUNYING_TEST_MONGODB_URI"]
    name = f"test_{public_id(12)}"
    acknowledged: dict[str, str] = {}
    offered = 0
    # The next receiver starts while this one works: both share the database and the objects.
    receivers = [Receiver(uri, name, tmp_path) for _ in range(ROUNDS + 1)]
    try:
        await receivers[0].start()
        for number in range(ROUNDS):
            senders = Senders(number, tmp_path)
            sending = asyncio.create_task(senders.run(receivers[number].ports))
            starting = asyncio.create_task(receivers[number + 1].start())
            await asyncio.sleep(random.uniform(0.1, 1.0))
            await receivers[number].kill()
            await asyncio.gather(starting, sending)
            if embedded and number in DATABASE_KILLS:
                os.kill(embedded.pid, signal.SIGKILL)
            acknowledged |= senders.acknowledged
            offered += senders.offered
    finally:
        await asyncio.gather(*(receiver.kill() for receiver in receivers))
    assert len(acknowledged) >= ROUNDS and offered > len(acknowledged)
    database = await _connected(uri, name)
    archive = await new_archive(database, LocalObjects(tmp_path / "objects"))
    await _settle(archive)
    await _check(archive, acknowledged)
    await archive.ingest.stop()
    await database.drop()
    database.close()


async def _connected(uri: str, name: str) -> Database:
    async with asyncio.timeout(60):
        while True:
            try:
                return await Database.connect(uri, name)
            except DatabaseUnavailable:
                await asyncio.sleep(0.2)


async def _settle(archive: Archive) -> None:
    """What the worker does with the marks of the dead, their time of waiting cut short."""
    intents = archive.database.collection("intents")
    await intents.update_many({"kind": SETTLE}, {"$set": {"due": datetime(2020, 1, 1, tzinfo=UTC)}})
    executor = InProcessExecutor(archive.intents, slots=4)
    executor.handle(SETTLE, archive.ingest.settle)
    await executor.start()
    async with asyncio.timeout(60):
        while await archive.intents.pending(SETTLE):  # noqa: ASYNC110 - the executor says nothing
            await asyncio.sleep(0.05)
    await executor.stop()


async def _check(archive: Archive, acknowledged: dict[str, str]) -> None:
    for uid, content in acknowledged.items():
        instance = await archive.store.instance("H1", uid)
        assert instance is not None, "an acknowledged instance is gone"
        assert _content(await archive.objects.get(instance.original)) == content
    exams = (await archive.store.search_exams(Scope(everything=True), ExamQuery(), 500)).items
    total = 0
    for exam in exams:
        (series,) = await archive.store.series_of(exam.key)
        instances = await archive.store.instances_of(series.key)
        assert series.instance_count == exam.instance_count == len(instances) > 0
        assert await archive.database.collection("intents").find_one({"_id": f"derive-series:{series.key}"})
        total += len(instances)
    assert total == await archive.database.collection("instances").count({}) >= len(acknowledged)
