"""Which exam a request is about, whether the caller may, and what was asked for within it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cachetools import TTLCache

from backend.access.model import Action, Principal
from backend.access.rules import decide
from backend.archive.model import Exam, ExamPage, ExamQuery, Instance, Series
from backend.platform.clock import Clock
from backend.platform.errors import NotFound

_RECORDED_SECONDS = 60.0
_FRESH_SECONDS = 1.0
_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Target:
    """The resource of a path; empty where the path ends above."""

    study: str
    series: str = ""
    instance: str = ""


class Archive(Protocol):
    """What is asked of the archive."""

    async def resolve(self, principal: Principal, action: Action, study_instance_uid: str) -> Exam:
        """The exam, if the principal may; recorded. Raises `NotFound`."""
        ...

    async def search(
        self, principal: Principal, query: ExamQuery, limit: int, *, offset: int = 0, after: str | None = None
    ) -> ExamPage:
        """Exams that the principal may find, newest first; recorded."""
        ...

    async def lead_header(self, series: Series) -> dict[str, Any]:
        """The header of the first instance of a series; empty if there is none."""
        ...

    async def series_of(self, exam: Exam) -> Sequence[Series]:
        """The exam's series, in order."""
        ...

    async def instances_of(self, exam: Exam, series: str = "") -> Sequence[Instance]:
        """The instances of the exam, or of one series by UID, in order."""
        ...

    async def instance(self, exam: Exam, sop_instance_uid: str) -> Instance:
        """One instance. Raises `NotFound`."""
        ...

    async def headers(self, instances: Sequence[Instance], *, personal: bool) -> Sequence[dict[str, Any]]:
        """Their headers in the DICOM JSON model, with the attributes that identify persons only if `personal`."""
        ...


class Openings:
    """Exams as somebody opens them.

    The decision is taken anew on every request, by the caller's present right; it is written into the audit trail once a minute
    for each session, exam and action, not for every frame. The exam itself is read again after a second.
    """

    def __init__(self, archive: Archive, clock: Clock) -> None:
        self._archive = archive
        self._recorded: TTLCache[tuple[str, ...], bool] = TTLCache(_KEPT, _RECORDED_SECONDS, timer=clock.monotonic)
        self._exams: TTLCache[tuple[str, ...], Exam] = TTLCache(_KEPT, _FRESH_SECONDS, timer=clock.monotonic)
        self._instances: TTLCache[tuple[str, str], Instance] = TTLCache(_KEPT, _FRESH_SECONDS, timer=clock.monotonic)

    async def exam(self, principal: Principal, action: Action, study: str) -> Exam:
        """The exam. Raises `NotFound` if there is none that the principal may treat so."""
        key = (principal.kind, principal.subject, principal.session, principal.institution, action, study)
        known = self._exams.get(key)
        if known is not None and key in self._recorded and decide(principal, action, known.ref).allowed:
            return known
        exam = await self._archive.resolve(principal, action, study)
        self._exams[key] = exam
        self._recorded[key] = True
        return exam

    async def instance(self, exam: Exam, target: Target) -> Instance:
        """The instance of the path. Raises `NotFound`, also where it belongs to another series."""
        key = (exam.key, target.instance)
        found = self._instances.get(key)
        if found is None:
            found = await self._archive.instance(exam, target.instance)
            self._instances[key] = found
        if found.exam_key != exam.key or found.series_key != f"{exam.institution}/{target.series}":
            raise NotFound
        return found

    async def instances(self, exam: Exam, target: Target) -> Sequence[Instance]:
        """All instances of the path's study, series, or the one. Raises `NotFound` if there are none."""
        if target.instance:
            return [await self.instance(exam, target)]
        found = await self._archive.instances_of(exam, target.series)
        if not found:
            raise NotFound
        return found
