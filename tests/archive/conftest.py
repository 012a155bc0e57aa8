"""An ingest on a real database and object store, with everything that it needs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from backend.archive.ingest import Ingest
from backend.archive.model import Receipt
from backend.archive.store import SCHEMAS, ArchiveStore
from backend.identity.rules import People
from backend.identity.store import SCHEMAS as IDENTITY_SCHEMAS
from backend.identity.store import PatientStore
from backend.platform.clock import SystemClock
from backend.platform.crypto import FieldCipher, Keys
from backend.platform.database import Database
from backend.platform.jobs import SCHEMA as INTENT_SCHEMA
from backend.platform.jobs import Intents
from backend.platform.objects_local import LocalObjects
from backend.platform.schema import migrate

CIPHER = FieldCipher(Keys(bytes(range(32))))


@dataclass
class Archive:
    """The parts that a test looks at."""

    database: Database
    objects: LocalObjects
    store: ArchiveStore
    intents: Intents
    ingest: Ingest

    async def send(
        self, content: bytes | Path, institution: str = "H1", *, study: str = "", piece: int = 100_000
    ) -> Receipt:
        """Offers one file."""
        whole = content.read_bytes() if isinstance(content, Path) else content  # noqa: ASYNC240 - a test

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(whole), piece):
                yield whole[start : start + piece]

        return await self.ingest.receive(chunks(), institution, "test:peer", study=study)


def new_ingest(database: Database, objects: LocalObjects, **options) -> Ingest:
    clock = SystemClock()
    intents = Intents(database, clock)
    people = People(PatientStore(database, CIPHER), clock)
    return Ingest(database, objects, intents, people, CIPHER, clock, **options)


@pytest.fixture
async def archive(database: Database, object_store: LocalObjects) -> AsyncIterator[Archive]:
    await migrate(database, [*SCHEMAS, *IDENTITY_SCHEMAS, INTENT_SCHEMA])
    ingest = new_ingest(database, object_store)
    yield Archive(database, object_store, ArchiveStore(database, CIPHER, SystemClock()), Intents(database), ingest)
    await ingest.stop()
