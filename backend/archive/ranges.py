"""A file in the object store as a stream that fetches what is read, within a budget."""

from __future__ import annotations

import io
from collections.abc import Callable

from .header import Refused

_PAGE = 1 << 20


class RangeStream(io.RawIOBase):
    """Reads pages of 1 MiB by `fetch(start, end)`; `head` holds the first bytes already. Not for several threads at once."""

    def __init__(self, fetch: Callable[[int, int], bytes], size: int, head: bytes, budget: int) -> None:
        super().__init__()
        self._fetch, self._size, self._head, self._budget = fetch, size, head, budget
        self._position = 0
        self._page, self._page_start = b"", 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to an offset from the beginning, from here, or from the end."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Up to `size` bytes; fewer only at the end. Raises `Refused` when more than the budget was asked for."""
        wanted = self._size - self._position if size is None or size < 0 else size
        end = min(self._size, self._position + wanted)
        if end - self._position > self._budget:
            raise _over_budget()
        pieces = []
        while self._position < end:
            piece = self._some(end)
            pieces.append(piece)
            self._position += len(piece)
        return b"".join(pieces)

    def _some(self, end: int) -> bytes:
        """At least one byte from the present position."""
        start = self._position
        if start < len(self._head):
            return self._head[start:end]
        if not self._page_start <= start < self._page_start + len(self._page):
            self._budget -= _PAGE
            if self._budget < 0:
                raise _over_budget()
            self._page, self._page_start = self._fetch(start, start + _PAGE), start
            if not self._page:
                raise EOFError("the object ends too early")
        return self._page[start - self._page_start : end - self._page_start]


def _over_budget() -> Refused:
    return Refused("文件头过大，已拒绝。", code="header-too-large")
