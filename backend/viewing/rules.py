"""Who may see which exam, what the manifest says of it, and what the first picture is."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Protocol

from cachetools import TTLCache

from backend.access.model import Action, ExamRef, Grade, Principal
from backend.access.rules import actions_of, decide
from backend.archive.model import Exam, Series
from backend.audit.rules import Guard
from backend.platform.clock import Clock
from backend.platform.errors import NotFound, YunyingError
from backend.viewing.model import Format, Picture, Size
from backend.viewing.pictures import NATIVE, Pictures
from backend.viewing.series import FrameRef, SeriesView
from backend.viewing.tickets import Tickets
from backend.viewing.views import SeriesViews, Summary, lead_view
from render import fit

DECISION_SECONDS = 1.0
"""For so long a decision on one session and exam is not taken again."""
RECORD_SECONDS = 600.0
"""For so long an opening covers what is seen of the exam in the same session: one record, not one a tile."""
FIRST_BYTES_SMALL, FIRST_BYTES_LARGE = 26_000, 60_000
"""What the first picture may cost inside the page, bytes of JPEG: for pictures up to 600 pixels square, and for larger ones."""
_SMALL_PIXELS = 360_000
FIRST_FIT: Size = (1080, 1080)
_FIRST_QUALITIES = (80, 70, 60, 50, 40)


class ExamArchive(Protocol):
    """What viewing asks of the archive."""

    async def exam_by_public_id(self, exam: str) -> Exam | None:
        """The exam with this public id."""
        ...

    async def exams_by_uid(self, study_instance_uid: str) -> list[Exam]:
        """The exams of all institutions that have this Study Instance UID."""
        ...

    async def series_of(self, exam_key: str) -> list[Series]:
        """The series of an exam, by Series Number."""
        ...


InstitutionName = Callable[[str], Awaitable[str]]
"""The name that people know an institution by, from its code."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An exam that was decided upon, ready to be shown."""

    exam: Exam
    grade: Grade
    institution_name: str
    series: tuple[Summary, ...]

    def summary(self, number: int) -> Summary:
        """Series `number` of the manifest. Raises NotFound beyond it, or for one without pictures."""
        if not 0 <= number < len(self.series) or self.series[number].lead is None:
            raise NotFound("该检查中没有这个图像序列，请刷新页面。")
        return self.series[number]


