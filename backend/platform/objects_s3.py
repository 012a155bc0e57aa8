"""The object store on S3 or a service that speaks it (Ceph, MinIO, the clouds'), through `obstore`."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from backend.platform.clock import Clock, SystemClock
from backend.platform.errors import StorageFull, StorageUnavailable
from backend.platform.ids import public_id
from backend.platform.objects import (
    PIECE,
    TEMPORARY,
    Body,
    ObjectInfo,
    ObjectMissing,
    addressed_key,
    checked_key,
)

# A body up to this size is hashed in memory and put in one request; a larger one goes through a temporary object.
_WHOLE = 8 << 20
_PART = 8 << 20
_PARTS_AT_ONCE = 4
_STALE = timedelta(hours=24)
_FULL_WORDS = ("QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "StorageFull", "507 ")


@dataclass(frozen=True)
class S3Options:
    """How to reach a bucket."""

    bucket: str
    prefix: str = ""
    endpoint: str = ""
    """Empty: the region's own endpoint."""
    region: str = "us-east-1"
    access_key: str = ""
    secret_key: str = ""

    @classmethod
    def at(cls, location: str, **options: str) -> S3Options:
        """The options for a location `s3://bucket/prefix`."""
        parts = urlsplit(location)
        return cls(parts.netloc, parts.path.strip("/"), **options)


