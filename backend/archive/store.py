"""Exams, series and instances in the database: their indexes, their queries, and what is written after ingest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from backend.access.model import Scope
from backend.platform.clock import Clock
from backend.platform.crypto import FieldCipher
from backend.platform.database import Binary, Database, Document, Query
from backend.platform.queries import Page
from backend.platform.schema import Index, Schema

from . import documents
from .documents import EXAMS, INSTANCES, KEPT_ASIDE, SERIES, Documents
from .model import Exam, ExamPage, ExamQuery, Instance, KeptAsidePage, Series, StreamRef
from .search import ExamSearch, examples

_UNSEEN = {"header": 0, "personal": 0}


def _series_of(exam_key: str) -> Query:
    return Query(SERIES, {"exam": exam_key}, sort=("number", "_id"))


def _instances_of(series_key: str, *, headers: bool = False) -> Query:
    return Query(INSTANCES, {"series": series_key}, sort=("number", "_id"), projection=None if headers else _UNSEEN)


def _kept_aside(institution: str | None, limit: int) -> Query:
    where: Document = {"last": {"$gt": datetime(2000, 1, 1)}}
    return Query(
        KEPT_ASIDE, where | ({"institution": institution} if institution else {}), sort=("-last", "_id"), limit=limit
    )


EXAM_SCHEMA = Schema(
    EXAMS,
    indexes=(
        Index(("exam",), unique=True),
        Index(("uid",)),
        Index(("when", "_id")),
        Index(("institution", "when", "_id")),
        Index(("modalities", "when")),
        Index(("institution", "modalities", "when")),
        Index(("tokens", "when")),
        Index(("institution", "tokens", "when")),
        Index(("person",)),
        Index(("patient_id",)),
        Index(("accession",)),
    ),
    queries=examples(),
    sealed=("patient",),
)
SERIES_SCHEMA = Schema(
    SERIES,
    indexes=(Index(("exam",)), Index(("uid",))),
    queries={"of exam": _series_of("H1/1.2.3"), "by uid": Query(SERIES, {"uid": "1.2.3"})},
)
INSTANCE_SCHEMA = Schema(
    INSTANCES,
    indexes=(Index(("series", "number")), Index(("exam",)), Index(("uid",))),
    queries={
        "of series": _instances_of("H1/1.2.3"),
        "of exam": Query(INSTANCES, {"exam": "H1/1.2.3"}, sort=("series", "number", "_id"), limit=100, examines=2000),
        "by uid": Query(INSTANCES, {"uid": "1.2.3"}),
    },
    sealed=("personal",),
)
KEPT_ASIDE_SCHEMA = Schema(
    KEPT_ASIDE,
    indexes=(Index(("institution", "last")), Index(("last",))),
    queries={
        "of institution": replace(_kept_aside("H1", 50), examines=50_000),
        "of all": replace(_kept_aside(None, 50), examines=50_000),
    },
)
SCHEMAS = (EXAM_SCHEMA, SERIES_SCHEMA, INSTANCE_SCHEMA, KEPT_ASIDE_SCHEMA)


class ArchiveStore:
    """Reads exams and what belongs to them, and takes what the worker derives. Ingest writes by `journal`."""

    def __init__(self, database: Database, cipher: FieldCipher, clock: Clock) -> None:
        self.documents = Documents(cipher)
        self._exams = database.collection(EXAMS)
        self._series = database.collection(SERIES)
        self._instances = database.collection(INSTANCES)
        self._kept_aside = database.collection(KEPT_ASIDE)
        self._search = ExamSearch(database, self.documents, clock)
        self._clock = clock

    async def exam_by_public_id(self, exam: str) -> Exam | None:
        """The exam with this public id."""
        return self._exam(await self._exams.find_one({"exam": exam}))

    async def exam(self, key: str) -> Exam | None:
        """The exam with this key, `{institution}/{StudyInstanceUID}`."""
        return self._exam(await self._exams.find_one({"_id": key}))

    async def exams_by_uid(self, study_instance_uid: str) -> list[Exam]:
        """The exams of all institutions that have this Study Instance UID."""
        return [self.documents.exam(d) for d in await self._exams.find({"uid": study_instance_uid}, limit=100)]

    async def search_exams(
        self, scope: Scope, query: ExamQuery, limit: int, *, offset: int = 0, after: str | None = None
    ) -> ExamPage:
        """Exams within the scope, newest first: `limit` of them after the place `after`, or after the first `offset`.

        Raises Invalid for an `after` that is not a page's `next`.
        """
        return await self._search.page(scope, query, limit, offset=offset, after=after)

    async def count_exams(self, scope: Scope, query: ExamQuery, limit: int = 1000) -> int:
        """How many exams the search has; counting stops at `limit`. With a name that tokens cannot tell exactly, an upper bound."""
        return await self._search.count(scope, query, limit)

    async def series_of(self, exam_key: str) -> list[Series]:
        """The series of an exam, by Series Number."""
        return [documents.series(d) for d in await self._series.run(_series_of(exam_key))]

    async def series(self, key: str) -> Series | None:
        """The series with this key, `{institution}/{SeriesInstanceUID}`."""
        document = await self._series.find_one({"_id": key})
        return documents.series(document) if document else None

    async def series_by_uid(self, series_instance_uid: str) -> list[Series]:
        """The series of all institutions that have this Series Instance UID."""
        return [documents.series(d) for d in await self._series.find({"uid": series_instance_uid}, limit=100)]

    async def instances_of(self, series_key: str) -> list[Instance]:
        """The instances of a series by Instance Number, without their headers."""
        return [documents.instance(d) for d in await self._instances.run(_instances_of(series_key))]

    async def instances_of_exam(self, exam_key: str, *, limit: int = 0, offset: int = 0) -> list[Instance]:
        """The instances of an exam by series and Instance Number, without their headers; limit 0 means all."""
        query = Query(
            INSTANCES,
            {"exam": exam_key},
            sort=("series", "number", "_id"),
            skip=offset,
            limit=limit,
            projection=_UNSEEN,
        )
        return [documents.instance(d) for d in await self._instances.run(query)]

    async def instance(self, institution: str, sop_instance_uid: str) -> Instance | None:
        """One instance of an institution."""
        document = await self._instances.find_one(
            {"_id": documents.exam_key(institution, sop_instance_uid)}, projection=_UNSEEN
        )
        return documents.instance(document) if document else None

    async def instances_by_uid(self, sop_instance_uid: str) -> list[Instance]:
        """The instances of all institutions that have this SOP Instance UID."""
        rows = await self._instances.find({"uid": sop_instance_uid}, limit=100, projection=_UNSEEN)
        return [documents.instance(d) for d in rows]

    async def header(self, instance_key: str) -> dict[str, Any] | None:
        """The DICOM JSON header of an instance (PS3.18 F), persons' elements included; see `dicom_json` for bulk data."""
        document = await self._instances.find_one({"_id": instance_key}, projection={"header": 1, "personal": 1})
        return self.documents.header(document) if document else None

    async def lead_header(self, series_key: str) -> dict[str, Any]:
        """The header of the first instance of a series by Instance Number; empty if there is none."""
        rows = await self._instances.run(replace(_instances_of(series_key, headers=True), limit=1))
        return self.documents.header(rows[0]) if rows else {}

    async def headers_of(self, series_key: str) -> list[dict[str, Any]]:
        """The headers of a series by Instance Number."""
        rows = await self._instances.run(_instances_of(series_key, headers=True))
        return [self.documents.header(d) for d in rows]

    async def entries_of(self, series_key: str) -> list[tuple[Instance, dict[str, Any]]]:
        """The instances of a series with their headers, by Instance Number."""
        rows = await self._instances.run(_instances_of(series_key, headers=True))
        return [(documents.instance(d), self.documents.header(d)) for d in rows]

    async def set_stream(self, instance_key: str, outcome: StreamRef | str) -> None:
        """Records where the stream object of an instance is, or why there can be none."""
        if isinstance(outcome, str):
            change: Document = {"$set": {"flag": outcome}, "$unset": {"stream": ""}}
        else:
            stream = {"key": outcome.key, "size": outcome.size, "ends": Binary(outcome.ends)}
            change = {"$set": {"stream": stream}, "$unset": {"flag": ""}}
        await self._instances.update_one({"_id": instance_key}, change)

    async def set_index(self, series_key: str, version: int, index: str, lead: dict[str, Any] | None) -> None:
        """Records the index that was derived of a series as it was at `version`; an older one never replaces a newer."""
        change = {"index": index, "index_version": version, "lead": lead, "updated": self._clock.now()}
        newer = {"$gt": ["$index_version", version]}
        fields = {name: {"$cond": [newer, f"${name}", {"$literal": value}]} for name, value in change.items()}
        await self._series.update_one({"_id": series_key}, [{"$set": fields}])

    async def kept_aside(self, institution: str | None, limit: int, after: str | None = None) -> KeptAsidePage:
        """What was kept aside of one institution, or of all, newest first."""
        page: Page = await self._kept_aside.find_page(_kept_aside(institution, limit), after)
        return KeptAsidePage(tuple(documents.kept_aside(d) for d in page.items), page.next)

    def all_instances(self) -> AsyncIterator[Document]:
        """Key, original and hash of every instance, for checks of the whole archive."""
        return self._instances.iterate({}, batch=1000)

    def _exam(self, document: Document | None) -> Exam | None:
        return self.documents.exam(document) if document else None
