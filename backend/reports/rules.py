"""Who may read and write a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from backend.access.model import Action, Decision, ExamRef, Principal
from backend.archive.model import Exam
from backend.audit.rules import Guard
from backend.platform.clock import Clock
from backend.platform.errors import Conflict, NotFound

from .model import Report, ReportState, ReportText
from .store import ReportStore


class NoReport(NotFound):
    """The exam has no report yet."""

    code = "no-report"
    default_text = "该检查暂无报告。报告由就诊医院出具，请稍后再来查看。"


class ExamFinder(Protocol):
    """Finds exams."""

    async def exam_by_public_id(self, exam: str) -> Exam | None:
        """The exam with this public id."""
        ...


class Reports:
    """Reads and writes reports under the policy; every access is recorded."""

    def __init__(self, store: ReportStore, exams: ExamFinder, guard: Guard, clock: Clock) -> None:
        self._store, self._exams, self._guard, self._clock = store, exams, guard, clock

    async def read(self, principal: Principal, exam: str) -> Report:
        """The newest version. Raises `NotFound` for an exam that is not the principal's to see, and `NoReport`."""
        await self._require(principal, Action.REPORT_READ, exam)
        report = await self._store.newest(exam)
        if report is None:
            raise NoReport
        return report

    async def write(self, principal: Principal, exam: str, text: ReportText) -> Report:
        """Adds a version; one that says the same as the newest adds nothing. A final report becomes no preliminary one again."""
        await self._require(principal, Action.REPORT_WRITE, exam)
        for _ in range(5):
            newest = await self._store.newest(exam)
            if newest is not None and newest.text == text:
                return newest
            if newest is not None and newest.text.state is ReportState.FINAL and text.state is not ReportState.FINAL:
                raise Conflict(
                    "该检查已有正式报告，不能改为初步报告。如需更正，请提交新的正式报告。", code="report-final"
                )
            version = newest.version + 1 if newest else 1
            report = Report(exam, version, text, principal.subject, self._clock.now())
            if await self._store.add(report):
                return report
        raise Conflict

    async def states(self, exams: Sequence[str]) -> dict[str, ReportState]:
        """Report states of exams that the caller was found to be allowed to list."""
        return await self._store.states(exams)

    async def _require(self, principal: Principal, action: Action, exam: str) -> ExamRef:
        found = await self._exams.exam_by_public_id(exam)
        if found is None:
            await self._guard.note(principal, action, exam, Decision(False, reason="unknown exam"))
            raise NotFound
        await self._guard.require(principal, action, found.ref)
        return found.ref
