"""The object store's interface: originals, stream objects and whatever else is too large for the database.

`docs/object-keys.md` defines every key. Two adapters: `objects_local.py` (a folder) and `objects_s3.py`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from backend.platform.errors import NotFound

Body = bytes | AsyncIterator[bytes]
"""What is put: all of it, or its pieces as they arrive."""

TEMPORARY = "tmp"
"""First part of the keys of unfinished objects; never listed, never read."""
PIECE = 1 << 20
"""Size of the pieces in which objects are streamed, bytes."""

_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


class ObjectMissing(NotFound):
    """There is no object under this key."""

    code = "object-missing"


@dataclass(frozen=True)
class ObjectInfo:
    """What the store knows of an object."""

    key: str
    size: int
    """Bytes."""
    sha256: str = ""
    """Hexadecimal digest of the bytes; only after a put, empty otherwise."""
    existed: bool = False
    """A content-addressed put found the same bytes there already and wrote nothing."""


class ObjectStore(Protocol):
    """Objects under keys. Every write is durable when it returns, and visible whole or not at all.

    All methods raise StorageUnavailable when the store does not answer; those that write raise StorageFull when there
    is no room; those that read raise ObjectMissing. A body whose iterator raises leaves nothing behind.
    """

    async def put(self, key: str, body: Body) -> ObjectInfo:
        """Writes an object, replacing one of the same key."""
        ...

    async def put_addressed(self, prefix: str, body: Body) -> ObjectInfo:
        """Writes an object under the hash of its bytes, `addressed_key(prefix, sha256)`, unless it is there."""
        ...

    def put_addressed_sync(self, prefix: str, pieces: Iterable[bytes]) -> ObjectInfo:
        """`put_addressed` for threads, such as those of the DICOM node."""
        ...

    async def get(self, key: str) -> bytes:
        """The whole object."""
        ...

    def get_sync(self, key: str) -> bytes:
        """The whole object, for threads."""
        ...

    def stream(self, key: str) -> AsyncIterator[bytes]:
        """The object in pieces of about `PIECE` bytes."""
        ...

    async def range(self, key: str, start: int, end: int) -> bytes:
        """Bytes `start` to `end` (exclusive); fewer where the object ends before."""
        ...

    async def ranges(self, key: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """Several ranges of one object, in the order asked."""
        ...

    async def head(self, key: str) -> ObjectInfo:
        """Size of an object."""
        ...

    async def exists(self, key: str) -> bool:
        """Whether there is an object under this key."""
        ...

    async def delete(self, key: str) -> None:
        """Removes an object; none there is no error."""
        ...

    def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """All objects whose key begins with `prefix`/, in no particular order; "" lists all."""
        ...

    async def check_health(self) -> None:
        """Writes, reads back and removes a small object."""
        ...

    async def clean(self) -> int:
        """Removes what killed processes left unfinished; how many. Safe while others write."""
        ...


def addressed_key(prefix: str, sha256: str) -> str:
    """The key of a content-addressed object; two hexadecimal digits spread it over 256 folders."""
    return f"{prefix}/{sha256[:2]}/{sha256}"


def checked_key(key: str) -> str:
    """The key itself. Raises ValueError for one that could leave the store or collide with unfinished objects."""
    if not _KEY.fullmatch(key) or len(key) > 512 or key.split("/")[0] == TEMPORARY:
        raise ValueError(f"not an object key: {key!r}")
    return key
