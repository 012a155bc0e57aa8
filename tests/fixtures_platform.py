"""Fixtures of the database and the object store: real servers over real sockets, one set a test process."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import boto3
import pytest

from backend.platform.database import Database
from backend.platform.embedded import EmbeddedDatabase, EmbeddedOptions
from backend.platform.ids import public_id
from backend.platform.objects_local import LocalObjects
from backend.platform.objects_s3 import S3Objects, S3Options


class EmbeddedThread:
    """The embedded database on an event loop of its own, for fixtures that outlive a test's loop."""

    def __init__(self, folder: Path) -> None:
        program = os.environ.get("YUNYING_TEST_EMBEDDED_PROGRAM", "")
        self._embedded = EmbeddedDatabase(EmbeddedOptions(folder, program=program))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> EmbeddedDatabase:
        self._thread.start()
        self._run(self._embedded.start())
        return self._embedded

    def __exit__(self, *_: object) -> None:
        self._run(self._embedded.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A MongoDB that the tests may use: the one named by YUNYING_TEST_MONGODB_URI, else an embedded server."""
    given = os.environ.get("YUNYING_TEST_MONGODB_URI")
    if given:
        yield given
        return
    with EmbeddedThread(tmp_path_factory.mktemp("embedded") / "db") as embedded:
        yield embedded.uri


@pytest.fixture
async def database(mongo_uri: str) -> AsyncIterator[Database]:
    """An empty database of the test's own."""
    opened = await Database.connect(mongo_uri, f"test_{public_id(12)}")
    yield opened
    if "YUNYING_TEST_MONGODB_URI" in os.environ:
        # The embedded server's files are thrown away as a whole; it takes a minute to drop 50,000 documents.
        await opened.drop()
    opened.close()


@pytest.fixture
def object_store(tmp_path: Path) -> Iterator[LocalObjects]:
    """An empty object store in a local folder."""
    store = LocalObjects(tmp_path / "objects")
    yield store
    store.close()


class S3Server:
    """An S3 protocol server on the loopback interface, in a process of its own."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError("the S3 server did not start")

    def new_bucket(self) -> S3Options:
        """An empty bucket."""
        bucket = f"bucket-{public_id(12)}"
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        client.create_bucket(Bucket=bucket)
        return S3Options(bucket, "yunying", self.endpoint, access_key="test", secret_key="test")

    def kill(self) -> None:
        """Ends the server at once."""
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """One S3 protocol server for the session."""
    server = S3Server()
    yield server
    server.kill()


@pytest.fixture
def s3_store(s3_server: S3Server) -> S3Objects:
    """An object store in an empty bucket."""
    return S3Objects(s3_server.new_bucket())


@pytest.fixture(params=["local", "s3"])
def any_store(request: pytest.FixtureRequest) -> LocalObjects | S3Objects:
    """The test runs once on each kind of object store."""
    return request.getfixturevalue("object_store" if request.param == "local" else "s3_store")
