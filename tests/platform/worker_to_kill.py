"""A worker process for test_jobs: runs intents of kind "slow", writes down what it began, and waits to be killed."""

from __future__ import annotations

import asyncio
import sys

from backend.platform.database import Database
from backend.platform.executor import InProcessExecutor
from backend.platform.jobs import Intents


async def main(uri: str, name: str) -> None:
    database = await Database.connect(uri, name)
    executor = InProcessExecutor(Intents(database), lease_seconds=1.0, poll_seconds=0.05)

    async def slow(intent) -> None:
        await database.collection("begun").insert_one({"_id": f"{intent.key}-{intent.attempt}"})
        await asyncio.sleep(600)

    executor.handle("slow", slow)
    await executor.start()
    await asyncio.sleep(600)


asyncio.run(main(*sys.argv[1:]))
