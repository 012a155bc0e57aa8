"""Finds out who sends a request: a bearer token or upload credential in the header, else a cookie."""

from __future__ import annotations

import re
from typing import Protocol

from cachetools import LRUCache, TTLCache
from tornado.httputil import HTTPServerRequest

from backend.access.model import ANONYMOUS, Kind, Principal
from backend.platform.clock import Clock
from backend.platform.errors import Unauthenticated

from .model import Session
from .sessions import CACHE_SECONDS, Sessions, secret_id
from .tokens import Claims, InvalidToken, Tokens

SESSION_COOKIE = "yy_session"
LINK_COOKIE = "yy_link_"
"""Followed by the public id of what a viewer link or a share opened: a browser may hold several, and a session beside them."""
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_EXAM = re.compile(r"[a-z0-9]{10,40}")


class GatewayCredentials(Protocol):
    """Upload credentials of institutions."""

    async def institution_of(self, secret: str) -> str | None:
        """The institution that holds this credential; None if there is none or it was revoked."""
        ...


class SessionEnded(Unauthenticated):
    """The cookie or token names a session that has expired or was ended."""

    code = "session-ended"
    default_text = "登录已过期或已退出，请重新验证身份。"


class Authenticator:
    """Answers `backend.web.handler.Authenticator`."""

    def __init__(self, sessions: Sessions, tokens: Tokens, gateways: GatewayCredentials, clock: Clock) -> None:
        self._sessions, self._tokens, self._gateways = sessions, tokens, gateways
        # A signature that was right stays right; the end of its life is looked at each time, the session elsewhere.
        self._verified: LRUCache[str, Claims] = LRUCache(10_000)
        self._institutions: TTLCache[str, str] = TTLCache(10_000, CACHE_SECONDS, timer=clock.monotonic)
        self._clock = clock

    async def authenticate(self, request: HTTPServerRequest) -> Principal:
        """The principal, or `ANONYMOUS` without a credential. Raises `Unauthenticated` for one that is not good (any more)."""
        header = request.headers.get("Authorization")
        if header is not None:
            return await self._bearer(header)
        return await self._cookies(request)

    async def _bearer(self, header: str) -> Principal:
        scheme, _, credential = header.partition(" ")
        if scheme.lower() != "bearer" or not credential.strip():
            raise InvalidToken
        credential = credential.strip()
        return await (self._token(credential) if credential.count(".") == 2 else self._gateway(credential))

    async def _token(self, token: str) -> Principal:
        claims = self._verified.get(token)
        if claims is None:
            claims = self._verified[token] = self._tokens.verify(token)
        if self._clock.now().timestamp() >= claims.expires:
            raise InvalidToken
        principal = await self._living(claims.session)
        if principal.subject != claims.subject:
            raise InvalidToken
        return principal

    async def _gateway(self, secret: str) -> Principal:
        key = secret_id(secret)
        institution = self._institutions.get(key) or await self._gateways.institution_of(secret)
        if institution is None:
            raise InvalidToken
        self._institutions.setdefault(key, institution)
        return Principal(Kind.GATEWAY, f"gateway:{institution}", session=key[:26], institution=institution)

    async def _cookies(self, request: HTTPServerRequest) -> Principal:
        cookies = request.cookies
        for segment in request.path.split("/"):
            morsel = cookies.get(LINK_COOKIE + segment) if _EXAM.fullmatch(segment) else None
            if morsel is not None and _SECRET.fullmatch(morsel.value):
                session = await self._sessions.find(secret_id(morsel.value))
                if session is not None and session.opens(segment):
                    return await self._owner(request, session, segment) or session.principal
        morsel = cookies.get(SESSION_COOKIE)
        if morsel is None:
            return ANONYMOUS
        if not _SECRET.fullmatch(morsel.value):
            raise SessionEnded
        principal = await self._living(secret_id(morsel.value))
        if principal.kind is Kind.GUEST:
            # A guest's secret counts on the paths of what was shared, whatever name the cookie was given.
            raise SessionEnded
        return principal

    async def _owner(self, request: HTTPServerRequest, guest: Session, exam: str) -> Principal | None:
        """The signed-in patient whose own exam it is: trying one's own share must not narrow what one sees of it."""
        persons = {shared.person for shared in guest.shared if shared.exam == exam}
        morsel = request.cookies.get(SESSION_COOKIE)
        if not persons or morsel is None or not _SECRET.fullmatch(morsel.value):
            return None
        session = await self._sessions.find(secret_id(morsel.value))
        return session.principal if session is not None and persons <= session.persons else None

    async def _living(self, session_id: str) -> Principal:
        session = await self._sessions.find(session_id)
        if session is None:
            raise SessionEnded
        return session.principal
