"""The hash that ties an entry to its place and to the entry before."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict

from .model import Entry

GENESIS = "0" * 64
"""What the first entry of a chain follows."""


def canonical(entry: Entry) -> str:
    """The entry as JSON: sorted names, no spaces, characters as they are, the time as `YYYY-MM-DD HH:MM:SS[.ffffff]+00:00`."""
    return json.dumps(asdict(entry), ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)


def chain_hash(key: bytes, previous: str, chain: str, sequence: int, entry: Entry) -> str:
    """HMAC-SHA-256 over the previous hash, the entry's place and its canonical JSON; 64 hexadecimal characters."""
    text = f"{previous}|{chain}|{sequence}|{canonical(entry)}"
    return hmac.digest(key, text.encode(), hashlib.sha256).hex()
