"""Heads of the chains, kept outside the database: whoever cuts entries off a chain, or a whole chain, leaves a head that has no entry.

Each process appends to a file of its own. A line is a head with a keyed hash over it and over the line before, so that lines cannot be
made, changed, moved or taken out from between without the key.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from backend.platform.clock import Clock
from backend.platform.errors import YunyingError

from .model import Anchor

log = logging.getLogger("yunying.audit")

_SUFFIX = ".anchors"
_FIRST = "0" * 64


class AnchorProblem(YunyingError):
    """The folder for anchors cannot be used."""

    code = "audit-anchor"


def mac_of(key: bytes, before: str, chain: str, sequence: int, digest: str, time: str) -> str:
    """HMAC-SHA-256 over the line before and this one; 64 hexadecimal characters."""
    return hmac.digest(key, f"{before}|{chain}|{sequence}|{digest}|{time}".encode(), hashlib.sha256).hex()


class AnchorFile:
    """One process's file of heads: only ever appended to, on the disk before `append` returns."""

    def __init__(self, folder: Path, name: str, key: bytes, clock: Clock) -> None:
        """Makes the folder. Raises `AnchorProblem` if nothing can be written there: better no start than a trail that can be cut."""
        self._folder, self._path, self._key, self._clock = folder, folder / f"{name}{_SUFFIX}", key, clock
        self._last = _FIRST
        try:
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            writable = os.access(folder, os.W_OK | os.X_OK)
        except OSError:
            writable = False
        if not writable:
            raise AnchorProblem(f"审计锚点目录 {folder} 无法写入，请检查 YUNYING_AUDIT_ANCHOR、挂载与权限。")

    async def append(self, heads: dict[str, tuple[int, str]]) -> None:
        """Writes chain -> (sequence, digest) of its latest entry. Raises OSError."""
        time, last, lines = self._clock.now().isoformat(), self._last, []
        for chain, (sequence, digest) in heads.items():
            last = mac_of(self._key, last, chain, sequence, digest, time)
            line = {"chain": chain, "sequence": sequence, "digest": digest, "time": time, "mac": last}
            lines.append(json.dumps(line) + "\n")
        await asyncio.to_thread(self._write, "".join(lines).encode())
        self._last = last

    def _write(self, data: bytes) -> None:
        fresh = not self._path.exists()
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            size = os.fstat(descriptor).st_size
            try:
                if os.write(descriptor, data) != len(data):
                    raise OSError("short write")
                os.fsync(descriptor)
            except OSError:
                # The lines come again, so that half of them must not stay.
                with suppress(OSError):
                    os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
        if fresh:
            _sync_folder(self._folder)


class Anchors:
    """Anchors this process's heads: at the start of a chain at once, then after so many entries or seconds, and at the end.

    Nobody waits for it. While the folder does not take the heads, they are tried again and the log says so.
    """

    def __init__(self, file: AnchorFile, *, entries: int = 200, seconds: float = 5.0) -> None:
        self._file, self._entries, self._seconds = file, entries, seconds
        self._heads: dict[str, tuple[int, str]] = {}
        self._chain, self._since = "", 0
        self._due = asyncio.Event()
        self._ending = False
        self._writer: asyncio.Task[None] | None = None

    def note(self, chain: str, sequence: int, digest: str, entries: int) -> None:
        """The chain has grown by `entries` and ends with this one."""
        self._heads[chain] = (sequence, digest)
        self._since += entries
        if chain != self._chain or self._since >= self._entries:
            self._chain = chain
            self._due.set()
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="audit anchors")

    async def stop(self) -> None:
        """Anchors what is left."""
        self._ending = True
        self._due.set()
        if self._writer is not None:
            await self._writer

    async def _write(self) -> None:
        while self._heads:
            with suppress(TimeoutError):
                # Also a pause before the next try of what was not taken.
                await asyncio.wait_for(self._due.wait(), self._seconds)
            heads, self._heads, self._since = self._heads, {}, 0
            self._due.clear()
            try:
                await self._file.append(heads)
            except OSError as error:
                log.error("The heads of the audit trail could not be anchored: %s", error.strerror)
                self._heads = heads | self._heads
                if self._ending:
                    return


def read_anchors(folder: Path, key: bytes) -> Iterator[Anchor]:
    """All anchors of all files. One whose keyed hash is wrong comes as not `genuine`, and so do all after it in its file.

    A last line without an end is what a process left that was killed while it wrote; it says nothing.
    """
    for path in sorted(folder.glob(f"*{_SUFFIX}")) if folder.is_dir() else ():
        before = _FIRST
        *lines, _ = path.read_bytes().split(b"\n")
        for line in lines:
            anchor, before = _read(line, before, key, path.name.removesuffix(_SUFFIX))
            yield anchor


def _read(line: bytes, before: str, key: bytes, name: str) -> tuple[Anchor, str]:
    try:
        row = json.loads(line)
        chain, sequence, digest = str(row["chain"]), int(row["sequence"]), str(row["digest"])
        mac, right = str(row["mac"]), mac_of(key, before, chain, sequence, digest, str(row["time"]))
    except (ValueError, KeyError, TypeError):
        return Anchor(name, 0, "", False), "unreadable"
    return Anchor(chain, sequence, digest, hmac.compare_digest(mac.encode(), right.encode())), mac


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
