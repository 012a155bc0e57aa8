"""A real server to import into, and a relay in front of it that cuts connections."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.platform.database import Database
from backend.platform.objects_local import LocalObjects
from tests.dicomweb.house import DicomWebHouse
from tests.images import shared_dicom
from tests.importer.relay import Relay


@pytest.fixture
async def house(database: Database, object_store: LocalObjects, tmp_path: Path) -> AsyncIterator[DicomWebHouse]:
    built = DicomWebHouse(database, object_store, tmp_path)
    await built.migrate()
    built.serve()
    yield built
    await built.stop()


@pytest.fixture
async def relay(house: DicomWebHouse) -> AsyncIterator[Relay]:
    started = Relay(int(house.url.rpartition(":")[2]))
    await started.start()
    yield started
    started.stop()


@pytest.fixture
def slices() -> list[Path]:
    """Ten neighbouring CT slices of one series."""
    return sorted(shared_dicom("ct_cmb_crc_chest100").rglob("*.dcm"))[:10]
