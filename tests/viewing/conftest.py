"""A viewing house for each test."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.platform.database import Database
from backend.platform.objects_local import LocalObjects
from tests.viewing.house import House


def build_front_end(folder: Path) -> Path:
    """What a build leaves behind, with code that can be told apart."""
    (folder / ".vite").mkdir(parents=True)
    (folder / "assets").mkdir()
    entries = {}
    for name in ("boot", "main"):
        (folder / f"assets/{name}-1.js").write_text(f"/* {name} script */" + "var filler=1;" * 400)
        (folder / f"assets/{name}-1.css").write_text(f"/* {name} style */")
        entry = {"file": f"assets/{name}-1.js", "css": [f"assets/{name}-1.css"], "isEntry": True}
        entries[f"src/viewer/{name}.ts"] = entry
    (folder / ".vite/manifest.json").write_text(json.dumps(entries))
    return folder


@pytest.fixture
async def house(database: Database, object_store: LocalObjects, tmp_path: Path) -> AsyncIterator[House]:
    built = House(database, object_store, build_front_end(tmp_path / "static"))
    await built.migrate()
    built.serve()
    yield built
    await built.stop()
