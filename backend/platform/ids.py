"""Random public identifiers: nothing can be learned from one, and the next cannot be guessed."""

from __future__ import annotations

import secrets

# Lower case without 0/o and 1/l/i, so that a person can read one aloud: 31 letters, 4.95 bits each.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"


def public_id(length: int = 26) -> str:
    """A random identifier of `length` letters (26 letters: 128 bits)."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def secret(size: int = 32) -> str:
    """A URL-safe random secret of `size` bytes."""
    return secrets.token_urlsafe(size)


def digits(count: int = 6) -> str:
    """A uniformly random string of decimal digits, for text message codes."""
    return f"{secrets.randbelow(10**count):0{count}d}"
