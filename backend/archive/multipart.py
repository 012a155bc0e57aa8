"""An incremental parser of multipart bodies (RFC 2046 5.1.1) in constant memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from backend.platform.errors import Invalid

_MAX_HEADERS = 8 << 10
_MAX_PREAMBLE = 64 << 10
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")


@dataclass(frozen=True, slots=True)
class PartBegin:
    """A part begins; header names are lower case."""

    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part is complete."""


Event = PartBegin | bytes | PartEnd
"""What a body consists of: for each part its beginning, its bytes, its end."""


class BrokenMultipart(Invalid):
    """The body is not what its boundary promises."""

    code = "broken-multipart"
    default_text = "上传内容的 multipart 结构不完整或有误。此前已确认的影像均已保存，请重新上传其余部分。"


class MultipartParser:
    """Fed with the pieces of a body, gives its events. Raises `BrokenMultipart`."""

    def __init__(self, boundary: bytes) -> None:
        if not _BOUNDARY.fullmatch(boundary):
            raise BrokenMultipart("请求头中的 multipart 分隔符无效。")
        self._delimiter = b"\r\n--" + boundary
        # The first delimiter needs no line before it: one is lent.
        self._held = bytearray(b"\r\n")
        self._state = self._preamble

    @property
    def finished(self) -> bool:
        """Whether the closing delimiter came."""
        return self._state == self._epilogue

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that these bytes complete."""
        self._held += data
        while True:
            before = self._state
            events = self._state()
            if events is None:
                return
            yield from events
            if self._state == before == self._epilogue:
                return

    # Each state takes from the held bytes what it can and says what follows; None when it needs more.

    def _preamble(self) -> list[Event] | None:
        place = self._held.find(self._delimiter)
        if place < 0:
            if len(self._held) > _MAX_PREAMBLE:
                raise BrokenMultipart
            return None
        del self._held[: place + len(self._delimiter)]
        self._state = self._after_delimiter
        return []

    def _after_delimiter(self) -> list[Event] | None:
        if len(self._held) < 2:
            return None
        if self._held[:2] == b"--":
            self._state = self._epilogue
            return []
        end = self._held.find(b"\r\n")
        if end < 0:
            if len(self._held) > _MAX_HEADERS:
                raise BrokenMultipart
            return None
        if self._held[:end].strip(b" \t"):
            raise BrokenMultipart
        # The line's end stays: it begins the headers, which may be none.
        del self._held[:end]
        self._state = self._headers
        return []

    def _headers(self) -> list[Event] | None:
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            if len(self._held) > _MAX_HEADERS:
                raise BrokenMultipart
            return None
        headers = {}
        for line in bytes(self._held[:end]).decode("latin-1").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                headers[name.strip().lower()] = value.strip()
        # The empty line's own end may begin the next delimiter, if the part is empty.
        del self._held[: end + 2]
        self._state = self._body_start
        return [PartBegin(headers)]

    def _body_start(self) -> list[Event] | None:
        if len(self._held) < len(self._delimiter):
            return None
        if not self._held.startswith(self._delimiter):
            del self._held[:2]
        self._state = self._body
        return []

    def _body(self) -> list[Event] | None:
        place = self._held.find(self._delimiter)
        if place >= 0:
            data = bytes(self._held[:place])
            del self._held[: place + len(self._delimiter)]
            self._state = self._after_delimiter
            return [data, PartEnd()] if data else [PartEnd()]
        sure = len(self._held) - len(self._delimiter) + 1
        if sure <= 0:
            return None
        data = bytes(self._held[:sure])
        del self._held[:sure]
        return [data]

    def _epilogue(self) -> list[Event] | None:
        self._held.clear()
        return []
