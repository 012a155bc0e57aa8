"""A house for each test: with a clock that tests turn, or with the machine's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from backend.platform.clock import ManualClock
from tests.sharing.house import Patient, SharingHouse


@pytest.fixture
async def house(mongo_uri: str, tmp_path: Path) -> AsyncIterator[SharingHouse]:
    """Time stands still unless it is told to move."""
    async with AsyncExitStack() as stack:
        made = SharingHouse()
        await made.start(stack, mongo_uri, tmp_path, ManualClock())
        yield made


@pytest.fixture
async def patient(house: SharingHouse) -> Patient:
    return await Patient(house).enter()