class Viewing:
    """The use cases of looking at an exam."""

    def __init__(
        self,
        archive: ExamArchive,
        guard: Guard,
        views: SeriesViews,
        pictures: Pictures,
        tickets: Tickets,
        institution_name: InstitutionName,
        clock: Clock,
    ) -> None:
        self._archive, self._guard, self._views, self.pictures = archive, guard, views, pictures
        self._tickets, self._institution_name = tickets, institution_name
        self._opened: TTLCache[tuple[str, str, str], Opened] = TTLCache(10_000, DECISION_SECONDS, clock.monotonic)
        self._recorded: TTLCache[tuple[str, str, str], ExamRef] = TTLCache(100_000, RECORD_SECONDS, clock.monotonic)

    async def open(self, principal: Principal, exam_id: str) -> Opened:
        """The exam, if the principal may see it.

        Raises NotFound for an exam that is not there and for one that is not for these eyes.
        """
        key = (principal.session, principal.subject, exam_id)
        kept = self._opened.get(key)
        if kept is not None:
            return kept
        exam = await self._archive.exam_by_public_id(exam_id)
        if exam is None:
            # Asking for what is not there is decided and recorded like asking for what is foreign, and answered alike.
            await self._guard.require(principal, Action.EXAM_VIEW, ExamRef(exam_id, "", ""))
            raise NotFound
        opening = asyncio.ensure_future(self.summaries(exam))
        try:
            await self._decide(principal, exam, key)
            name, series = await self._institution_name(exam.institution), visible(principal, exam, await opening)
            opened = Opened(exam, grade_of(principal), name, series)
        finally:
            opening.cancel()
        self._opened[key] = opened
        return opened

    async def _decide(self, principal: Principal, exam: Exam, key: tuple[str, str, str]) -> None:
        """Every opening leaves a record; within one, the policy is asked again, and a denial is recorded."""
        known = self._recorded.get(key) == exam.ref
        if known and decide(principal, Action.EXAM_VIEW, exam.ref).allowed:
            return
        await self._guard.require(principal, Action.EXAM_VIEW, exam.ref)
        self._recorded[key] = exam.ref

    async def summaries(self, exam: Exam) -> tuple[Summary, ...]:
        """The series of an exam as they are now."""
        series = await self._archive.series_of(exam.key)
        return tuple(await asyncio.gather(*(self._views.summary(one) for one in series)))

    async def find(self, principal: Principal, study_instance_uid: str) -> Exam:
        """The exam with this Study Instance UID that the principal may see. Raises NotFound."""
        exams = await self._archive.exams_by_uid(study_instance_uid)
        allowed = [exam for exam in exams if decide(principal, Action.EXAM_VIEW, exam.ref).allowed]
        if not exams:
            await self._guard.require(principal, Action.LINK_CREATE, ExamRef("", "", "", study_instance_uid))
            raise NotFound
        exam = (allowed or exams)[0]
        await self._guard.require(principal, Action.LINK_CREATE, exam.ref)
        return exam

    async def series(self, opened: Opened, number: int) -> SeriesView:
        """All frames of a series, in display order."""
        return await self._views.view(opened.summary(number))

    async def view(self, summary: Summary) -> SeriesView:
        """All frames of a series that was opened before."""
        return await self._views.view(summary)

    async def thumbnail(self, opened: Opened, number: int) -> Picture:
        """The small picture of a series."""
        summary = opened.summary(number)
        assert summary.lead is not None
        view = lead_view(summary) if summary.series.index else await self._views.view(summary)
        return await self.pictures.thumbnail(view, summary.lead)

    def manifest(self, opened: Opened, principal: Principal) -> dict[str, Any]:
        """The manifest of docs/streaming.md, with a fresh ticket."""
        exam = opened.exam
        return {
            "exam": exam.exam,
            "grade": opened.grade.value,
            "ticket": self._tickets.issue(principal, exam.exam, opened.grade),
            "title": {
                "patient": masked(exam.patient.name.shown),
                "sex": exam.patient.sex,
                "age": age(exam.patient.birth_date, exam.study_date),
                "modality": "/".join(exam.modalities),
                "description": exam.description,
                "date": exam.study_date.isoformat() if exam.study_date else "",
                "institution": opened.institution_name,
            },
            "series": [{"i": i, **summary.entry} for i, summary in enumerate(opened.series)],
            **({"watermark": principal.watermark} if principal.watermark else {}),
        }

    async def first(self, opened: Opened) -> dict[str, Any] | None:
        """The `first` element of the page: the first series' lead frame; None where nothing can be shown."""
        number = first_series(opened.series)
        if number is None:
            return None
        summary = opened.series[number]
        view = lead_view(summary) if summary.series.index else await self._views.view(summary)
        assert summary.lead is not None
        try:
            picture = await self._first_picture(view, summary.lead)
        except YunyingError:
            return None
        return {
            "series": number,
            "frame": summary.entry["default_frame"],
            "win": picture.window,
            "auto": True,
            "size": picture.size,
            "full": summary.lead.size,
            "fmt": picture.format.value,
            "lossless": False,
            "data": base64.b64encode(picture.data).decode(),
        }

    async def _first_picture(self, view: SeriesView, ref: FrameRef) -> Picture:
        """The best quality that keeps within the page's bytes."""
        size = ref.size if max(ref.size) <= NATIVE else fit(ref.rows, ref.columns, FIRST_FIT)
        limit = FIRST_BYTES_SMALL if size[0] * size[1] <= _SMALL_PIXELS else FIRST_BYTES_LARGE
        for quality in _FIRST_QUALITIES:
            picture = await self.pictures.frame(view, ref, size=size, fmt=Format.JPEG, quality=quality)
            if len(picture.data) <= limit:
                break
        return picture


def visible(principal: Principal, exam: Exam, series: Sequence[Summary]) -> tuple[Summary, ...]:
    """Those of the exam's series that the principal may see: all of them, but for the guest of a share of some."""
    return tuple(
        one
        for one in series
        if decide(principal, Action.EXAM_VIEW, replace(exam.ref, series=one.series.series_instance_uid)).allowed
    )


def grade_of(principal: Principal) -> Grade:
    """Diagnostic only for whoever may have original data; a link carries its maker's grade."""
    if principal.grade is Grade.DIAGNOSTIC and (principal.exam or Action.EXAM_ORIGINAL in actions_of(principal)):
        return Grade.DIAGNOSTIC
    return Grade.BROWSE


def first_series(series: Sequence[Summary]) -> int | None:
    """The series to begin with: the first with more than a scout's few frames, else the first that can be shown."""
    shown = [(n, one.entry) for n, one in enumerate(series) if one.lead is not None and one.entry["showable"] is True]
    long = [n for n, entry in shown if entry["frames"] >= 5]
    return long[0] if long else shown[0][0] if shown else None


def masked(name: str) -> str:
    """A name as the page may show it: the first character and a star."""
    return f"{name[0]}*" if name else ""


def age(born: date | None, examined: date | None) -> str:
    """Age at the examination as a DICOM age string (PS3.5 6.2): years, below two years months, below two months days."""
    if born is None or examined is None or examined < born:
        return ""
    months = (examined.year - born.year) * 12 + examined.month - born.month - (examined.day < born.day)
    if months < 2:
        return f"{(examined - born).days:03d}D"
    return f"{months:03d}M" if months < 24 else f"{months // 12:03d}Y"
