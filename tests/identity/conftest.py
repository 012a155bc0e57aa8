"""A house with a server, fresh for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.platform.database import Database
from tests.identity.house import Browser, House


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    built = House(database, tmp_path)
    await built.migrate()
    server = built.serve(built.identity_routes())
    yield built
    server.stop()
    await server.close_all_connections()


@pytest.fixture
def browser(house: House) -> Browser:
    return Browser(house)
