"""What a list of exams and an exam's page show."""

from __future__ import annotations

from dataclasses import dataclass

from backend.archive.model import Exam, Series
from backend.reports.model import ReportState


@dataclass(frozen=True, slots=True)
class ExamSummary:
    """One line of a list."""

    exam: Exam
    institution: str
    """Name of the institution."""
    report: ReportState | None
    own: bool
    """Whether the reader sees the own record: then names are whole, else masked."""

    @property
    def patient(self) -> str:
        """The name, whole on the owner's own page, else its first character and a star."""
        name = self.exam.patient.name.shown
        return name if self.own else masked(name)


@dataclass(frozen=True, slots=True)
class ExamList:
    """A page of a list, newest first."""

    items: tuple[ExamSummary, ...]
    next: str | None
    """Place of the next page; None on the last."""


@dataclass(frozen=True, slots=True)
class ExamDetail:
    """An exam with its series, by Series Number."""

    summary: ExamSummary
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class InstitutionName:
    """An institution as a filter offers it."""

    code: str
    name: str


def masked(name: str) -> str:
    """A name for others than its owner: `张*`."""
    return f"{name[0]}*" if name else ""
