"""A receiving process for the crash tests: database, objects, DICOM node and STOW-RS in one, its ports on standard output."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from backend.archive.dicom_node import DicomNode, NodeOptions
from backend.platform.database import Database
from backend.platform.objects_local import LocalObjects
from tests.archive.conftest import new_archive
from tests.archive.web import start_web


async def main(uri: str, name: str, folder: Path) -> None:
    """Serves until it is killed."""
    objects = LocalObjects(folder / "objects")
    await objects.clean()
    archive = await new_archive(await Database.connect(uri, name), objects)
    node = DicomNode(archive.ingest, archive.organisation, NodeOptions(port=0, spool=folder / "spool"))
    port = await node.start()
    web = await start_web(archive)
    print(json.dumps({"dicom": port, "base": web.base, "token": web.token}), flush=True)  # noqa: T201
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
