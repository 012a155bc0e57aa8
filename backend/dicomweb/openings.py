"""Which exam a request is about, whether the caller may, and what was asked for within it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cachetools import TTLCache

from backend.access.model import Action, Principal
from backend.access.rules import decide
from backend.archive.model import Exam, Instance, Series
from backend.archive.rules import Exams
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
    """What is read of the archive within an exam that was decided upon."""

    async def series_of(self, exam_key: str) -> list[Series]:
        """The series of an exam, by Series Number."""
        ...

    async def instances_of(self, series_key: str) -> list[Instance]:
        """The instances of a series, by Instance Number."""
        ...

    async def instances_of_exam(self, exam_key: str) -> list[Instance]:
        """The instances of an exam, by series and Instance Number."""
        ...

    async def instance(self, institution: str, sop_instance_uid: str) -> Instance | None:
        """One instance of an institution."""
        ...

    async def header(self, instance_key: str) -> dict[str, Any] | None:
        """The header of an instance in the DICOM JSON model, personal attributes opened."""
        ...

    async def lead_header(self, series_key: str) -> dict[str, Any]:
        """The header of a series' first instance; empty if there is none."""
        ...

    async def series_by_uid(self, series_instance_uid: str) -> list[Series]:
        """The series of all institutions that have this UID."""
        ...

    async def instances_by_uid(self, sop_instance_uid: str) -> list[Instance]:
        """The instances of all institutions that have this UID."""
        ...


class Openings:
    """Exams as somebody opens them.

    The decision is taken anew on every request, by the caller's present right; it is written into the audit trail once a minute
    for each session, exam and action, not for every frame. The exam itself is read again after a second.
    """

    def __init__(self, exams: Exams, archive: Archive, clock: Clock) -> None:
        self._guarded, self._archive = exams, archive
        self._recorded: TTLCache[tuple[str, ...], bool] = TTLCache(_KEPT, _RECORDED_SECONDS, timer=clock.monotonic)
        self._exams: TTLCache[tuple[str, ...], Exam] = TTLCache(_KEPT, _FRESH_SECONDS, timer=clock.monotonic)
        self._instances: TTLCache[tuple[str, str], Instance] = TTLCache(_KEPT, _FRESH_SECONDS, timer=clock.monotonic)

    async def exam(self, principal: Principal, action: Action, study: str) -> Exam:
        """The exam. Raises `NotFound` if there is none that the principal may treat so."""
        key = (principal.kind, principal.subject, principal.session, principal.institution, action, study)
        known = self._exams.get(key)
        if known is not None and key in self._recorded and decide(principal, action, known.ref).allowed:
            return known
        exam = await self._guarded.resolve(principal, study, action)
        self._exams[key] = exam
        self._recorded[key] = True
        return exam

    async def instance(self, exam: Exam, target: Target) -> Instance:
        """The instance of the path. Raises `NotFound`, also where it belongs to another series."""
        key = (exam.key, target.instance)
        found = self._instances.get(key)
        if found is None:
            found = await self._archive.instance(exam.institution, target.instance)
            if found is None:
                raise NotFound
            self._instances[key] = found
        if found.exam_key != exam.key or found.series_key != f"{exam.institution}/{target.series}":
            raise NotFound
        return found

    async def instances(self, exam: Exam, target: Target) -> Sequence[Instance]:
        """All instances of the path's study, series, or the one. Raises `NotFound` if there are none."""
        if target.instance:
            return [await self.instance(exam, target)]
        if target.series:
            listed = await self._archive.instances_of(f"{exam.institution}/{target.series}")
        else:
            listed = await self._archive.instances_of_exam(exam.key)
        found = [one for one in listed if one.exam_key == exam.key]
        if not found:
            raise NotFound
        return found
