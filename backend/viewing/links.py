"""Single-use links to the viewer: for systems that hold the right and hand it to a browser (RIS, HIS, mini-program)."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Protocol

from backend.access.model import ANONYMOUS, Action, Decision, Grade, Kind, Principal
from backend.audit.rules import Guard
from backend.identity.model import Session, Started
from backend.platform.clock import Clock
from backend.platform.errors import Gone
from backend.platform.ids import secret
from backend.viewing.model import Link
from backend.viewing.rules import Viewing, grade_of
from backend.viewing.store import LinkStore

LIFE = timedelta(seconds=60)


class LinkUsed(Gone):
    """The link was used, has expired, or never was."""

    code = "link-used"
    default_text = "该链接已使用或已过期（每个链接只能打开一次，有效期 60 秒）。请返回原系统重新打开影像。"


class LinkSessions(Protocol):
    """What links ask of identity."""

    async def find(self, session_id: str) -> Session | None:
        """The session if it lives."""
        ...

    async def start_link(
        self, exam: str, maker: Principal, grade: Grade, *, institution: str = "", device: str = ""
    ) -> Started:
        """A browser session for one exam."""
        ...


class Links:
    """Makes and opens links."""

    def __init__(self, store: LinkStore, viewing: Viewing, sessions: LinkSessions, guard: Guard, clock: Clock) -> None:
        self._store, self._viewing, self._sessions = store, viewing, sessions
        self._guard, self._clock = guard, clock

    async def make(self, principal: Principal, study_instance_uid: str) -> str:
        """The secret of a new link to the exam with this Study Instance UID. Raises NotFound for one that the maker may not see."""
        exam = await self._viewing.find(principal, study_instance_uid)
        value, now = secret(), self._clock.now()
        link = Link(
            digest=_digest(value),
            exam=exam.exam,
            institution=exam.institution,
            maker=principal.subject,
            maker_session=principal.session,
            maker_institution=principal.institution,
            grade=grade_of(principal),
            made=now,
            expires=now + LIFE,
        )
        await self._store.add(link)
        return value

    async def open(self, value: str, device: str) -> Started:
        """A session for whoever shows the secret first, in time and while its maker's session lives. Raises `LinkUsed`."""
        link = await self._store.take(_digest(value))
        if link is None or self._clock.now() >= link.expires or await self._sessions.find(link.maker_session) is None:
            await self._guard.note(
                ANONYMOUS, Action.EXAM_VIEW, link.exam if link else "", Decision(False, reason="link")
            )
            raise LinkUsed
        maker = Principal(
            Kind.STAFF, link.maker, link.maker_session, institution=link.maker_institution, grade=link.grade
        )
        return await self._sessions.start_link(
            link.exam, maker, link.grade, institution=link.institution, device=device
        )


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
