"""Viewing tickets: JSON Web Tokens (RFC 7519) signed with Ed25519, bound to one session, one exam and one grade.

A ticket opens a stream for whoever shows it, as long as its session lives. Everything about it is checked in `verify`, and nowhere else.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jwt

from backend.access.model import Grade, Principal
from backend.platform.clock import Clock
from backend.platform.crypto import Keys
from backend.platform.errors import Unauthenticated
from backend.platform.ids import public_id
from backend.viewing.model import Ticket

_ALGORITHM = "EdDSA"
_ISSUER, _AUDIENCE, _TYPE, _HEADER_TYPE = "yunying", "yunying-stream", "ticket", "ticket+jwt"
_REQUIRED = ["exp", "iat", "nbf", "aud", "iss", "sub", "jti", "sid", "typ", "exam", "grade"]
_TEXTS = ("sub", "jti", "sid", "exam")
_LONGEST = 2048
_SKEW = 2
"""Seconds by which the clocks of two machines may differ."""


class InvalidTicket(Unauthenticated):
    """The ticket is not one of ours, or not any more."""

    code = "invalid-ticket"
    default_text = "查看凭证无效或已过期，请刷新页面。"


class Tickets:
    """Issues and verifies."""

    def __init__(self, keys: Keys, clock: Clock, seconds: int) -> None:
        """A ticket opens streams for `seconds` after it was issued."""
        self._private = keys.signing_key()
        self._public = self._private.public_key()
        self._key_id, self._clock, self._life = keys.key_id, clock, timedelta(seconds=seconds)

    def issue(self, principal: Principal, exam: str, grade: Grade) -> str:
        """A ticket for a principal whose right to see the exam was decided a moment ago."""
        now = self._clock.now()
        claims: dict[str, Any] = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "typ": _TYPE,
            "sub": principal.subject,
            "sid": principal.session,
            "jti": public_id(),
            "exam": exam,
            "grade": grade.value,
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "exp": int((now + self._life).timestamp()),
        }
        headers = {"typ": _HEADER_TYPE, "kid": self._key_id}
        return jwt.encode(claims, self._private, algorithm=_ALGORITHM, headers=headers)

    def verify(self, ticket: str) -> Ticket:
        """What the ticket says. Raises `InvalidTicket` for every one that is not wholly right; says not why."""
        if len(ticket) > _LONGEST:
            raise InvalidTicket
        try:
            whole = jwt.decode_complete(
                ticket,
                self._public,
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                issuer=_ISSUER,
                # Times are compared below, by the clock that everything else goes by.
                options={"require": _REQUIRED, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise InvalidTicket from error
        header, claims = whole["header"], whole["payload"]
        if (header.get("typ"), header.get("kid"), claims["typ"]) != (_HEADER_TYPE, self._key_id, _TYPE):
            raise InvalidTicket
        if not all(isinstance(claims[name], str) and claims[name] for name in _TEXTS):
            raise InvalidTicket
        if claims["grade"] not in [grade.value for grade in Grade] or not self._in_time(claims):
            raise InvalidTicket
        return Ticket(
            subject=claims["sub"],
            session=claims["sid"],
            exam=claims["exam"],
            grade=Grade(claims["grade"]),
            id=claims["jti"],
        )

    def _in_time(self, claims: dict[str, Any]) -> bool:
        times = [claims[name] for name in ("nbf", "iat", "exp")]
        now = self._clock.now().timestamp()
        # Whole seconds only: an infinite one would never end.
        return all(type(value) is int for value in times) and max(times[:2]) <= now + _SKEW and now < times[2]
