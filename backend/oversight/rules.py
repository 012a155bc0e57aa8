"""Reading the trail: an administrator's search, and a patient's look at who opened an own exam."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

from backend.access.model import Action, Decision, Kind, Principal, Scenario
from backend.access.rules import scope_of
from backend.archive.model import Exam
from backend.audit.model import Entry, Link, TrailQuery
from backend.audit.rules import Guard
from backend.platform.clock import SHANGHAI, Clock
from backend.platform.errors import Forbidden, Invalid, NotFound
from backend.sharing.traces import masked_address

from .model import Found, Search, Viewer, Visit, Visits

InstitutionName = Callable[[str], Awaitable[str]]
"""The name that people know an institution by, from its code."""

OPENINGS = {
    Action.EXAM_VIEW: "查看影像",
    Action.REPORT_READ: "查看报告",
    Action.EXAM_ORIGINAL: "调取原始影像",
}
"""What counts as opening an exam."""
_ONE_VISIT = timedelta(minutes=30)
_USUAL_DAYS = 30
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_VIEWERS = {Kind.PATIENT: Viewer.SELF, Kind.STAFF: Viewer.STAFF, Kind.LINK: Viewer.LINK, Kind.GUEST: Viewer.SHARE}
_TITLES = {
    Viewer.SELF: "本人",
    Viewer.STAFF: "医务人员",
    Viewer.LINK: "查看链接",
    Viewer.SHARE: "您分享的人",
    Viewer.OTHER: "其他",
}
_STAFF_TITLES = {Scenario.OWN_HOSPITAL: "医生", Scenario.PROVINCE: "省平台管理员"}


class TrailReader(Protocol):
    """What the audit trail offers."""

    async def page(self, query: TrailQuery, limit: int, after: str | None) -> tuple[Sequence[Link], str | None]:
        """Up to `limit` links, newest first, and the place of the next page. Raises Invalid for an `after` that is none."""
        ...


class ExamReader(Protocol):
    """What the archive offers."""

    async def exam_by_public_id(self, exam: str) -> Exam | None:
        """The exam with this public id."""
        ...


class TrailSearch:
    """What administrators find: all of the province, or what concerns the own institution."""

    def __init__(self, trail: TrailReader, guard: Guard, clock: Clock) -> None:
        self._trail, self._guard, self._clock = trail, guard, clock

    async def find(self, principal: Principal, wanted: Search, limit: int, after: str | None = None) -> Found:
        """A page of entries. Raises Forbidden where another institution is asked for than the own, Invalid for a period that ends before
        it begins.
        """
        await self._guard.require_action(principal, Action.AUDIT_READ, institution=wanted.institution)
        scope = scope_of(principal, Action.AUDIT_READ)
        institution = wanted.institution if scope.everything else scope.institution or ""
        if not scope.everything and (not institution or wanted.institution not in ("", institution)):
            raise Forbidden("只能查询本机构的审计记录。")
        since, until = self._period(wanted)
        query = TrailQuery(wanted.exam, wanted.subject, institution, since, until)
        links, following = await self._trail.page(query, limit, after)
        return Found(tuple(links), following)

    def _period(self, wanted: Search) -> tuple[datetime, datetime]:
        """From the first day's beginning to the last day's end. What is about no single thing begins a month back, unless said otherwise."""
        last = wanted.until or self._clock.now().astimezone(SHANGHAI).date()
        until = _midnight(last + timedelta(days=1))
        if wanted.since is not None:
            since = _midnight(wanted.since)
        else:
            since = _BEGINNING if wanted.exam or wanted.subject else until - timedelta(days=_USUAL_DAYS)
        if since >= until:
            raise Invalid("开始日期不能晚于结束日期。", code="invalid-field", field="from")
        return since, until


class ExamOpenings:
    """Who opened an exam, for the person whose exam it is."""

    def __init__(
        self, trail: TrailReader, exams: ExamReader, name_of: InstitutionName, guard: Guard, clock: Clock
    ) -> None:
        self._trail, self._exams, self._name_of = trail, exams, name_of
        self._guard, self._clock = guard, clock

    async def find(self, principal: Principal, exam: str, limit: int, after: str | None = None) -> Visits:
        """A page of visits. Raises NotFound for an exam that is not there or not the principal's own, alike."""
        found = await self._exams.exam_by_public_id(exam)
        if found is None:
            await self._guard.note(principal, Action.AUDIT_OWN, exam, Decision(False, reason="unknown exam"))
            raise NotFound
        await self._guard.require(principal, Action.AUDIT_OWN, found.ref)
        query = TrailQuery(
            exam,
            since=_BEGINNING,
            until=self._clock.now() + timedelta(minutes=1),
            actions=frozenset(OPENINGS),
            allowed=True,
        )
        links, following = await self._trail.page(query, limit, after)
        name = await self._name_of(found.institution)
        return Visits(visits((link.entry for link in links), name), following)


def visits(entries: Iterable[Entry], institution: str) -> tuple[Visit, ...]:
    """Entries, newest first, as visits: what one viewer opened from one place within half an hour is one. Newest first."""
    groups: list[list[Entry]] = []
    latest: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        key = (entry.kind, entry.subject, entry.scenario, masked_address(entry.origin.address))
        group = latest.get(key)
        if group is None or group[-1].time - entry.time > _ONE_VISIT:
            group = latest[key] = []
            groups.append(group)
        group.append(entry)
    return tuple(sorted((_visit(group, institution) for group in groups), key=lambda visit: visit.time, reverse=True))


def _visit(group: Sequence[Entry], institution: str) -> Visit:
    first = group[-1]
    viewer = _VIEWERS.get(Kind(first.kind), Viewer.OTHER)
    own_staff = viewer is Viewer.STAFF and first.scenario == Scenario.OWN_HOSPITAL
    title = _STAFF_TITLES.get(Scenario(first.scenario), _TITLES[viewer]) if viewer is Viewer.STAFF else _TITLES[viewer]
    return Visit(
        time=first.time,
        viewer=viewer,
        title=title,
        institution=institution if own_staff else "",
        what=tuple(dict.fromkeys(OPENINGS[Action(entry.action)] for entry in reversed(group))),
        address=masked_address(first.origin.address),
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), SHANGHAI).astimezone(UTC)
