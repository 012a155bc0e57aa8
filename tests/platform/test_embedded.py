"""The embedded database as a process: started, watched, started again, never orphaned, never shared by two."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from backend.platform.database import Database, DatabaseUnavailable, OperationFailure
from backend.platform.embedded import EmbeddedDatabase, EmbeddedDatabaseError, EmbeddedOptions, running_uri
from backend.platform.errors import Invalid

SUPERVISOR = (
    "import asyncio, sys; from pathlib import Path\n"
    "from backend.platform.embedded import EmbeddedOptions, supervise\n"
    "asyncio.run(supervise(EmbeddedOptions(Path(sys.argv[1]))))\n"
)


async def start_supervisor(folder: Path) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SUPERVISOR, str(folder))
    async with asyncio.timeout(30):
        while not (uri := running_uri(folder)):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    return process, uri


async def write(uri: str, key: str, database_name: str = "t") -> int:
    """Writes a row and says how many there are."""
    database = await Database.connect(uri, database_name)
    try:
        rows = database.collection("rows")
        await rows.replace_one({"_id": key}, {"_id": key}, upsert=True)
        return await rows.count({})
    finally:
        database.close()


async def until_written(uri: str, key: str, seconds: float) -> int:
    async with asyncio.timeout(seconds):
        while True:
            try:
                return await write(uri, key)
            except DatabaseUnavailable:
                await asyncio.sleep(0.05)


async def test_it_starts_within_two_seconds_and_keeps_its_data(tmp_path):
    start = time.monotonic()
    async with EmbeddedDatabase(EmbeddedOptions(tmp_path / "db")) as embedded:
        took = time.monotonic() - start
        assert await write(embedded.uri, "a") == 1
        assert running_uri(tmp_path / "db") == embedded.uri
    assert took < 10, "0.6 s on an idle machine"
    assert running_uri(tmp_path / "db") is None
    async with EmbeddedDatabase(EmbeddedOptions(tmp_path / "db")) as embedded:
        assert await write(embedded.uri, "b") == 2


async def test_nobody_enters_without_the_password_that_only_the_owner_reads(tmp_path):
    async with EmbeddedDatabase(EmbeddedOptions(tmp_path / "db")) as embedded:
        await write(embedded.uri, "a")
        address = embedded.uri.rsplit("@")[1].split("/")[0]
        stranger = await Database.connect(f"mongodb://{address}/?directConnection=true", "t")
        with pytest.raises(OperationFailure, match="auth"):
            await stranger.collection("rows").find({})
        stranger.close()
        with pytest.raises(Invalid, match="拒绝登录"):
            await Database.connect(f"mongodb://yunying:wrong@{address}/?directConnection=true&authSource=admin", "t")
    assert (tmp_path / "db").stat().st_mode & 0o077 == 0
    assert (tmp_path / "db" / "password").stat().st_mode & 0o077 == 0


async def test_two_supervisors_of_one_folder_are_refused(tmp_path):
    async with EmbeddedDatabase(EmbeddedOptions(tmp_path / "db")) as embedded:
        with pytest.raises(EmbeddedDatabaseError, match="另一个进程"):
            await EmbeddedDatabase(EmbeddedOptions(tmp_path / "db")).start()
        assert await write(embedded.uri, "a") == 1


@pytest.mark.crash
async def test_killed_it_comes_back_at_the_same_address(tmp_path):
    async with EmbeddedDatabase(EmbeddedOptions(tmp_path / "db")) as embedded:
        uri = embedded.uri
        for n in range(3):
            await until_written(uri, str(n), 20)
            pid = embedded.pid
            assert pid
            os.kill(pid, signal.SIGKILL)
            async with asyncio.timeout(20):
                while embedded.pid in (0, pid):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.02)
        assert await until_written(uri, "last", 20) == 4
        assert embedded.uri == uri
        assert embedded.restarts >= 3


@pytest.mark.crash
async def test_silent_it_is_started_again(tmp_path):
    options = EmbeddedOptions(tmp_path / "db", health_seconds=0.2, silent_seconds=0.5)
    async with EmbeddedDatabase(options) as embedded:
        await write(embedded.uri, "a")
        os.kill(embedded.pid, signal.SIGSTOP)
        assert await until_written(embedded.uri, "b", 40) == 2
        assert embedded.restarts == 1


@pytest.mark.crash
async def test_the_server_does_not_outlive_a_killed_supervisor(tmp_path):
    supervisor, uri = await start_supervisor(tmp_path / "db")
    await write(uri, "a")
    supervisor.kill()
    await supervisor.wait()
    async with asyncio.timeout(20):
        while running_uri(tmp_path / "db"):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)
    async with EmbeddedDatabase(EmbeddedOptions(tmp_path / "db")) as embedded:
        assert await write(embedded.uri, "b") == 2


async def test_a_supervisor_that_is_told_to_end_stops_the_server(tmp_path):
    supervisor, uri = await start_supervisor(tmp_path / "db")
    await write(uri, "a")
    supervisor.terminate()
    assert await asyncio.wait_for(supervisor.wait(), 20) == 0
    assert running_uri(tmp_path / "db") is None
    assert not (tmp_path / "db" / "port").exists()


async def test_a_program_that_is_not_there_is_said_with_its_setting(tmp_path):
    options = EmbeddedOptions(tmp_path / "db", program=str(tmp_path / "no-such-program"))
    with pytest.raises(EmbeddedDatabaseError, match="YUNYING_EMBEDDED_PROGRAM"):
        await EmbeddedDatabase(options).start()


async def test_files_that_it_cannot_read_are_said_and_kept(tmp_path):
    async with EmbeddedDatabase(EmbeddedOptions(tmp_path / "db")) as embedded:
        await write(embedded.uri, "a")
    turtle = tmp_path / "db" / "files" / "WiredTiger.turtle"
    turtle.write_bytes(b"nonsense")
    with pytest.raises(EmbeddedDatabaseError, match=r"server\.log"):
        await EmbeddedDatabase(EmbeddedOptions(tmp_path / "db")).start()
    assert (tmp_path / "db" / "server.log").stat().st_size > 0
    assert running_uri(tmp_path / "db") is None
