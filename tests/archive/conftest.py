"""An ingest on a real database and object store, with everything that it needs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from backend.archive.dicom_node import DicomNode, NodeOptions
from backend.archive.ingest import Ingest
from backend.archive.model import Receipt
from backend.archive.store import SCHEMAS, ArchiveStore
from backend.identity.rules import People
from backend.identity.store import SCHEMAS as IDENTITY_SCHEMAS
from backend.identity.store import PatientStore
from backend.organisation.model import Institution
from backend.organisation.rules import Organisation
from backend.organisation.store import SCHEMAS as ORGANISATION_SCHEMAS
from backend.organisation.store import OrganisationStore
from backend.platform.clock import SystemClock
from backend.platform.crypto import FieldCipher, Keys
from backend.platform.database import Database
from backend.platform.jobs import SCHEMA as INTENT_SCHEMA
from backend.platform.jobs import Intents
from backend.platform.objects_local import LocalObjects
from backend.platform.schema import migrate

CIPHER = FieldCipher(Keys(bytes(range(32))))
ALL_SCHEMAS = [*SCHEMAS, *IDENTITY_SCHEMAS, *ORGANISATION_SCHEMAS, INTENT_SCHEMA]


@dataclass
class Archive:
    """The parts that a test looks at."""

    database: Database
    objects: LocalObjects
    store: ArchiveStore
    intents: Intents
    ingest: Ingest
    organisation: Organisation

    async def send(
        self, content: bytes | Path, institution: str = "H1", *, study: str = "", piece: int = 100_000
    ) -> Receipt:
        """Offers one file."""
        whole = content.read_bytes() if isinstance(content, Path) else content

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(whole), piece):
                yield whole[start : start + piece]

        return await self.ingest.receive(chunks(), institution, "test:peer", study=study)


def new_ingest(database: Database, objects: LocalObjects, **options) -> Ingest:
    clock = SystemClock()
    people = People(PatientStore(database, CIPHER), clock)
    return Ingest(database, objects, Intents(database, clock), people, CIPHER, clock, **options)


async def new_archive(database: Database, objects: LocalObjects, **options) -> Archive:
    await migrate(database, ALL_SCHEMAS)
    organisation = Organisation(OrganisationStore(database), SystemClock())
    await organisation.register(Institution("H1", "第一医院", "沈阳", frozenset({"STORESCU", "CT1"})))
    await organisation.register(Institution("H2", "第二医院", "大连", frozenset({"MR2"})))
    store = ArchiveStore(database, CIPHER, SystemClock())
    ingest = new_ingest(database, objects, **options)
    return Archive(database, objects, store, Intents(database), ingest, organisation)


@pytest.fixture
async def archive(database: Database, object_store: LocalObjects) -> AsyncIterator[Archive]:
    made = await new_archive(database, object_store)
    yield made
    await made.ingest.stop()


@pytest.fixture
async def node_port(archive: Archive, tmp_path: Path) -> AsyncIterator[int]:
    """Port of a DICOM node of the archive."""
    node = DicomNode(archive.ingest, archive.organisation, NodeOptions(port=0, spool=tmp_path / "spool"))
    yield await node.start()
    await node.stop()
