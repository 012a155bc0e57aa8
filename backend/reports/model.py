"""A report of an exam."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ReportState(StrEnum):
    """How far a report is."""

    PRELIMINARY = "preliminary"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class ReportText:
    """What a radiologist or a hospital's information system says."""

    findings: str
    impression: str
    doctor: str
    state: ReportState
    reported: datetime
    """When the doctor signed it."""


@dataclass(frozen=True, slots=True)
class Report:
    """One version of an exam's report."""

    exam: str
    """Public id of the exam."""
    version: int
    """Counts from 1."""
    text: ReportText
    written_by: str
    written: datetime
