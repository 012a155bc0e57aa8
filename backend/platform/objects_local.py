"""The object store in a local folder: temporary file, fsync, rename, fsync of the folder, and only then "stored".

Files are read and written with plain system calls. `obstore`, which serves S3, never fsyncs a local file and costs
more than a `pread` out of the page cache.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

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

T = TypeVar("T")
# Without this flag (not Linux) every read goes through a thread.
_NOWAIT = getattr(os, "RWF_NOWAIT", None)


class LocalObjects:
    """An `ObjectStore` below one folder, which several processes may share."""

    def __init__(self, root: Path, *, reserve_bytes: int = 256 << 20, threads: int = 8) -> None:
        """`reserve_bytes`: writes are refused while less is free, since a database beside it dies of a full disk."""
        self._root = root
        self._reserve = reserve_bytes
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="objects")
        with _typed_errors(root):
            (root / TEMPORARY).mkdir(parents=True, exist_ok=True)

    async def put(self, key: str, body: Body) -> ObjectInfo:
        """Writes an object, replacing one of the same key."""
        checked_key(key)
        return await self._receive(body, lambda upload: upload.commit(key))

    async def put_addressed(self, prefix: str, body: Body) -> ObjectInfo:
        """Writes an object under the hash of its bytes unless it is there."""
        checked_key(prefix)
        return await self._receive(body, lambda upload: upload.commit_addressed(prefix))

    def put_addressed_sync(self, prefix: str, pieces: Iterable[bytes]) -> ObjectInfo:
        """`put_addressed` for threads."""
        checked_key(prefix)
        with _typed_errors(self._root):
            upload = _Upload(self._root, self._reserve)
        with upload:
            # The source's own errors pass as they are: only ours are the store's.
            for piece in pieces:
                with _typed_errors(self._root):
                    upload.write(piece)
            with _typed_errors(self._root):
                return upload.commit_addressed(prefix)

    async def _receive(self, body: Body, commit: Callable[[_Upload], ObjectInfo]) -> ObjectInfo:
        if isinstance(body, bytes):
            return await self._in_thread(lambda: self._write_all(body, commit))
        upload = await self._in_thread(lambda: _Upload(self._root, self._reserve))
        try:
            async for piece in _gathered(body):
                await self._in_thread(lambda piece=piece: upload.write(piece))  # type: ignore[misc]
            return await self._in_thread(lambda: commit(upload))
        finally:
            upload.close()

    def _write_all(self, body: bytes, commit: Callable[[_Upload], ObjectInfo]) -> ObjectInfo:
        with _Upload(self._root, self._reserve) as upload:
            upload.write(body)
            return commit(upload)

    async def get(self, key: str) -> bytes:
        """The whole object."""
        return await self.range(key, 0, 1 << 62)

    def get_sync(self, key: str) -> bytes:
        """The whole object, for threads."""
        with self._open(key) as descriptor:
            return _read(descriptor, 0, os.fstat(descriptor).st_size)

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """The object in pieces."""
        with self._open(key) as descriptor:
            start = 0
            while piece := await self._in_thread(lambda start=start: _read(descriptor, start, PIECE)):  # type: ignore[misc]
                yield piece
                start += len(piece)

    async def range(self, key: str, start: int, end: int) -> bytes:
        """Bytes `start` to `end` (exclusive); fewer where the object ends before."""
        return (await self.ranges(key, [(start, end)]))[0]

    async def ranges(self, key: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """Several ranges of one object: out of the page cache at once, from the disk in a thread."""
        with self._open(key) as descriptor:
            size = os.fstat(descriptor).st_size
            return [await self._span(descriptor, start, min(end, size) - start) for start, end in spans]

    async def _span(self, descriptor: int, start: int, length: int) -> bytes:
        cached = _read_cached(descriptor, start, max(0, length))
        return await self._in_thread(lambda: _read(descriptor, start, length)) if cached is None else cached

    async def head(self, key: str) -> ObjectInfo:
        """Size of an object."""
        with _typed_errors(self._root):
            return ObjectInfo(key, self._path(key).stat().st_size)

    async def exists(self, key: str) -> bool:
        """Whether there is an object under this key."""
        try:
            await self.head(key)
        except ObjectMissing:
            return False
        return True

    async def delete(self, key: str) -> None:
        """Removes an object; none there is no error."""
        path = self._path(key)
        with suppress(ObjectMissing):
            await self._in_thread(path.unlink)
            await self._in_thread(lambda: sync_folder(path.parent))

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """All objects below `prefix`/."""
        top = self._path(prefix) if prefix else self._root
        walk = os.walk(top)
        while step := await self._in_thread(lambda: next(walk, None)):
            for info in await self._in_thread(lambda step=step: _infos(self._root, *step)):  # type: ignore[misc]
                yield info

    async def check_health(self) -> None:
        """Writes durably, reads back and removes a small object."""
        key = f"health/{public_id()}"
        await self.put(key, b"beat")
        await self.get(key)
        await self.delete(key)

    async def clean(self) -> int:
        """Removes temporary files that no living process holds; how many."""
        return await self._in_thread(lambda: sum(map(_remove_if_dead, (self._root / TEMPORARY).iterdir())))

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(wait=False)

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)

    @contextmanager
    def _open(self, key: str) -> Iterator[int]:
        with _typed_errors(self._root):
            descriptor = os.open(self._path(key), os.O_RDONLY | os.O_CLOEXEC)
            try:
                yield descriptor
            finally:
                os.close(descriptor)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        with _typed_errors(self._root):
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)


class _Upload:
    """One object on its way in: a locked temporary file that becomes the object or vanishes."""

    def __init__(self, root: Path, reserve: int) -> None:
        if shutil.disk_usage(root).free < reserve:
            raise OSError(errno.ENOSPC, "less than the reserve is free")
        self._root = root
        self._temporary = root / TEMPORARY / public_id()
        self._descriptor = _create_locked(self._temporary)
        self._hash = hashlib.sha256()
        self._size = 0

    def __enter__(self) -> _Upload:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, piece: bytes) -> None:
        """Appends a piece."""
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._hash.update(piece)
        self._size += len(piece)

    def commit(self, key: str) -> ObjectInfo:
        """Makes the file the object of this key, durably."""
        os.fsync(self._descriptor)
        self._place(self._root / key)
        return ObjectInfo(key, self._size, self._hash.hexdigest())

    def commit_addressed(self, prefix: str) -> ObjectInfo:
        """Makes the file the object of its hash unless that is there whole."""
        key = addressed_key(prefix, self._hash.hexdigest())
        target = self._root / key
        with suppress(FileNotFoundError):
            if target.stat().st_size == self._size:
                # Another process may have renamed it a moment ago and not yet made the name durable.
                sync_folder(target.parent)
                return ObjectInfo(key, self._size, self._hash.hexdigest(), existed=True)
        return self.commit(key)

    def _place(self, target: Path) -> None:
        try:
            self._temporary.replace(target)
        except FileNotFoundError:
            _make_folders(target.parent)
            self._temporary.replace(target)
        sync_folder(target.parent)

    def close(self) -> None:
        """Removes what was not committed."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            with suppress(OSError):
                self._temporary.unlink(missing_ok=True)


