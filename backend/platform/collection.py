"""The calls on one collection, each with a time limit and typed errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import pymongo
from pymongo import InsertOne, ReplaceOne, UpdateOne
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
)

from backend.platform.errors import DatabaseUnavailable
from backend.platform.queries import Document, Page, Query, sort_pairs

Session = Any
"""A running transaction: handed to the methods of `Collection`, never looked into."""

# Codes with which a server says "not now" though its socket answers: shutting down, disk full, panic.
_UNWELL_CODES = frozenset({1, 6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436, 14031, 17280})
_DUPLICATE = 11000
_UNWELL_WORDS = ("WT_PANIC", "No space left", "WT_ERROR", "Input/output error")


def _unwell(error: PyMongoError) -> bool:
    """Whether this error tells of the server's state rather than of the request."""
    if isinstance(error, ConnectionFailure | WaitQueueTimeoutError | ExecutionTimeout) or error.timeout:
        return True
    if isinstance(error, OperationFailure) and not isinstance(error, DuplicateKeyError | BulkWriteError):
        return error.code in _UNWELL_CODES or any(word in str(error) for word in _UNWELL_WORDS)
    return False


@contextmanager
def typed_errors() -> Iterator[None]:
    """Turns every sign of a database that is down into `DatabaseUnavailable`, keeping the cause."""
    try:
        yield
    except TimeoutError as error:
        raise DatabaseUnavailable(retry_after=2) from error
    except PyMongoError as error:
        if _unwell(error):
            raise DatabaseUnavailable(retry_after=2) from error
        if isinstance(error, BulkWriteError) and error.details["writeErrors"]:
            first = error.details["writeErrors"][0]
            if first["code"] == _DUPLICATE:
                raise DuplicateKeyError(first["errmsg"], _DUPLICATE, first) from error
        raise


@asynccontextmanager
async def limited(seconds: float) -> AsyncIterator[None]:
    """Bounds a call twice: the driver's own deadline, and ours in case the driver's thread is stuck."""
    with typed_errors():
        async with asyncio.timeout(seconds + 1.0):
            with pymongo.timeout(seconds):
                yield


