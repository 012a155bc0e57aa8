"""Searches of QIDO-RS (PS3.18 10.6): the archive's indexes select exams, the rest is matched on what they hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from backend.access.model import Action, Principal
from backend.archive.model import Exam, ExamQuery, Instance, Series
from backend.archive.rules import Exams

from .attributes import level_of
from .matching import DataSet, fulfils
from .metadata import headers_of
from .model import Level, Match, Search
from .openings import Archive, Openings
from .results import instance_attributes, series_attributes, shown, study_attributes

_PAGE = 100
_BATCH = 32
_MOST_EXAMINED = 5000
"""Exams that one search looks at beyond its indexes, at most."""


@dataclass(slots=True)
class Found:
    """The rows of a search, and what the client should be warned of."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    """A search as the archive's own query, and the conditions that are left for the rows."""

    query: ExamQuery
    studies: tuple[str, ...]
    """Study Instance UIDs to look at one by one; empty if the query finds the exams."""
    study: tuple[Match, ...]
    series: tuple[Match, ...]
    instance: tuple[Match, ...]


class Searches:
    """Runs searches within what the caller may find."""

    def __init__(self, exams: Exams, openings: Openings, archive: Archive) -> None:
        self._exams, self._openings, self._archive = exams, openings, archive

    async def run(self, principal: Principal, search: Search, base: str) -> Found:
        """The rows `search.offset` to `search.offset + search.limit`, newest exam first, then by series and instance number.

        Raises `NotFound` for a study in the path that the principal may not find.
        """
        found = Found(warnings=list(search.warnings))
        plan = plan_of(search)
        if search.level is Level.STUDY and not plan.study and not plan.studies:
            await self._page(principal, search, plan, base, found)
            return found
        skip = search.offset
        async for known in self._rows(principal, search, plan, base, found):
            if skip:
                skip -= 1
            elif len(found.rows) == search.limit:
                found.warnings.append(_more(search))
                break
            else:
                found.rows.append(shown(known, search))
        return found

    async def _page(self, principal: Principal, search: Search, plan: Plan, base: str, found: Found) -> None:
        """A page of exams that the archive finds by itself."""
        page = await self._exams.search(principal, plan.query, search.limit, offset=search.offset)
        found.rows += [shown(study_attributes(exam, base), search) for exam in page.items]
        if page.next is not None:
            found.warnings.append(_more(search))

    async def _rows(
        self, principal: Principal, search: Search, plan: Plan, base: str, found: Found
    ) -> AsyncIterator[DataSet]:
        """Everything that fits, in order, read as far as it is asked for."""
        async for exam in self._selected(principal, search, plan, found):
            study = study_attributes(exam, base)
            if not fulfils(study, plan.study):
                continue
            if search.level is Level.STUDY:
                yield study
                continue
            async for row in self._below(exam, study, search, plan):
                yield row

    async def _below(self, exam: Exam, study: DataSet, search: Search, plan: Plan) -> AsyncIterator[DataSet]:
        for series in await self._archive.series_of(exam.key):
            if search.series and series.series_instance_uid != search.series:
                continue
            if not _may_fit(series, plan.series):
                continue
            known = await self._series(study, series)
            if not fulfils(known, plan.series):
                continue
            if search.level is Level.SERIES:
                yield known
                continue
            async for row in self._instances(known, series, plan):
                yield row

    async def _series(self, study: DataSet, series: Series) -> dict[str, Any]:
        return series_attributes(study, series, await self._archive.lead_header(series.key))

    async def _instances(self, known: DataSet, series: Series, plan: Plan) -> AsyncIterator[DataSet]:
        instances = await self._archive.instances_of(series.key)
        some = [one for one in instances if _instance_may_fit(one, plan.instance)]
        for start in range(0, len(some), _BATCH):
            batch = some[start : start + _BATCH]
            for instance, header in zip(batch, await headers_of(self._archive, batch), strict=True):
                row = instance_attributes(known, instance, header)
                if fulfils(row, plan.instance):
                    yield row

    async def _selected(self, principal: Principal, search: Search, plan: Plan, found: Found) -> AsyncIterator[Exam]:
        if search.study:
            yield await self._openings.exam(principal, Action.EXAM_SEARCH, search.study)
            return
        studies = await self._studies(plan)
        if studies is not None:
            for study in studies:
                page = await self._exams.search(principal, replace(plan.query, study_instance_uid=study), _PAGE)
                for exam in page.items:
                    yield exam
            return
        examined, after = 0, None
        while examined < _MOST_EXAMINED:
            page = await self._exams.search(principal, plan.query, _PAGE, after=after)
            for exam in page.items:
                yield exam
            examined, after = examined + len(page.items), page.next
            if after is None:
                return
        found.warnings.append(
            f"The search was cut after {_MOST_EXAMINED} studies; narrow it by StudyDate, PatientID, PatientName or AccessionNumber"
        )

    async def _studies(self, plan: Plan) -> list[str] | None:
        """The Study Instance UIDs that UIDs of any level select by their indexes; None if there are no such conditions."""
        if plan.studies:
            return list(plan.studies)
        keys: list[str] = []
        for match in plan.instance:
            if match.attribute.keyword == "SOPInstanceUID":
                found = await asyncio.gather(*map(self._archive.instances_by_uid, match.values))
                keys += [one.exam_key for some in found for one in some]
                return _study_uids(keys)
        for match in plan.series:
            if match.attribute.keyword == "SeriesInstanceUID":
                lists = await asyncio.gather(*map(self._archive.series_by_uid, match.values))
                keys += [one.exam_key for some in lists for one in some]
                return _study_uids(keys)
        return None


