"""Searches of exams: one index a query, newest first, in windows of time, names checked on the opened value."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

from backend.access.model import Scope
from backend.platform.clock import SHANGHAI, Clock
from backend.platform.database import Database, Document, Query

from .documents import EXAMS, Documents
from .model import Exam, ExamPage, ExamQuery
from .names import NameQuery

_ORDER = ("-when", "_id")
_LATEST = "~"
# The embedded server sorts in memory what an index selects, so a page is first looked for among the newest days.
_WINDOWS = (3, 30, 365)
_MOST_EXAMINED = 5000
_BATCH = 200


@dataclass(frozen=True)
class _Plan:
    """What the index selects, what is checked besides, and the span of `when`."""

    indexed: Document
    residual: Document
    low: str
    high: str
    dated: bool = True
    """Whether the index goes on with `when`; if not, the span is residual, too."""

    def query(self, low: str, high: str, limit: int) -> Query:
        """The documents of one window, newest first."""
        span: Document = {"when": {"$gte": low, "$lte": high}}
        if self.dated:
            return Query(EXAMS, {**self.indexed, **span}, self.residual or None, _ORDER, limit=limit)
        return Query(EXAMS, self.indexed, {**self.residual, **span}, _ORDER, limit=limit)


class ExamSearch:
    """Pages and counts of exams."""

    def __init__(self, database: Database, documents: Documents, clock: Clock) -> None:
        self._exams = database.collection(EXAMS)
        self._documents = documents
        self._clock = clock

    async def page(
        self, scope: Scope, query: ExamQuery, limit: int, *, offset: int = 0, after: str | None = None
    ) -> ExamPage:
        """See `ArchiveStore.search_exams`."""
        plan = plan_of(scope, query, self._documents)
        if plan is None or limit < 1:
            return ExamPage((), None)
        name = NameQuery(query.name, query.exact_name) if query.name else None
        # A name is checked on the opened value, so what it skips must be opened as well.
        walk = self._walk(plan, after, limit + 1 + (offset if name else 0), 0 if name else offset)
        skip = offset if name else 0
        found: list[tuple[Exam, Document]] = []
        examined = 0
        async for document in walk:
            examined += 1
            exam = self._documents.exam(document)
            if name is None or name.matches(exam.patient.name):
                if skip:
                    skip -= 1
                else:
                    found.append((exam, document))
            if len(found) > limit or examined >= _MOST_EXAMINED:
                break
        more = len(found) > limit
        place = Query(EXAMS, {}, sort=_ORDER).place_of(found[limit - 1][1]) if more else None
        return ExamPage(tuple(exam for exam, _ in found[:limit]), place)

    async def count(self, scope: Scope, query: ExamQuery, limit: int) -> int:
        """See `ArchiveStore.count_exams`."""
        plan = plan_of(scope, query, self._documents)
        if plan is None:
            return 0
        counted = replace(plan.query(plan.low, plan.high, limit), sort=(), projection={"_id": 1})
        return len(await self._exams.run(counted))

    async def _walk(self, plan: _Plan, after: str | None, wanted: int, skip: int) -> AsyncIterator[Document]:
        """Documents in order, window by window, the first `skip` left out on the server."""
        follows: Document | None = None
        if after is not None:
            start = Query(EXAMS, {}, sort=_ORDER, limit=1).after(after)
            follows = start.residual
            plan = replace(plan, high=min(plan.high, start.filter["when"]["$lt"]))
        for low, high in self._windows(plan):
            query = plan.query(low, high, min(max(wanted, 20), _BATCH))
            if follows is not None:
                query = replace(query, residual={"$and": [query.residual, follows]} if query.residual else follows)
            if skip:
                ids = await self._exams.run(replace(query, limit=skip, projection={"_id": 1}))
                skip -= len(ids)
                if skip:
                    continue
                query = replace(query, skip=len(ids))
            while True:
                rows = await self._exams.run(query)
                for row in rows:
                    yield row
                if len(rows) < query.limit:
                    break
                query = replace(query, skip=query.skip + len(rows))

    def _windows(self, plan: _Plan) -> Iterator[tuple[str, str]]:
        """The plan's span cut in windows, newest first, each bound inclusive."""
        high = plan.high
        if plan.dated:
            today = self._clock.now().astimezone(SHANGHAI).date()
            for days in _WINDOWS:
                low = f"{today - timedelta(days=days):%Y%m%d}"
                if plan.low < low <= high:
                    yield low, high
                    # Times are digits of a full second: this is greater than any before `low`.
                    high = f"{today - timedelta(days=days + 1):%Y%m%d}~"
        if plan.low <= high:
            yield plan.low, high


def plan_of(scope: Scope, query: ExamQuery, documents: Documents) -> _Plan | None:
    """The plan of a search within the scope; None where it can find nothing."""
    equal: Document = {}
    institution = query.institution or scope.institution or ""
    if scope.institution and institution != scope.institution:
        return None
    if not (scope.everything or scope.institution or scope.persons or scope.exam):
        return None
    if institution:
        equal["institution"] = institution
    if query.modality:
        equal["modalities"] = query.modality.upper()
    if query.name and (token := NameQuery(query.name, query.exact_name).lookup(documents.token)):
        equal["tokens"] = token
    if query.patient_id:
        equal["patient_id"] = documents.blind_patient_id(query.patient_id)
    if query.accession_number:
        equal["accession"] = query.accession_number
    if query.study_instance_uid:
        equal["uid"] = query.study_instance_uid
    if scope.exam:
        equal["exam"] = scope.exam
    low = _day(query.since) if query.since else ""
    high = _day(query.until) + _LATEST if query.until else _LATEST
    if scope.persons:
        persons = sorted(scope.persons)
        # A patient has few exams: the embedded server would scan everything for "one of these, in this span".
        return _Plan({"person": persons[0] if len(persons) == 1 else {"$in": persons}}, equal, low, high, dated=False)
    return _choose(equal, low, high)


def _choose(equal: Document, low: str, high: str) -> _Plan:
    """The most selective index."""
    for single in ("exam", "uid", "accession", "patient_id"):
        if single in equal:
            rest = {name: value for name, value in equal.items() if name != single}
            return _Plan({single: equal[single]}, rest, low, high, dated=False)
    leading = next((name for name in ("tokens", "modalities") if name in equal), None)
    names = {"institution", leading}
    indexed = {name: value for name, value in equal.items() if name in names}
    return _Plan(indexed, {n: v for n, v in equal.items() if n not in names}, low, high)


def _day(day: date) -> str:
    return f"{day:%Y%m%d}"


def examples() -> dict[str, Query]:
    """An example of each kind of query. A window of time is examined whole by a server that sorts in memory."""
    span = ("20261101", "20261103~", 21)
    kinds: dict[str, Document] = {
        "newest": {},
        "newest of institution": {"institution": "H1"},
        "by modality": {"modalities": "CT"},
        "by modality of institution": {"institution": "H1", "modalities": "CT"},
        "by name": {"tokens": "token"},
        "by name of institution": {"institution": "H1", "tokens": "token"},
        "by name and modality": {"institution": "H1", "tokens": "token", "modalities": "CT"},
        "by accession number": {"institution": "H1", "accession": "A1"},
        "by patient id": {"institution": "H1", "patient_id": "blind"},
        "by study uid": {"uid": "1.2.3"},
    }
    found = {kind: replace(_choose(equal, "", _LATEST).query(*span), examines=2000) for kind, equal in kinds.items()}
    found["of persons"] = _Plan({"person": {"$in": ["p1", "p2"]}}, {}, "", "~", dated=False).query("", "~", 21)
    return found
