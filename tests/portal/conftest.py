"""A site with a server, fresh for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.platform.database import Database
from tests.identity.house import Browser
from tests.portal.site import Site


@pytest.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    built = Site(database, tmp_path)
    await built.begin()
    yield built
    await built.end()


@pytest.fixture
def browser(site: Site) -> Browser:
    return Browser(site)
