"""Viewing tickets: signed, short-lived, bound to one session, one exam and one grade.

A ticket opens a stream for whoever shows it, as long as its session lives.
"""

from __future__ import annotations

from datetime import timedelta

from backend.access.model import Grade, Principal
from backend.platform.clock import Clock
from backend.platform.crypto import Keys
from backend.platform.errors import Unauthenticated
from backend.platform.signing import BadToken, Signer, TokenKind
from backend.viewing.model import Ticket

_KIND = TokenKind(audience="yunying-stream", type="ticket", header_type="ticket+jwt", texts=("exam", "grade"))


class InvalidTicket(Unauthenticated):
    """The ticket is not one of ours, or not any more."""

    code = "invalid-ticket"
    default_text = "查看凭证无效或已过期，请刷新页面。"


class Tickets:
    """Issues and verifies."""

    def __init__(self, keys: Keys, clock: Clock, seconds: int) -> None:
        """A ticket opens streams for `seconds` after it was issued."""
        self._signer, self._clock, self._life = Signer(keys, clock, _KIND), clock, timedelta(seconds=seconds)

    def issue(self, principal: Principal, exam: str, grade: Grade) -> str:
        """A ticket for a principal whose right to see the exam was decided a moment ago."""
        claims = {"sub": principal.subject, "sid": principal.session, "exam": exam, "grade": grade.value}
        return self._signer.sign(claims, self._clock.now() + self._life)

    def verify(self, ticket: str) -> Ticket:
        """What the ticket says. Raises `InvalidTicket` for every one that is not wholly right; says not why."""
        try:
            claims = self._signer.verify(ticket)
            grade = Grade(claims["grade"])
        except (BadToken, ValueError) as error:
            raise InvalidTicket from error
        return Ticket(subject=claims["sub"], session=claims["sid"], exam=claims["exam"], grade=grade, id=claims["jti"])
