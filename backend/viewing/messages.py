"""What terminals may say on `/stream`, read with bounds. Anything else ends the connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.platform.errors import Invalid
from backend.viewing.model import Size, WindowValues
from backend.viewing.plan import View
from render import Rect

LONGEST = 16 * 1024
"""Longest message of a terminal, bytes."""
_MOST_RANGES = 2000
_LARGEST = 1 << 31


class UnknownMessage(Invalid):
    """A message of no known type."""

    code = "unknown-message"


@dataclass(frozen=True, slots=True)
class HeldRanges:
    """What a terminal holds after a reconnect: inclusive ranges of frames, for one series, window and size."""

    series: int
    window: WindowValues | None
    fit: Size
    sheets: tuple[tuple[int, int], ...]
    frames: tuple[tuple[int, int], ...]
    exact: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Open:
    """The first message."""

    ticket: str
    keep: int
    """Encoded bytes that the terminal will hold."""
    have: HeldRanges | None


@dataclass(frozen=True, slots=True)
class Ack:
    """Bytes of binary messages received in all."""

    total: int


@dataclass(frozen=True, slots=True)
class Overview:
    """The sheets of a series are wanted."""

    series: int
    window: WindowValues | None


@dataclass(frozen=True, slots=True)
class Ping:
    """To be answered with the same value."""

    at: float


Message = Open | View | Ack | Overview | Ping


def parse(text: str | bytes) -> Message:
    """The message. Raises UnknownMessage for a type that is not known, Invalid for one that is malformed."""
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError):
        raise Invalid from None
    if not isinstance(plain, dict):
        raise Invalid
    reader = _READERS.get(str(plain.get("t")))
    if reader is None:
        raise UnknownMessage
    try:
        return reader(plain)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise Invalid from None


def _open(plain: Mapping[str, Any]) -> Open:
    ticket, have = plain["ticket"], plain.get("have")
    if not isinstance(ticket, str) or plain.get("v") != 1:
        raise ValueError
    keep = _whole(plain.get("keep", 32_000_000), 0, _LARGEST)
    return Open(ticket, keep, None if have is None else _held(have))


def _held(plain: Mapping[str, Any]) -> HeldRanges:
    return HeldRanges(
        _whole(plain["series"], 0, 10_000),
        _window(plain.get("window")),
        _size(plain["fit"]),
        *(_ranges(plain.get(name, [])) for name in ("sheets", "frames", "exact")),
    )


def _view(plain: Mapping[str, Any]) -> View:
    return View(
        seq=_whole(plain["seq"], 0, _LARGEST),
        series=_whole(plain["series"], 0, 10_000),
        frame=_whole(plain["frame"], 0, _LARGEST),
        window=_window(plain.get("window")),
        fit=_size(plain["fit"]),
        tiles=_tiles(plain.get("tiles")),
        moving=plain.get("moving") is True,
        dir=_whole(plain.get("dir", 0), -1, 1),
        have=_whole(plain.get("have", 0), 0, 2),
    )


def _ack(plain: Mapping[str, Any]) -> Ack:
    return Ack(_whole(plain["n"], 0, 1 << 50))


def _overview(plain: Mapping[str, Any]) -> Overview:
    return Overview(_whole(plain["series"], 0, 10_000), _window(plain.get("window")))


def _ping(plain: Mapping[str, Any]) -> Ping:
    return Ping(_number(plain["at"]))


_READERS: dict[str, Callable[[Mapping[str, Any]], Message]] = {
    "open": _open,
    "view": _view,
    "ack": _ack,
    "overview": _overview,
    "ping": _ping,
}


def _whole(value: Any, low: int, high: int) -> int:
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not low <= value <= high:
        raise ValueError
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not abs(value) < 1e15:
        raise ValueError
    return float(value)


def _window(value: Any) -> WindowValues | None:
    """Centre and width; a width must be above zero (PS3.3 C.11.2.1.2)."""
    if value is None:
        return None
    center, width = value
    if _number(width) <= 0:
        raise ValueError
    return _number(center), _number(width)


def _size(value: Any) -> Size:
    width, height = value
    return _whole(round(_number(width)), 1, 65535), _whole(round(_number(height)), 1, 65535)


def _tiles(value: Any) -> tuple[int, Rect] | None:
    if value is None:
        return None
    x, y, width, height = (_whole(round(_number(part)), -65535, 65535) for part in value["rect"])
    left, top = max(0, x), max(0, y)
    rect = Rect(left, top, max(0, x + width - left), max(0, y + height - top))
    return _whole(value["level"], 0, 16), rect


def _ranges(value: Any) -> tuple[tuple[int, int], ...]:
    if not isinstance(value, Sequence) or len(value) > _MOST_RANGES:
        raise ValueError
    return tuple((_whole(first, 0, _LARGEST), _whole(last, 0, _LARGEST)) for first, last in value)
