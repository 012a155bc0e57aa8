"""Messages of the viewers' socket, as `docs/streaming.md` describes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any


def parse(message: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and body of a binary message."""
    size = int.from_bytes(message[:2], "big")
    return json.loads(message[2 : 2 + size]), message[2 + size :]


def pictures(messages: Iterable[tuple[float, bytes]]) -> Iterator[tuple[float, dict[str, Any], bytes]]:
    """Whole pictures with the time at which their last byte came; slices are put together."""
    parts: dict[int, bytes] = {}
    for at, message in messages:
        header, body = parse(message)
        if header["k"] != "part":
            yield at, header, body
            continue
        parts[header["id"]] = parts.get(header["id"], b"") + body
        if len(parts[header["id"]]) >= header["of"]:
            whole, inner = parse(parts.pop(header["id"]))
            yield at, whole, inner
