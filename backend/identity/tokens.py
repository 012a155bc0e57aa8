"""Bearer tokens of staff: JSON Web Tokens signed with Ed25519, made and read in this one file.

PyJWT refuses a changed algorithm and a missing claim only where it is told to, and knows nothing of token types (RFC 8725 3.11).
Therefore one algorithm, every claim required, type and key id compared here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jwt

from backend.platform.clock import Clock
from backend.platform.crypto import Keys
from backend.platform.errors import Unauthenticated
from backend.platform.ids import public_id

_ALGORITHM = "EdDSA"
_ISSUER, _AUDIENCE, _TYPE, _HEADER_TYPE = "yunying", "yunying-api", "access", "at+jwt"
_REQUIRED = ["exp", "iat", "nbf", "aud", "iss", "sub", "jti", "sid", "typ"]
_LONGEST = 4096


class InvalidToken(Unauthenticated):
    """The token is not one of ours, or not any more."""

    code = "invalid-token"
    default_text = "登录凭证无效或已过期，请重新登录。"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says once it is verified."""

    subject: str
    session: str
    expires: float
    """Seconds of the epoch."""


class Tokens:
    """Signs and verifies."""

    def __init__(self, keys: Keys, clock: Clock) -> None:
        self._private = keys.signing_key()
        self._public = self._private.public_key()
        self._key_id, self._clock = keys.key_id, clock

    def sign(self, subject: str, session: str, expires: datetime) -> str:
        """A token for a session that ends at `expires`."""
        now = int(self._clock.now().timestamp())
        claims: dict[str, Any] = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "sub": subject,
            "sid": session,
            "jti": public_id(),
            "typ": _TYPE,
            "iat": now,
            "nbf": now,
            "exp": int(expires.timestamp()),
        }
        headers = {"typ": _HEADER_TYPE, "kid": self._key_id}
        return jwt.encode(claims, self._private, algorithm=_ALGORITHM, headers=headers)

    def verify(self, token: str) -> Claims:
        """What the token says. Raises `InvalidToken` for every token that is not wholly right; says not why."""
        if len(token) > _LONGEST:
            raise InvalidToken
        try:
            whole = jwt.decode_complete(
                token,
                self._public,
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                issuer=_ISSUER,
                # Times are compared below, by the clock that everything else goes by.
                options={"require": _REQUIRED, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise InvalidToken from error
        header, claims = whole["header"], whole["payload"]
        if (header.get("typ"), header.get("kid"), claims["typ"]) != (_HEADER_TYPE, self._key_id, _TYPE):
            raise InvalidToken
        if not all(isinstance(claims[name], str) and claims[name] for name in ("sub", "sid", "jti")):
            raise InvalidToken
        return Claims(claims["sub"], claims["sid"], self._in_time(claims))

    def _in_time(self, claims: dict[str, Any]) -> float:
        """The end of the token's life. Whole seconds only: an infinite one is refused."""
        times = [claims[name] for name in ("nbf", "iat", "exp")]
        if not all(type(value) is int for value in times):
            raise InvalidToken
        now = self._clock.now().timestamp()
        if not (times[0] <= now + 1 and times[1] <= now + 1 and now < times[2]):
            raise InvalidToken
        return float(times[2])
