"""Lists of exams and one exam, for whoever may see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from backend.access.model import Action, Decision, Kind, Principal, Scope
from backend.access.rules import decide, scope_of
from backend.archive.model import Exam, ExamPage, ExamQuery, Series
from backend.audit.rules import Guard
from backend.organisation.model import Institution
from backend.platform.clock import Clock
from backend.platform.errors import NotFound
from backend.reports.model import ReportState
from backend.reports.rules import Reports

from .model import ExamDetail, ExamList, ExamSummary, InstitutionName

_NAMES_SECONDS = 10.0
_OWN_EXAMS = 1000
"""Exams of one person that are looked through for the hospitals that they are of."""


class ExamReader(Protocol):
    """What the archive offers."""

    async def exam_by_public_id(self, exam: str) -> Exam | None:
        """The exam with this public id."""
        ...

    async def search_exams(
        self, scope: Scope, query: ExamQuery, limit: int, *, offset: int = 0, after: str | None = None
    ) -> ExamPage:
        """Exams within the scope, newest first. Raises Invalid for an `after` that is no page's `next`."""
        ...

    async def series_of(self, exam_key: str) -> list[Series]:
        """The series of an exam, by Series Number."""
        ...


class InstitutionList(Protocol):
    """What organisation offers."""

    async def all(self) -> list[Institution]:
        """All institutions, by code."""
        ...


class InstitutionNames:
    """Names of institutions, read at most once in ten seconds: they change a few times a year."""

    def __init__(self, institutions: InstitutionList, clock: Clock) -> None:
        self._institutions, self._clock = institutions, clock
        self._names: dict[str, str] = {}
        self._until = 0.0

    async def read(self) -> dict[str, str]:
        """Institution code -> name."""
        if self._clock.monotonic() >= self._until:
            self._names = {institution.code: institution.name for institution in await self._institutions.all()}
            self._until = self._clock.monotonic() + _NAMES_SECONDS
        return self._names


class Exams:
    """Reads under the policy; every access is recorded."""

    def __init__(self, exams: ExamReader, reports: Reports, institutions: InstitutionNames, guard: Guard) -> None:
        self._exams, self._reports, self._institutions, self._guard = exams, reports, institutions, guard

    async def find(self, principal: Principal, query: ExamQuery, limit: int, after: str | None = None) -> ExamList:
        """Exams within the principal's scope, newest first."""
        await self._guard.require_action(principal, Action.EXAM_SEARCH)
        page = await self._exams.search_exams(scope_of(principal, Action.EXAM_SEARCH), query, limit, after=after)
        states = await self._reports.states([exam.exam for exam in page.items])
        names = await self._institutions.read()
        items = tuple(self._summary(principal, exam, names, states) for exam in page.items)
        return ExamList(items, page.next)

    async def open(self, principal: Principal, exam: str) -> ExamDetail:
        """One exam. Raises `NotFound` for one that is not there and for one that is not the principal's to see, alike."""
        found = await self._exams.exam_by_public_id(exam)
        if found is None:
            await self._guard.note(principal, Action.EXAM_VIEW, exam, Decision(False, reason="unknown exam"))
            raise NotFound
        await self._guard.require(principal, Action.EXAM_VIEW, found.ref)
        states = await self._reports.states([exam])
        series = _visible(principal, found, await self._exams.series_of(found.key))
        if principal.kind is Kind.GUEST:
            # The numbers, too, are of what was shared.
            shown = sum(one.instance_count for one in series)
            found = replace(found, series_count=len(series), instance_count=shown)
        summary = self._summary(principal, found, await self._institutions.read(), states)
        return ExamDetail(summary, series)

    async def institutions(self, principal: Principal) -> list[InstitutionName]:
        """The institutions that the principal's exams can be filtered by, by name."""
        await self._guard.require_action(principal, Action.EXAM_SEARCH)
        scope, names = scope_of(principal, Action.EXAM_SEARCH), await self._institutions.read()
        if scope.everything:
            codes = set(names)
        elif scope.persons:
            page = await self._exams.search_exams(scope, ExamQuery(), _OWN_EXAMS)
            codes = {exam.institution for exam in page.items}
        else:
            codes = {scope.institution} if scope.institution else set()
        found = [InstitutionName(code, names.get(code, code)) for code in codes]
        return sorted(found, key=lambda institution: institution.name)

    @staticmethod
    def _summary(
        principal: Principal, exam: Exam, names: Mapping[str, str], states: Mapping[str, ReportState]
    ) -> ExamSummary:
        institution = names.get(exam.institution, exam.institution)
        state = states.get(exam.exam) if decide(principal, Action.REPORT_READ, exam.ref).allowed else None
        return ExamSummary(exam, institution, state, principal.kind is Kind.PATIENT)


def _visible(principal: Principal, exam: Exam, series: list[Series]) -> tuple[Series, ...]:
    """Those of the exam's series that the principal may see: a share may show some."""
    return tuple(
        one
        for one in series
        if decide(principal, Action.EXAM_VIEW, replace(exam.ref, series=one.series_instance_uid)).allowed
    )