def _create_locked(path: Path) -> int:
    """A new file whose lock tells `clean` that the writer lives; the kernel drops the lock with the process."""
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        # `clean` came between the two calls.
        os.close(descriptor)


@contextmanager
def _typed_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull from error
        # A folder that vanished as a whole is a dead mount, not a missing object.
        if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError) and root.is_dir():
            raise ObjectMissing from error
        raise StorageUnavailable(retry_after=5) from error


def _read_cached(descriptor: int, start: int, length: int) -> bytes | None:
    """The bytes if all of them are in the page cache, else None; never waits for the disk."""
    if _NOWAIT is None or length > PIECE:
        return None
    buffer = bytearray(length)
    try:
        if os.preadv(descriptor, [buffer], start, _NOWAIT) != length:
            return None
    except OSError:
        return None
    return bytes(buffer)


def _read(descriptor: int, start: int, length: int) -> bytes:
    pieces = []
    while length > 0 and (piece := os.pread(descriptor, length, start)):
        pieces.append(piece)
        start += len(piece)
        length -= len(piece)
    return b"".join(pieces)


def _infos(root: Path, folder: str, folders: list[str], names: list[str]) -> list[ObjectInfo]:
    """The objects of one step of a walk; the temporary folder is left out of the steps to come."""
    relative, found = Path(folder).relative_to(root), []
    if relative == Path():
        folders.remove(TEMPORARY)
    for name in names:
        with suppress(FileNotFoundError):
            found.append(ObjectInfo(str(relative / name), Path(folder, name).stat().st_size))
    return found


async def _gathered(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of at least `PIECE`, so that threads are not woken for crumbs."""
    held, size = [], 0
    async for piece in body:
        held.append(piece)
        size += len(piece)
        if size >= PIECE:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_folders(folder: Path) -> None:
    """Makes a folder whose name survives a power cut, and those above it."""
    missing = [folder]
    while not missing[-1].parent.is_dir():
        missing.append(missing[-1].parent)
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        sync_folder(each.parent)


def _remove_if_dead(path: Path) -> bool:
    with suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            return True
        finally:
            os.close(descriptor)
    return False