class Collection:
    """One collection: the calls that both the embedded server and MongoDB serve well, each with a time limit.

    There is no find-and-modify here on purpose: the embedded server scans for it. Use `update_one` with the
    expected state among its criteria and look at the returned count.
    """

    def __init__(self, raw: Any, name: str, seconds: float) -> None:
        self._raw = raw
        self.name = name
        self._seconds = seconds

    async def find_one(
        self, criteria: Document, *, projection: Document | None = None, session: Session | None = None
    ) -> Document | None:
        """The one document that matches, or None. Its filter must stay within one index (see `Query`)."""
        async with limited(self._seconds):
            found: Document | None = await self._raw.find_one(criteria, projection, session=session)
            return found

    async def find(
        self,
        criteria: Document,
        *,
        sort: Sequence[str] = (),
        skip: int = 0,
        limit: int = 0,
        projection: Document | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> list[Document]:
        """The documents that match, in order ("-" before a field that descends); limit 0 means all."""
        async with limited(timeout or self._seconds):
            cursor = self._raw.find(criteria, projection, session=session)
            if sort:
                cursor = cursor.sort(sort_pairs(sort))
            found: list[Document] = await cursor.skip(skip).limit(limit).to_list(None)
            return found

    async def run(self, query: Query, *, session: Session | None = None) -> list[Document]:
        """The documents of a named query."""
        if query.residual:
            return await self.aggregate(query.pipeline(), session=session)
        return await self.find(
            query.filter,
            sort=query.sort,
            skip=query.skip,
            limit=query.limit,
            projection=query.projection,
            session=session,
        )

    async def find_page(self, query: Query, after: str | None = None) -> Page:
        """One page of `query.limit` documents that follow the place `after` (a `Page.next`).

        The order must end with a unique field. Raises Invalid for an `after` that was not made here.
        """
        found = await self.run(query.after(after))
        items = found[: query.limit]
        return Page(items, query.place_of(items[-1]) if len(found) > query.limit else None)

    async def iterate(
        self,
        criteria: Document,
        *,
        batch: int = 200,
        sort: Sequence[str] = (),
        projection: Document | None = None,
    ) -> AsyncIterator[Document]:
        """All matching documents one by one, in constant memory; each batch has its own time limit."""
        with typed_errors():
            cursor = self._raw.find(criteria, projection, batch_size=batch)
            if sort:
                cursor = cursor.sort(sort_pairs(sort))
        try:
            while True:
                async with limited(self._seconds * 4):
                    documents = await cursor.to_list(batch)
                if not documents:
                    return
                for document in documents:
                    yield document
        finally:
            with suppress(PyMongoError):
                await cursor.close()

    async def aggregate(
        self, pipeline: Sequence[Document], *, session: Session | None = None, timeout: float | None = None
    ) -> list[Document]:
        """All documents that the pipeline gives."""
        async with limited(timeout or self._seconds):
            found: list[Document] = await self._raw.aggregate(list(pipeline), session=session).to_list(None)
            return found

    async def count(self, criteria: Document, *, limit: int = 0, session: Session | None = None) -> int:
        """How many match; with a `limit`, counting stops there."""
        async with limited(self._seconds):
            options: Document = {"limit": limit} if limit else {}
            return int(await self._raw.count_documents(criteria, session=session, **options))

    async def insert_one(self, document: Document, *, session: Session | None = None) -> None:
        """Adds a document. Raises DuplicateKey when a unique index holds its key."""
        async with limited(self._seconds):
            await self._raw.insert_one(document, session=session)

    async def insert_many(
        self, documents: Sequence[Document], *, session: Session | None = None, timeout: float | None = None
    ) -> None:
        """Adds documents in order up to the first that fails; nothing to add is no error. Raises DuplicateKey."""
        if documents:
            async with limited(timeout or self._seconds * 4):
                await self._raw.insert_many(documents, session=session)

    async def update_one(
        self,
        criteria: Document,
        update: Document | list[Document],
        *,
        upsert: bool = False,
        session: Session | None = None,
    ) -> int:
        """How many documents were matched or inserted by upsert: 0 or 1."""
        async with limited(self._seconds):
            result = await self._raw.update_one(criteria, update, upsert=upsert, session=session)
            return int(result.matched_count) + (1 if result.upserted_id is not None else 0)

    async def update_many(
        self, criteria: Document, update: Document | list[Document], *, session: Session | None = None
    ) -> int:
        """How many documents matched and were updated."""
        async with limited(self._seconds):
            return int((await self._raw.update_many(criteria, update, session=session)).matched_count)

    async def replace_one(
        self, criteria: Document, document: Document, *, upsert: bool = False, session: Session | None = None
    ) -> int:
        """How many documents were replaced or inserted: 0 or 1."""
        async with limited(self._seconds):
            result = await self._raw.replace_one(criteria, document, upsert=upsert, session=session)
            return int(result.matched_count) + (1 if result.upserted_id is not None else 0)

    async def delete_one(self, criteria: Document, *, session: Session | None = None) -> int:
        """How many documents were removed: 0 or 1."""
        async with limited(self._seconds):
            return int((await self._raw.delete_one(criteria, session=session)).deleted_count)

    async def delete_many(self, criteria: Document, *, session: Session | None = None) -> int:
        """How many documents were removed."""
        async with limited(self._seconds * 4):
            return int((await self._raw.delete_many(criteria, session=session)).deleted_count)

    async def bulk_write(
        self,
        requests: Sequence[InsertOne[Document] | ReplaceOne[Document] | UpdateOne],
        *,
        ordered: bool = True,
        session: Session | None = None,
    ) -> None:
        """Several writes in one round trip. Raises DuplicateKey, BulkWriteError."""
        if requests:
            async with limited(self._seconds * 4):
                await self._raw.bulk_write(list(requests), ordered=ordered, session=session)

    async def create_index(self, keys: Sequence[str], **options: Any) -> None:
        """Creates an index over `keys` ("-" before one that descends) unless it is there."""
        async with limited(600.0):
            await self._raw.create_index(sort_pairs(keys), **options)

    async def drop_index(self, name: str) -> None:
        """Removes an index by name."""
        async with limited(600.0):
            await self._raw.drop_index(name)

    async def index_information(self) -> dict[str, Document]:
        """The indexes by name."""
        async with limited(self._seconds):
            return dict(await self._raw.index_information())

    async def drop(self) -> None:
        """Removes the collection with all it holds."""
        async with limited(self._seconds * 4):
            await self._raw.drop()
