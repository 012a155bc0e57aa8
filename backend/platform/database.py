"""MongoDB behind one module: the only place that imports `motor`.

Every call has a time limit and answers a dead database with `DatabaseUnavailable`. Motor's maintainers direct
new work to PyMongo's own async client; only this file and `collection.py` would change.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC
from typing import Any, TypeVar

from bson import Binary, Int64, ObjectId
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import InsertOne, ReplaceOne, UpdateOne
from pymongo.errors import BulkWriteError, ConfigurationError, InvalidURI, OperationFailure, PyMongoError
from pymongo.errors import DuplicateKeyError as DuplicateKey
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from backend.platform.collection import Collection, Session, limited, typed_errors
from backend.platform.errors import DatabaseUnavailable, Invalid
from backend.platform.queries import Document, Page, Query, prefix_range

__all__ = [
    "Binary",
    "BulkWriteError",
    "Collection",
    "Database",
    "DatabaseUnavailable",
    "Document",
    "DuplicateKey",
    "InsertOne",
    "Int64",
    "ObjectId",
    "OperationFailure",
    "Page",
    "Query",
    "ReplaceOne",
    "Session",
    "UpdateOne",
    "prefix_range",
]

T = TypeVar("T")

OPERATION_SECONDS = 5.0
"""How long one call may take before it counts as `DatabaseUnavailable`."""
_TRANSACTION_SECONDS = 15.0
_REFUSED_CODES = frozenset({13, 18})
_DURABLE = WriteConcern(w="majority", j=True)


class Database:
    """A connection to one database of one server, replica set or cluster."""

    def __init__(self, client: Any, name: str, seconds: float) -> None:
        self._client = client
        self._raw = client.get_database(
            name, codec_options=CodecOptions(tz_aware=True, tzinfo=UTC), write_concern=_DURABLE
        )
        self.name = name
        self._seconds = seconds

    @classmethod
    async def connect(cls, uri: str, name: str, *, operation_seconds: float = OPERATION_SECONDS) -> Database:
        """An open connection, proved by one round trip.

        Every write waits for the majority and its journal. Raises Invalid for a URI that cannot be read or whose
        account is refused, and DatabaseUnavailable when nobody answers. After that it reconnects by itself for as long as it lives.
        """
        try:
            client: Any = AsyncIOMotorClient(
                uri,
                io_loop=asyncio.get_running_loop(),
                appname="yunying",
                serverSelectionTimeoutMS=int(operation_seconds * 600),
                connectTimeoutMS=int(operation_seconds * 400),
                socketTimeoutMS=None,
                heartbeatFrequencyMS=2000,
                maxPoolSize=64,
                waitQueueTimeoutMS=int(operation_seconds * 1000),
            )
        except (InvalidURI, ConfigurationError, ValueError) as error:
            raise Invalid("数据库地址 YUNYING_MONGODB_URI 无法解析，请检查其格式。", code="database-uri") from error
        database = cls(client, name, operation_seconds)
        try:
            await database.ping()
        except BaseException as error:
            client.close()
            if isinstance(error, OperationFailure) and error.code in _REFUSED_CODES:
                raise Invalid(
                    "数据库拒绝登录，请检查 YUNYING_MONGODB_URI 中的用户名、密码与 authSource。",
                    code="database-account",
                ) from error
            raise
        return database

    def collection(self, name: str) -> Collection:
        """The collection of that name; nothing is sent yet."""
        return Collection(self._raw[name], name, self._seconds)

    def raw_collection(self, name: str) -> Collection:
        """The same collection, its documents as the bytes that the server sent: for copies that must be exact."""
        options: Any = CodecOptions(document_class=RawBSONDocument)
        return Collection(self._raw.get_collection(name, codec_options=options), name, self._seconds)

    async def ping(self) -> None:
        """One round trip. Raises DatabaseUnavailable."""
        async with limited(self._seconds):
            await self._raw.command("ping")

    async def check_health(self) -> None:
        """Writes durably and reads back, since a server whose disk is full still answers reads.

        Raises DatabaseUnavailable.
        """
        beat = Binary(random.randbytes(8))  # noqa: S311 - tells two beats apart, guards nothing
        collection = self.collection("health")
        await collection.replace_one({"_id": "beat"}, {"_id": "beat", "value": beat}, upsert=True)
        if await collection.find_one({"_id": "beat"}) is None:
            raise DatabaseUnavailable(retry_after=2)

    async def command(self, command: Document, *, timeout: float | None = None) -> Document:
        """The answer to a database command."""
        async with limited(timeout or self._seconds):
            return dict(await self._raw.command(command))

    async def collection_names(self) -> list[str]:
        """Names of the collections that exist, sorted."""
        async with limited(self._seconds):
            return sorted(await self._raw.list_collection_names())

    async def drop(self) -> None:
        """Removes the whole database. For tests and `restore`."""
        async with limited(self._seconds * 4):
            await self._client.drop_database(self.name)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """A session whose writes become visible together, durably, or not at all.

        A conflict raises OperationFailure labelled TransientTransactionError: `run_transaction` retries it.
        """
        async with limited(self._seconds):
            session = await self._client.start_session()
        try:
            session.start_transaction(read_concern=ReadConcern("snapshot"), write_concern=_DURABLE)
            try:
                yield session
            except BaseException:
                # What was not committed vanishes with the session anyway; the first error is the one to tell.
                with suppress(PyMongoError, DatabaseUnavailable):
                    async with limited(self._seconds):
                        await session.abort_transaction()
                raise
            await self._commit(session)
        finally:
            await session.end_session()

    async def _commit(self, session: Session) -> None:
        """Commits; asks again while the outcome is unknown, which the protocol makes safe."""
        for attempt in range(3):
            try:
                async with limited(self._seconds):
                    await session.commit_transaction()
                return
            except (PyMongoError, DatabaseUnavailable) as error:
                if attempt == 2 or not _has_label(error, "UnknownTransactionCommitResult"):
                    raise

    async def run_transaction(self, work: Callable[[Session], Awaitable[T]]) -> T:
        """The result of `work(session)`, committed; on a conflict run again from the start, up to 15 seconds.

        `work` may therefore run several times: it must do nothing but database calls with that session.
        Raises DatabaseUnavailable when conflicts do not end, and whatever else `work` raises.
        """
        loop = asyncio.get_running_loop()
        start = loop.time()
        pause = 0.004
        while True:
            try:
                async with self.transaction() as session:
                    return await work(session)
            except (PyMongoError, DatabaseUnavailable) as error:
                if not _has_label(error, "TransientTransactionError"):
                    raise
                # A conflict passes; a database that is away should be told of at once.
                patience = self._seconds if isinstance(error, DatabaseUnavailable) else _TRANSACTION_SECONDS
                if loop.time() - start > patience:
                    raise DatabaseUnavailable(retry_after=2) from error
            await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311 - spreads rivals, guards nothing
            pause = min(pause * 2, 0.5)

    @asynccontextmanager
    async def watch(self, collection: str, pipeline: Sequence[Document] = ()) -> AsyncIterator[AsyncIterator[Document]]:
        """Change events of a collection from now on. Raises DatabaseUnavailable when the stream ends."""
        with typed_errors():
            async with self._raw[collection].watch(list(pipeline), max_await_time_ms=1000) as stream:
                yield stream

    def close(self) -> None:
        """Closes all connections."""
        self._client.close()


def _has_label(error: BaseException, label: str) -> bool:
    cause = error if isinstance(error, PyMongoError) else error.__cause__
    return isinstance(cause, PyMongoError) and cause.has_error_label(label)
