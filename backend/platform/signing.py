"""Signed tokens (RFC 7519, Ed25519): made and read in this one place, whatever they are for.

PyJWT refuses a changed algorithm and a missing claim only where it is told to, and knows nothing of token types (RFC 8725 3.11).
Therefore one algorithm, every claim required, type and key id compared here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jwt

from backend.platform.clock import Clock
from backend.platform.crypto import Keys
from backend.platform.ids import public_id

_ALGORITHM, _ISSUER = "EdDSA", "yunying"
_TIMES = ("nbf", "iat", "exp")
_LONGEST = 4096
_SKEW = 2
"""Seconds by which the clocks of two machines may differ."""


class BadToken(Exception):
    """Not a token of this kind, or not any more. Says not why."""


@dataclass(frozen=True, slots=True)
class TokenKind:
    """What tells one kind of token from every other."""

    audience: str
    type: str
    """The claim `typ`."""
    header_type: str
    texts: tuple[str, ...]
    """Claims of its own; each must be there and be a text that is not empty, as `sub`, `sid` and `jti` must."""

    @property
    def _all_texts(self) -> tuple[str, ...]:
        return ("sub", "sid", "jti", *self.texts)


class Signer:
    """Signs and verifies one kind of token."""

    def __init__(self, keys: Keys, clock: Clock, kind: TokenKind) -> None:
        self._private = keys.signing_key()
        self._public = self._private.public_key()
        self._key_id, self._clock, self._kind = keys.key_id, clock, kind

    def sign(self, claims: Mapping[str, str], expires: datetime) -> str:
        """A token with these claims (`sub`, `sid` and the kind's own), good until `expires`."""
        now = int(self._clock.now().timestamp())
        whole: dict[str, Any] = {
            **claims,
            "iss": _ISSUER,
            "aud": self._kind.audience,
            "typ": self._kind.type,
            "jti": public_id(),
            "iat": now,
            "nbf": now,
            "exp": int(expires.timestamp()),
        }
        headers = {"typ": self._kind.header_type, "kid": self._key_id}
        return jwt.encode(whole, self._private, algorithm=_ALGORITHM, headers=headers)

    def verify(self, token: str) -> dict[str, Any]:
        """The claims. Raises `BadToken` for every token that is not wholly right."""
        if len(token) > _LONGEST:
            raise BadToken
        kind = self._kind
        try:
            whole = jwt.decode_complete(
                token,
                self._public,
                algorithms=[_ALGORITHM],
                audience=kind.audience,
                issuer=_ISSUER,
                # Times are compared below, by the clock that everything else goes by.
                options={
                    "require": [*_TIMES, "aud", "iss", "typ", *kind._all_texts],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise BadToken from error
        header, claims = whole["header"], whole["payload"]
        if (header.get("typ"), header.get("kid"), claims["typ"]) != (kind.header_type, self._key_id, kind.type):
            raise BadToken
        if not all(isinstance(claims[name], str) and claims[name] for name in kind._all_texts):
            raise BadToken
        if not self._in_time(claims):
            raise BadToken
        return dict(claims)

    def _in_time(self, claims: Mapping[str, Any]) -> bool:
        begins, issued, expires = (claims[name] for name in _TIMES)
        # Whole seconds only: an infinite one would never end.
        if not all(type(value) is int for value in (begins, issued, expires)):
            return False
        now = self._clock.now().timestamp()
        return bool(max(begins, issued) <= now + _SKEW and now < expires)
