"""Schemas that stores declare beside themselves, and the migration of a database to them at start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

from backend.platform.clock import Clock, SystemClock
from backend.platform.database import Collection, Database, Document, DuplicateKey, OperationFailure, Query
from backend.platform.errors import DatabaseUnavailable, YunyingError
from backend.platform.ids import public_id

Migration = Callable[[Database], Awaitable[None]]

VERSIONS = "schema"
"""Collection that records which version each collection has."""
_LEASE = "lease"
_LEASE_TIME = timedelta(seconds=60)
# Codes for an index that exists with the same keys or name but other options.
_INDEX_CONFLICTS = frozenset({85, 86})


class SchemaTooNew(YunyingError):
    """The database was written by a newer program."""

    code = "schema-too-new"


@dataclass(frozen=True)
class Index:
    """An index over fields, "-" before one that descends."""

    fields: tuple[str, ...]
    unique: bool = False
    partial: Document | None = None
    """Only documents that match this are indexed."""
    expire_seconds: int | None = None
    """Documents vanish this long after the date in the field, give or take a minute: check the date as well."""

    def options(self) -> Document:
        """What MongoDB's createIndexes takes beside the keys."""
        options: Document = {"unique": True} if self.unique else {}
        if self.partial is not None:
            options["partialFilterExpression"] = self.partial
        if self.expire_seconds is not None:
            options["expireAfterSeconds"] = self.expire_seconds
        return options

    @property
    def name(self) -> str:
        """The name that MongoDB gives it."""
        return "_".join(f"{name.removeprefix('-')}_{-1 if name.startswith('-') else 1}" for name in self.fields)


@dataclass(frozen=True)
class Schema:
    """What a store says about its collection."""

    collection: str
    version: int = 1
    indexes: tuple[Index, ...] = ()
    migrations: Mapping[int, Migration] = field(default_factory=dict)
    """Version -> how documents of the version before become it. Runs at least once: must be safe to repeat."""
    queries: Mapping[str, Query] = field(default_factory=dict)
    """Name -> an example of each query that the store runs; a test explains them all at 50,000 documents."""
    sealed: tuple[str, ...] = ()
    """Fields that hold sealed values, each sealed for this collection, its own name and the document's `_id`: they are sealed anew when
    the key changes."""


async def migrate(database: Database, schemas: Sequence[Schema], clock: Clock | None = None) -> None:
    """Brings the database to these schemas: migrations in order, then indexes; one process at a time.

    Raises SchemaTooNew when a newer program has been here, before anything is changed.
    """
    async with _lease(database, clock or SystemClock()):
        rows = await database.collection(VERSIONS).find({"kind": "collection"})
        held = {row["_id"]: row["version"] for row in rows}
        for schema in schemas:
            if held.get(schema.collection, 0) > schema.version:
                raise SchemaTooNew(
                    f"数据库中 {schema.collection} 的结构版本为 {held[schema.collection]}，"
                    f"高于本程序支持的 {schema.version}。请使用更新版本的程序，或从备份恢复旧库。"
                )
        for schema in schemas:
            await _migrate_one(database, schema, held.get(schema.collection))


async def _migrate_one(database: Database, schema: Schema, held: int | None) -> None:
    versions = database.collection(VERSIONS)
    # A collection that was never here has no documents of an older version.
    start = schema.version if held is None else held
    for version in range(start + 1, schema.version + 1):
        if version in schema.migrations:
            await schema.migrations[version](database)
        await _record(versions, schema.collection, version)
    await create_indexes(database, schema)
    if held is None:
        await _record(versions, schema.collection, schema.version)


async def _record(versions: Collection, name: str, version: int) -> None:
    row = {"_id": name, "kind": "collection", "version": version}
    await versions.replace_one({"_id": name}, row, upsert=True)


async def create_indexes(database: Database, schema: Schema) -> None:
    """Creates the declared indexes; one whose options changed is made anew. Others are left alone: an operator's."""
    collection = database.collection(schema.collection)
    for index in schema.indexes:
        try:
            await collection.create_index(index.fields, **index.options())
        except OperationFailure as error:
            if error.code not in _INDEX_CONFLICTS:
                raise
            await collection.drop_index(index.name)
            await collection.create_index(index.fields, **index.options())


@asynccontextmanager
async def _lease(database: Database, clock: Clock) -> AsyncIterator[None]:
    """Holds the right to migrate; waits while another process has it, and takes it over when that one has died."""
    versions, holder = database.collection(VERSIONS), public_id()
    while not await _take(versions, holder, clock):  # noqa: ASYNC110 - the holder is another process
        await asyncio.sleep(0.2)
    renewal = asyncio.create_task(_renew(versions, holder, clock))
    try:
        yield
    finally:
        renewal.cancel()
        await versions.delete_one({"_id": _LEASE, "holder": holder})


async def _take(versions: Collection, holder: str, clock: Clock) -> bool:
    now = clock.now()
    mine = {"_id": _LEASE, "kind": "lease", "holder": holder, "until": now + _LEASE_TIME}
    try:
        await versions.insert_one(mine)
    except DuplicateKey:
        return await versions.replace_one({"_id": _LEASE, "until": {"$lt": now}}, mine) == 1
    return True


async def _renew(versions: Collection, holder: str, clock: Clock) -> None:
    while True:
        await asyncio.sleep(_LEASE_TIME.total_seconds() / 4)
        with suppress(DatabaseUnavailable):
            change = {"$set": {"until": clock.now() + _LEASE_TIME}}
            await versions.update_one({"_id": _LEASE, "holder": holder}, change)
