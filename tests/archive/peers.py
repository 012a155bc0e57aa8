"""DICOM peers of the tests: dcmtk's storescu and echoscu."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path


async def run_peer(*command: str) -> tuple[int, str]:
    """Exit status and all output of a dcmtk program. Nagle's algorithm is off, as operations.md tells senders."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, "TCP_NODELAY": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode("utf-8", "replace")


async def storescu(
    port: int, paths: Sequence[Path], *, title: str = "STORESCU", options: Sequence[str] = ("-R",)
) -> tuple[int, str]:
    """Sends files and folders; goes on after a refused instance."""
    command = ["storescu", "-v", *options, "-nh", "+sd", "+r", "-aet", title, "-aec", "YUNYING", "127.0.0.1", str(port)]
    return await run_peer(*command, *map(str, paths))


async def echoscu(port: int, *, title: str = "STORESCU", options: Sequence[str] = ()) -> tuple[int, str]:
    """Asks whether the node is there."""
    return await run_peer("echoscu", "-v", *options, "-aet", title, "-aec", "YUNYING", "127.0.0.1", str(port))
