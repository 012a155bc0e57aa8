"""Bearer tokens of staff."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from backend.platform.clock import Clock
from backend.platform.crypto import Keys
from backend.platform.errors import Unauthenticated
from backend.platform.signing import BadToken, Signer, TokenKind

_KIND = TokenKind(audience="yunying-api", type="access", header_type="at+jwt", texts=())


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
        self._signer = Signer(keys, clock, _KIND)

    def sign(self, subject: str, session: str, expires: datetime) -> str:
        """A token for a session that ends at `expires`."""
        return self._signer.sign({"sub": subject, "sid": session}, expires)

    def verify(self, token: str) -> Claims:
        """What the token says. Raises `InvalidToken` for every token that is not wholly right; says not why."""
        try:
            claims = self._signer.verify(token)
        except BadToken as error:
            raise InvalidToken from error
        return Claims(claims["sub"], claims["sid"], float(claims["exp"]))
