"""What a share shows, read from the archive under the policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from backend.access.model import Action, Principal, SharedExam
from backend.access.rules import decide
from backend.archive.model import Exam, Series

from .model import SharedView

InstitutionName = Callable[[str], Awaitable[str]]
"""The name that people know an institution by, from its code."""


class ExamArchive(Protocol):
    """What sharing asks of the archive."""

    async def exam_by_public_id(self, exam: str) -> Exam | None:
        """The exam with this public id."""
        ...

    async def series_of(self, exam_key: str) -> list[Series]:
        """The series of an exam, by Series Number."""
        ...


class SharedViews:
    """Describes the exams of shares."""

    def __init__(self, archive: ExamArchive, institution_name: InstitutionName) -> None:
        self._archive, self._institution_name = archive, institution_name

    async def exam(self, exam: str) -> Exam | None:
        """The exam with this public id."""
        return await self._archive.exam_by_public_id(exam)

    async def series_uids(self, exam: Exam) -> frozenset[str]:
        """Series Instance UIDs of an exam."""
        return frozenset(one.series_instance_uid for one in await self._archive.series_of(exam.key))

    async def view(self, viewer: Principal, action: Action, shared: SharedExam) -> SharedView | None:
        """The exam as a share shows it; None where `action` on it is not the viewer's right (any more)."""
        exam = await self.exam(shared.exam)
        if exam is None or not decide(viewer, action, exam.ref).allowed:
            return None
        series = [one for one in await self._archive.series_of(exam.key) if _shared(shared, one)]
        name = exam.patient.name.shown
        return SharedView(
            shared=shared,
            title=exam.description,
            modalities=tuple(dict.fromkeys(one.modality for one in series)) or exam.modalities,
            body_part=exam.body_part,
            date=exam.study_date.isoformat() if exam.study_date else "",
            institution=await self._institution_name(exam.institution),
            patient=f"{name[0]}*" if name else "",
            series_count=len(series),
            instance_count=sum(one.instance_count for one in series),
        )


def _shared(shared: SharedExam, series: Series) -> bool:
    return not shared.series or series.series_instance_uid in shared.series