def plan_of(search: Search) -> Plan:
    """Splits the conditions by level, and takes out what the archive has indexes for."""
    indexed: dict[str, Any] = {}
    studies: tuple[str, ...] = ()
    left: dict[Level, list[Match]] = {level: [] for level in Level}
    for match in search.matches:
        level = level_of(match.attribute)
        if level is None:
            continue  # `parse_search` has warned of it.
        taken = _indexed(match, search.fuzzy) if level is Level.STUDY else {}
        if match.attribute.keyword == "StudyInstanceUID" and len(match.values) > 1:
            studies = tuple(dict.fromkeys(match.values))
        elif taken:
            indexed |= taken
        else:
            left[level].append(match)
    for match in left[Level.SERIES]:
        if match.attribute.keyword == "Modality" and len(match.values) == 1:
            # The condition stays; exams without such a series need not be opened.
            indexed.setdefault("modality", match.values[0])
    return Plan(
        ExamQuery(**indexed), studies, tuple(left[Level.STUDY]), tuple(left[Level.SERIES]), tuple(left[Level.INSTANCE])
    )


def _indexed(match: Match, fuzzy: bool) -> dict[str, Any]:
    """The condition as fields of `ExamQuery`; empty where the archive has none for it."""
    match match.attribute.keyword:
        case "StudyDate":
            return {"since": _day(match.low), "until": _day(match.high)}
        case "PatientName":
            whole = not fuzzy and "*" not in match.pattern and "?" not in match.pattern
            return {"name": match.pattern, "exact_name": whole}
        case keyword if keyword in _SINGLE and len(match.values) == 1:
            return {_SINGLE[keyword]: match.values[0]}
    return {}


_SINGLE = {
    "StudyInstanceUID": "study_instance_uid",
    "ModalitiesInStudy": "modality",
    "AccessionNumber": "accession_number",
    "PatientID": "patient_id",
}


def _study_uids(exam_keys: Sequence[str]) -> list[str]:
    """The UIDs in keys of exams, each once; which of the exams may be found is for the search to say."""
    return list(dict.fromkeys(key.partition("/")[2] for key in exam_keys))


def _day(text: str | None) -> date | None:
    return datetime.strptime(text, "%Y%m%d").date() if text else None


def _may_fit(series: Series, matches: Sequence[Match]) -> bool:
    """False where the series document alone shows that it cannot fit, so that no header is read for it."""
    known = series_attributes({"00081190": {"Value": [""]}}, series, {})
    return fulfils(known, [match for match in matches if match.attribute.tag in known])


def _instance_may_fit(instance: Instance, matches: Sequence[Match]) -> bool:
    known = instance_attributes({"00081190": {"Value": [""]}}, instance, {})
    return fulfils(known, [match for match in matches if match.attribute.tag in known])


def _more(search: Search) -> str:
    return f"There are more results; continue with offset={search.offset + search.limit}"
