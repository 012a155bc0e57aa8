"""Derives one series in a process of its own, slowly enough to be killed in the middle: URI, database, objects, series key."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import render
from backend.archive.store import ArchiveStore
from backend.platform.clock import SystemClock
from backend.platform.cpu import CpuPool
from backend.platform.crypto import FieldCipher
from backend.platform.database import Database
from backend.platform.objects_local import LocalObjects
from backend.viewing.derive import Deriver
from tests.viewing.house import KEYS


async def main(uri: str, name: str, folder: str, series_key: str) -> None:
    database = await Database.connect(uri, name)
    store = ArchiveStore(database, FieldCipher(KEYS), SystemClock())
    fast = render.pack_frame

    def slow(*args, **options):
        time.sleep(0.15)
        return fast(*args, **options)

    render.pack_frame = slow
    await Deriver(store, LocalObjects(Path(folder)), CpuPool(2, 64)).derive(series_key)


asyncio.run(main(*sys.argv[1:]))
