"""A DICOMweb house for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.platform.database import Database
from backend.platform.objects_local import LocalObjects
from tests.dicomweb.house import DicomWebHouse
from tests.images import shared_dicom


@pytest.fixture
async def house(database: Database, object_store: LocalObjects, tmp_path: Path) -> AsyncIterator[DicomWebHouse]:
    built = DicomWebHouse(database, object_store, tmp_path)
    await built.migrate()
    built.serve()
    yield built
    await built.stop()


@pytest.fixture
def slices() -> list[Path]:
    """Ten neighbouring CT slices of one series."""
    return sorted(shared_dicom("ct_cmb_crc_chest100").rglob("*.dcm"))[:10]
