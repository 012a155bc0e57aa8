"""Sessions: begun at the gate, looked up with every request, ended at once by whoever holds them.

A cookie's secret is kept as its SHA-256 only. Principals are cached for less than a second in each process: the hot path does not ask
the database for each tile, and a revoked session is out within a second everywhere.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from cachetools import TTLCache

from backend.access.model import ANONYMOUS, Action, Grade, Kind, Principal, Role, SharedExam
from backend.access.rules import actions_of
from backend.platform.clock import Clock
from backend.platform.errors import Forbidden
from backend.platform.ids import public_id, secret

from .model import Account, Session, Started
from .store import SessionStore
from .tokens import Tokens

CACHE_SECONDS = 0.8
_CACHED = 100_000
_SEEN_EVERY = timedelta(minutes=2)
_LINK_MINUTES = 60


def secret_id(value: str) -> str:
    """The session id of a cookie's secret."""
    return hashlib.sha256(value.encode()).hexdigest()


class Sessions:
    """Begins, finds and ends sessions."""

    def __init__(
        self, store: SessionStore, tokens: Tokens, clock: Clock, *, patient_minutes: int = 120, staff_minutes: int = 600
    ) -> None:
        self._store, self._tokens, self._clock = store, tokens, clock
        self._patient, self._staff = timedelta(minutes=patient_minutes), timedelta(minutes=staff_minutes)
        self._cache: TTLCache[str, Session | None] = TTLCache(_CACHED, CACHE_SECONDS, timer=clock.monotonic)
        self._loading: dict[str, asyncio.Task[Session | None]] = {}

    async def start_patient(self, subject: str, *, device: str = "", persons: frozenset[str] = frozenset()) -> Started:
        """A browser session of somebody whose phone number was verified; `persons` are those proved so far."""
        value = secret()
        session = replace(self._new(Kind.PATIENT, subject, secret_id(value), self._patient, device), persons=persons)
        await self._store.add(session)
        return Started(value, session)

    async def start_staff(self, account: Account, *, device: str = "") -> Started:
        """A bearer token for a member of staff."""
        session = replace(
            self._new(Kind.STAFF, account.name, public_id(), self._staff, device),
            institution=account.institution,
            roles=account.roles,
            grade=_grade(account.roles),
        )
        await self._store.add(session)
        return Started(self._tokens.sign(account.name, session.id, session.expires), session)

    async def start_link(
        self, exam: str, maker: Principal, grade: Grade, *, institution: str = "", device: str = ""
    ) -> Started:
        """A browser session of whoever opened a viewer link: one exam, at most the maker's grade.

        `institution` is the exam's, for the audit trail. The session ends with `end_all` of its maker.
        """
        if grade is Grade.DIAGNOSTIC and maker.grade is not Grade.DIAGNOSTIC:
            raise Forbidden
        value = secret()
        session = replace(
            self._new(Kind.LINK, exam, secret_id(value), timedelta(minutes=_LINK_MINUTES), device),
            exam=exam,
            institution=institution or maker.institution,
            grade=grade,
            maker=maker.subject,
        )
        await self._store.add(session)
        return Started(value, session)

    async def start_guest(
        self,
        subject: str,
        share: str,
        expires: datetime,
        *,
        shared: tuple[SharedExam, ...] = (),
        watermark: str = "",
        device: str = "",
    ) -> Started:
        """A browser session of a share's guest, who sees `shared` and nothing else; empty while the gate is not passed.

        It ends at `expires` at the latest, and at once with `end_all` of the share's id.
        """
        value = secret()
        begun = self._new(Kind.GUEST, subject, secret_id(value), expires - self._clock.now(), device)
        session = replace(begun, maker=share, shared=shared, watermark=watermark)
        await self._store.add(session)
        return Started(value, session)

    def _new(self, kind: Kind, subject: str, session_id: str, life: timedelta, device: str) -> Session:
        now = self._clock.now()
        return Session(
            id=session_id,
            kind=kind,
            subject=subject,
            institution="",
            roles=frozenset(),
            persons=frozenset(),
            exam="",
            grade=Grade.BROWSE,
            maker="",
            device=device[:200],
            created=now,
            seen=now,
            expires=now + life,
        )

    async def find(self, session_id: str) -> Session | None:
        """The session if it lives: known, neither revoked nor expired. At most 0.8 s old."""
        try:
            session = self._cache[session_id]
        except KeyError:
            session = await self._load(session_id)
        return session if session is not None and self._clock.now() < session.expires else None

    async def alive(self, session_id: str) -> bool:
        """Whether the session lives; for sockets, which ask while they are open."""
        return await self.find(session_id) is not None

    async def living(self, session_ids: Collection[str]) -> set[str]:
        """Those of the sessions that live, asked for at once and never from the cache."""
        return await self._store.living(session_ids, self._clock.now())

    async def _load(self, session_id: str) -> Session | None:
        """One question to the database, however many requests wait for its answer."""
        task = self._loading.get(session_id)
        if task is None:
            task = asyncio.create_task(self._read(session_id))
            self._loading[session_id] = task
            task.add_done_callback(lambda _: self._loading.pop(session_id, None))
        return await asyncio.shield(task)

    async def _read(self, session_id: str) -> Session | None:
        asked = self._clock.monotonic()
        session = await self._store.read(session_id)
        if session is not None and session.revoked:
            session = None
        # An answer that was long on its way may be older than the cache allows.
        if self._clock.monotonic() - asked < CACHE_SECONDS / 8:
            self._cache[session_id] = session
        if session is not None and self._clock.now() - session.seen > _SEEN_EVERY:
            await self._store.touch(session_id, self._clock.now())
        return session

    async def prove(self, session_id: str, persons: frozenset[str]) -> None:
        """Adds proved persons to a session."""
        await self._store.set_persons(session_id, persons)
        self._cache.pop(session_id, None)

    async def revoke(self, session_id: str) -> None:
        """Ends a session, here at once and everywhere within a second."""
        await self._store.revoke(session_id)
        self._cache.pop(session_id, None)

    async def end_all(self, subject: str) -> None:
        """Ends all sessions of a subject and the links it made."""
        await self._store.revoke_all(subject)
        self._cache.clear()

    async def list_of(self, subject: str) -> list[Session]:
        """The subject's living sessions, newest first."""
        now: datetime = self._clock.now()
        return [s for s in await self._store.of_subject(subject) if not s.revoked and now < s.expires]


def _grade(roles: frozenset[Role]) -> Grade:
    may = actions_of(replace(ANONYMOUS, kind=Kind.STAFF, roles=roles))
    return Grade.DIAGNOSTIC if Action.EXAM_ORIGINAL in may else Grade.BROWSE
