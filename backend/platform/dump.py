"""The whole database in one file, and back: between servers of different kinds and versions, and as a backup.

A dump is gzip over records of one letter, a length and a payload: H the header, C the name of the collection that
follows, D one document as the server sent it, E the end with counts and digests. The digest of a collection does not
depend on the order of its documents. Documents are read while others may write: for one moment in time across
collections, stop the program first.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import struct
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import bson
from bson.raw_bson import RawBSONDocument

from backend.platform.clock import Clock, SystemClock
from backend.platform.database import Collection, Database, Document
from backend.platform.errors import Conflict, Invalid
from backend.platform.objects_local import sync_folder
from backend.platform.schema import VERSIONS, Schema, SchemaTooNew, create_indexes, migrate

_FORMAT = 1
_HEADER, _COLLECTION, _DOCUMENT, _END = b"H", b"C", b"D", b"E"
_LONGEST = 48 << 20
_BATCH_DOCUMENTS, _BATCH_BYTES = 500, 4 << 20
_LEFT_OUT = frozenset({"health"})


@dataclass
class Tally:
    """Count and digest of one collection."""

    count: int = 0
    total: int = 0

    def add(self, raw: bytes) -> None:
        """Counts one document."""
        self.count += 1
        self.total = (self.total + int.from_bytes(hashlib.sha256(raw).digest())) % (1 << 256)

    @property
    def digest(self) -> str:
        """Hexadecimal; equal for equal sets of documents."""
        return f"{self.total:064x}"


@dataclass
class DumpReport:
    """What was written or restored."""

    collections: dict[str, Tally] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """One line a collection: name, count, digest."""
        return [f"{name} {tally.count} {tally.digest}" for name, tally in sorted(self.collections.items())]

    def summary(self) -> Document:
        """The same, to be compared and stored."""
        return {name: {"count": tally.count, "digest": tally.digest} for name, tally in self.collections.items()}


async def dump(database: Database, path: Path, clock: Clock | None = None) -> DumpReport:
    """Writes the whole database to `path`, durably and at once: a broken dump leaves no file of that name."""
    report = DumpReport()
    temporary = path.with_name(path.name + ".part")
    versions = {row["_id"]: row["version"] for row in await database.collection(VERSIONS).find({"kind": "collection"})}
    header = {"format": _FORMAT, "made": (clock or SystemClock()).now(), "versions": versions}
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=3) as packed:
                _write(packed, _HEADER, bson.encode(header))
                for name in await _names(database):
                    _write(packed, _COLLECTION, name.encode())
                    tally = report.collections[name] = Tally()
                    async for batch in _batches(database, name):
                        await asyncio.to_thread(_write_documents, packed, batch, tally)
                _write(packed, _END, bson.encode({"collections": report.summary()}))
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        temporary.replace(path)
        await asyncio.to_thread(sync_folder, path.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return report


async def restore(
    database: Database, path: Path, schemas: Sequence[Schema], *, replace: bool = False, clock: Clock | None = None
) -> DumpReport:
    """Fills the database from a dump, makes indexes by schema, brings older versions up, and compares digests.

    The file is checked as a whole before anything is written. Raises Invalid for a file that is no whole dump,
    SchemaTooNew for one of a newer program, and Conflict when the database holds documents and `replace` is not set.
    """
    header, report = await asyncio.to_thread(_verified, path)
    current = {schema.collection: schema for schema in schemas}
    for name, version in header["versions"].items():
        if name in current and version > current[name].version:
            raise SchemaTooNew(f"备份中 {name} 的结构版本 {version} 高于本程序支持的版本，请使用更新版本的程序恢复。")
    await _empty(database, replace=replace)
    for schema in schemas:
        # The embedded server inserts into indexes faster than it indexes what is there.
        if header["versions"].get(schema.collection) == schema.version:
            await create_indexes(database, schema)
    await _insert_all(database, path)
    for name, tally in report.collections.items():
        found = Tally()
        async for batch in _batches(database, name):
            for raw in batch:
                found.add(raw)
        if found != tally:
            raise Conflict(f"恢复后 {name} 的校验不一致，请清空目标库后重新恢复。", code="restore-mismatch")
    await migrate(database, schemas, clock)
    return report


async def _names(database: Database) -> list[str]:
    names = await database.collection_names()
    return [name for name in names if name not in _LEFT_OUT and not name.startswith("system.")]


async def _batches(database: Database, name: str) -> AsyncIterator[list[bytes]]:
    """All documents of a collection as raw BSON, in batches; the lease of a migration is not data."""
    batch: list[bytes] = []
    size = 0
    criteria: Document = {"kind": "collection"} if name == VERSIONS else {}
    async for document in database.raw_collection(name).iterate(criteria):
        raw: bytes = document.raw  # type: ignore[attr-defined]
        batch.append(raw)
        size += len(raw)
        if len(batch) == _BATCH_DOCUMENTS or size > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    yield batch


async def _empty(database: Database, *, replace: bool) -> None:
    for name in await _names(database):
        collection = database.collection(name)
        if replace:
            await collection.drop()
        elif name != VERSIONS and await collection.count({}, limit=1):
            raise Conflict(
                f"目标数据库中 {name} 已有数据，未作任何更改。请恢复到空库，或明确指定覆盖。", code="restore-not-empty"
            )
    await database.collection(VERSIONS).drop()


async def _insert_all(database: Database, path: Path) -> None:
    collection: Collection | None = None
    batch: list[Any] = []
    size = 0
    for kind, payload in _records(path):
        if kind == _DOCUMENT:
            batch.append(RawBSONDocument(payload))
            size += len(payload)
        if collection and batch and (kind != _DOCUMENT or len(batch) == _BATCH_DOCUMENTS or size > _BATCH_BYTES):
            await collection.insert_many(batch)
            batch, size = [], 0
        if kind == _COLLECTION:
            collection = database.raw_collection(payload.decode())


def _write(packed: gzip.GzipFile, kind: bytes, payload: bytes) -> None:
    packed.write(kind + struct.pack("<I", len(payload)) + payload)


def _write_documents(packed: gzip.GzipFile, batch: list[bytes], tally: Tally) -> None:
    for raw in batch:
        tally.add(raw)
        _write(packed, _DOCUMENT, raw)


def _records(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """The records of a dump. Raises Invalid for anything that is not one."""
    try:
        with path.open("rb") as file, gzip.GzipFile(fileobj=file, mode="rb") as packed:
            while head := packed.read(5):
                yield _record(packed, head)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise _broken() from error


def _record(packed: gzip.GzipFile | BinaryIO, head: bytes) -> tuple[bytes, bytes]:
    size = struct.unpack("<I", head[1:])[0]
    payload = packed.read(size) if size <= _LONGEST else b""
    if len(payload) != size:
        raise _broken()
    return head[:1], payload


def _verified(path: Path) -> tuple[Document, DumpReport]:
    """Header and content of a dump that was read to its end and agrees with its own digests."""
    header: Document | None = None
    end: Document | None = None
    report, tally = DumpReport(), Tally()
    try:
        for kind, payload in _records(path):
            if kind == _HEADER:
                header = bson.decode(payload)
            elif kind == _COLLECTION:
                tally = report.collections[payload.decode()] = Tally()
            elif kind == _DOCUMENT:
                tally.add(payload)
            elif kind == _END:
                end = bson.decode(payload)
    except (bson.errors.BSONError, UnicodeDecodeError) as error:
        raise _broken() from error
    if header is None or end is None or header.get("format") != _FORMAT or end["collections"] != report.summary():
        raise _broken()
    return header, report


def _broken() -> Invalid:
    return Invalid("备份文件不完整或已损坏，未作任何更改。请换用另一份备份。", code="dump-broken")