class S3Objects:
    """An `ObjectStore` in a bucket. The service must give read-after-write consistency, as S3 does."""

    def __init__(self, options: S3Options, clock: Clock | None = None) -> None:
        given = {
            "endpoint": options.endpoint,
            "access_key_id": options.access_key,
            "secret_access_key": options.secret_key,
        }
        self._store = S3Store(
            options.bucket,
            prefix=options.prefix or None,
            region=options.region,
            client_options={
                "connect_timeout": timedelta(seconds=3),
                "timeout": timedelta(seconds=60),
                "allow_http": options.endpoint.startswith("http:"),
            },
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=10)},
            **{name: value for name, value in given.items() if value},  # type: ignore[arg-type]
        )
        self._clock = clock or SystemClock()

    async def put(self, key: str, body: Body) -> ObjectInfo:
        """Writes an object, replacing one of the same key; visible when the last part is confirmed."""
        checked_key(key)
        hashed = _Hashed()
        with _typed_errors(hashed):
            await self._put(key, hashed.feed(body) if isinstance(body, bytes) else hashed.follow(body))
        return ObjectInfo(key, hashed.size, hashed.hexdigest())

    async def put_addressed(self, prefix: str, body: Body) -> ObjectInfo:
        """Writes an object under the hash of its bytes unless it is there."""
        checked_key(prefix)
        hashed = _Hashed()
        source = _one(body) if isinstance(body, bytes) else body
        start, ended = await _beginning(source)
        if ended:
            whole = hashed.feed(start)
            info = await self._present(prefix, hashed)
            if info is None:
                with _typed_errors(hashed):
                    await self._put(addressed_key(prefix, hashed.hexdigest()), whole)
            return info or ObjectInfo(addressed_key(prefix, hashed.hexdigest()), hashed.size, hashed.hexdigest())
        temporary = f"{TEMPORARY}/{public_id()}"
        try:
            with _typed_errors(hashed):
                await self._put(temporary, hashed.follow(_chained(start, source)))
            return await self._adopt(temporary, prefix, hashed)
        finally:
            with suppress(ObjectMissing, StorageUnavailable), _typed_errors():
                await obstore.delete_async(self._store, temporary)

    def put_addressed_sync(self, prefix: str, pieces: Iterable[bytes]) -> ObjectInfo:
        """`put_addressed` for threads, which have no event loop of their own."""

        async def body() -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece

        return asyncio.run(self.put_addressed(prefix, body()))

    async def get(self, key: str) -> bytes:
        """The whole object."""
        with _typed_errors():
            return bytes(await (await obstore.get_async(self._store, checked_key(key))).bytes_async())

    def get_sync(self, key: str) -> bytes:
        """The whole object, for threads."""
        with _typed_errors():
            return bytes(obstore.get(self._store, checked_key(key)).bytes())

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """The object in pieces."""
        with _typed_errors():
            pieces = (await obstore.get_async(self._store, checked_key(key))).stream(PIECE).__aiter__()
        while True:
            with _typed_errors():
                try:
                    piece = bytes(await pieces.__anext__())
                except StopAsyncIteration:
                    return
            yield piece

    async def range(self, key: str, start: int, end: int) -> bytes:
        """Bytes `start` to `end` (exclusive); fewer where the object ends before."""
        return (await self.ranges(key, [(start, end)]))[0]

    async def ranges(self, key: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """Several ranges of one object; near ones travel in one request."""
        starts, ends = [start for start, _ in spans], [end for _, end in spans]
        try:
            with _typed_errors():
                found = await obstore.get_ranges_async(self._store, checked_key(key), starts=starts, ends=ends)
                return [bytes(each) for each in found]
        except StorageUnavailable:
            # S3 refuses a range that begins behind the end (416); ask for the size and cut.
            size = (await self.head(key)).size
            if all(start < size for start in starts):
                raise
            inside = [(start, min(end, size)) for start, end in spans if start < size]
            rest = iter(await self.ranges(key, inside) if inside else [])
            return [next(rest) if start < size else b"" for start in starts]

    async def head(self, key: str) -> ObjectInfo:
        """Size of an object."""
        with _typed_errors():
            return ObjectInfo(key, (await obstore.head_async(self._store, checked_key(key)))["size"])

    async def exists(self, key: str) -> bool:
        """Whether there is an object under this key."""
        try:
            await self.head(key)
        except ObjectMissing:
            return False
        return True

    async def delete(self, key: str) -> None:
        """Removes an object; none there is no error."""
        with suppress(ObjectMissing), _typed_errors():
            await obstore.delete_async(self._store, checked_key(key))

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """All objects below `prefix`/."""
        async for info, _ in self._listed(checked_key(prefix) if prefix else None):
            if not info.key.startswith(TEMPORARY + "/"):
                yield info

    async def check_health(self) -> None:
        """Writes, reads back and removes a small object."""
        key = f"health/{public_id()}"
        await self.put(key, b"beat")
        await self.get(key)
        await self.delete(key)

    async def clean(self) -> int:
        """Removes temporary objects older than a day; the parts of broken uploads are the bucket's lifecycle rule."""
        removed = 0
        async for info, modified in self._listed(TEMPORARY):
            if modified < self._clock.now() - _STALE:
                with suppress(ObjectMissing), _typed_errors():
                    await obstore.delete_async(self._store, info.key)
                removed += 1
        return removed

    async def _put(self, key: str, body: bytes | AsyncIterator[bytes]) -> None:
        whole = isinstance(body, bytes) and len(body) <= _PART
        await obstore.put_async(
            self._store, key, body, use_multipart=not whole, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE
        )

    async def _present(self, prefix: str, hashed: _Hashed) -> ObjectInfo | None:
        """The object of this hash, if it is there whole."""
        key = addressed_key(prefix, hashed.hexdigest())
        with suppress(ObjectMissing):
            if (await self.head(key)).size == hashed.size:
                return ObjectInfo(key, hashed.size, hashed.hexdigest(), existed=True)
        return None

    async def _adopt(self, temporary: str, prefix: str, hashed: _Hashed) -> ObjectInfo:
        info = await self._present(prefix, hashed)
        if info is None:
            info = ObjectInfo(addressed_key(prefix, hashed.hexdigest()), hashed.size, hashed.hexdigest())
            with _typed_errors():
                await obstore.copy_async(self._store, temporary, info.key)
        return info

    async def _listed(self, prefix: str | None) -> AsyncIterator[tuple[ObjectInfo, datetime]]:
        with _typed_errors():
            pages = obstore.list(self._store, prefix, chunk_size=1000)
        while True:
            with _typed_errors():
                try:
                    page = await pages.__anext__()
                except StopAsyncIteration:
                    return
            for meta in page:
                yield ObjectInfo(meta["path"], meta["size"]), meta["last_modified"]


class _Hashed:
    """Hashes and counts a body on its way, and remembers the source's own error, which is not the store's."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.size = 0
        self.error: Exception | None = None

    def feed(self, piece: bytes) -> bytes:
        """The piece, counted."""
        self._hash.update(piece)
        self.size += len(piece)
        return piece

    async def follow(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same pieces, counted."""
        try:
            async for piece in body:
                yield self.feed(piece)
        except Exception as error:
            self.error = error
            raise

    def hexdigest(self) -> str:
        """SHA-256 of what was fed."""
        return self._hash.hexdigest()


@contextmanager
def _typed_errors(hashed: _Hashed | None = None) -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        if hashed is not None and hashed.error is not None:
            raise hashed.error from None
        # obstore tells a missing object by the built-in exception.
        if isinstance(error, NotFoundError | FileNotFoundError):
            raise ObjectMissing from error
        if any(word in str(error) for word in _FULL_WORDS):
            raise StorageFull from error
        raise StorageUnavailable(retry_after=5) from error


async def _one(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _beginning(source: AsyncIterator[bytes]) -> tuple[bytes, bool]:
    """The bytes up to just above `_WHOLE`, and whether the source ended before."""
    held, size = [], 0
    async for piece in source:
        held.append(piece)
        size += len(piece)
        if size > _WHOLE:
            return b"".join(held), False
    return b"".join(held), True


async def _chained(start: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield start
    async for piece in rest:
        yield piece
