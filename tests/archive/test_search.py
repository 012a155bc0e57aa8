"""Searches: what is found, by whom, in which order; every named query on an index at 50,000 documents."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from backend.access.model import Action, Kind, Principal, Role, Scope
from backend.archive.documents import sort_time
from backend.archive.model import ExamQuery, StreamRef
from backend.archive.rules import Exams
from backend.archive.store import EXAM_SCHEMA, INSTANCE_SCHEMA, KEPT_ASIDE_SCHEMA, SERIES_SCHEMA, ArchiveStore
from backend.audit.rules import Guard, Trail
from backend.audit.store import AuditStore
from backend.platform.clock import ManualClock, SystemClock
from backend.platform.database import Database, Document
from backend.platform.errors import Invalid, NotFound
from tests.archive.conftest import CIPHER, Archive
from tests.archive.samples import named
from tests.explain import DOCUMENTS, assert_indexed

EVERYTHING = Scope(everything=True)
NOW = datetime(2026, 11, 3, 4, 0, tzinfo=UTC)


async def fill(archive: Archive, count: int = 30) -> None:
    """Exams on `count` days in two hospitals, CT and MR by turns."""
    for n in range(count):
        day = date(2026, 11, 1) - timedelta(days=n * 3)
        extra = {
            0x00080020: ("DA", f"{day:%Y%m%d}".encode()),
            0x00080050: ("SH", f"A{n % 10}".encode()),
            0x00080060: ("CS", b"MR" if n % 2 else b"CT"),
            0x00100020: ("LO", f"P{n % 5}".encode()),
        }
        name = ("张晓东", "李娜", "单小东")[n % 3]
        receipt = await archive.send(named(name.encode(), "ISO_IR 192", extra), "H1" if n % 3 else "H2")
        assert receipt.outcome == "stored"
    await archive.ingest.flush()


async def test_filters_scopes_and_pages(archive: Archive) -> None:
    await fill(archive)
    search = archive.store.search_exams
    everything = (await search(EVERYTHING, ExamQuery(), 100)).items
    assert len(everything) == 30 and [e.study_date for e in everything] == sorted(
        (e.study_date for e in everything), reverse=True
    )
    cases = {
        ExamQuery(institution="H2"): 10,
        ExamQuery(modality="MR"): 15,
        ExamQuery(modality="mr", institution="H1"): 10,
        ExamQuery(patient_id="P3"): 6,
        ExamQuery(accession_number="A3"): 3,
        ExamQuery(name="zxd"): 10,
        ExamQuery(name="张*", institution="H2"): 10,
        ExamQuery(name="*小*"): 10,
        ExamQuery(name="*iao*"): 20,
        ExamQuery(name="张", exact_name=True): 0,
        ExamQuery(since=date(2026, 10, 20), until=date(2026, 11, 1)): 5,
        ExamQuery(until=date(2026, 8, 10)): 2,
        ExamQuery(study_instance_uid=everything[7].study_instance_uid): 1,
        ExamQuery(modality="CT", name="lina", since=date(2026, 9, 1)): 3,
        ExamQuery(accession_number="A3", patient_id="P4"): 0,
    }
    for query, expected in cases.items():
        whole = await search(EVERYTHING, query, 100)
        assert len(whole.items) == expected, query
        paged, place = [], None
        while True:
            page = await search(EVERYTHING, query, 2, after=place)
            paged += page.items
            place = page.next
            if place is None:
                break
        assert tuple(paged) == whole.items, query
        skipped = await search(EVERYTHING, query, 2, offset=1)
        assert skipped.items == whole.items[1:3], query
        assert await archive.store.count_exams(EVERYTHING, query, 100) >= expected
    assert len((await search(Scope(institution="H2"), ExamQuery(), 100)).items) == 10
    assert not (await search(Scope(institution="H2"), ExamQuery(institution="H1"), 100)).items
    assert not (await search(Scope(), ExamQuery(), 100)).items
    one = everything[3]
    assert (await search(Scope(exam=one.exam), ExamQuery(), 10)).items == (one,)
    mine = await search(Scope(persons=frozenset({one.person, "nobody"})), ExamQuery(), 100)
    assert mine.items and {e.person for e in mine.items} == {one.person}
    with pytest.raises(Invalid):
        await search(EVERYTHING, ExamQuery(), 10, after="x" * 30)


async def test_the_guard_stands_before_every_exam(archive: Archive) -> None:
    await fill(archive, 4)
    exams = Exams(archive.store, Guard(Trail(AuditStore(archive.database), b"k" * 32, "t"), SystemClock()))
    (first, *_) = (await archive.store.search_exams(Scope(institution="H1"), ExamQuery(), 10)).items
    doctor = Principal(Kind.STAFF, "d", institution="H1", roles=frozenset({Role.CLINICIAN}))
    stranger = Principal(Kind.STAFF, "s", institution="H2", roles=frozenset({Role.CLINICIAN}))
    patient = Principal(Kind.PATIENT, "p", persons=frozenset({first.person}))
    for principal in (doctor, patient):
        assert (await exams.open(principal, first.exam, Action.EXAM_VIEW)).key == first.key
        assert (await exams.resolve(principal, first.study_instance_uid, Action.EXAM_VIEW)).key == first.key
    for principal, exam in ((stranger, first.exam), (doctor, "nothing")):
        with pytest.raises(NotFound):
            await exams.open(principal, exam, Action.EXAM_VIEW)
    with pytest.raises(NotFound):
        await exams.resolve(stranger, first.study_instance_uid, Action.EXAM_VIEW)
    assert {e.institution for e in (await exams.search(stranger, ExamQuery())).items} == {"H2"}
    with pytest.raises(Invalid):
        await exams.search(doctor, ExamQuery(), 0)


async def test_the_same_study_of_two_hospitals_is_two_exams(archive: Archive) -> None:
    content = named(b"Zhang^San", None, {0x00100020: ("LO", b"P1")})
    for institution in ("H1", "H2"):
        assert (await archive.send(content, institution)).outcome == "stored"
    exams = Exams(archive.store, Guard(Trail(AuditStore(archive.database), b"k" * 32, "t"), SystemClock()))
    (uid,) = {e.study_instance_uid for e in (await archive.store.search_exams(EVERYTHING, ExamQuery(), 10)).items}
    for institution in ("H1", "H2"):
        admin = Principal(Kind.STAFF, "a", institution=institution, roles=frozenset({Role.PROVINCE_ADMIN}))
        assert (await exams.resolve(admin, uid, Action.EXAM_VIEW)).institution == institution


async def test_what_the_worker_derives_is_kept(archive: Archive) -> None:
    await fill(archive, 1)
    (exam,) = (await archive.store.search_exams(EVERYTHING, ExamQuery(), 10)).items
    (series,) = await archive.store.series_of(exam.key)
    (instance,) = await archive.store.instances_of(series.key)
    assert series.version == 1 and instance.stream is None
    stream = StreamRef("stream/x", 1000, b"\1\0\0\0\2\0\0\0")
    await archive.store.set_stream(instance.key, stream)
    await archive.store.set_index(series.key, 1, "index/1", {"frame": 3})
    await archive.store.set_index(series.key, 0, "index/0", None)
    (series,) = await archive.store.series_of(exam.key)
    (instance,) = await archive.store.instances_of(series.key)
    assert (series.index, series.index_version, series.lead) == ("index/1", 1, {"frame": 3})
    assert instance.stream == stream
    await archive.store.set_stream(instance.key, "corrupt-image")
    (instance,) = await archive.store.instances_of(series.key)
    assert instance.stream is None and instance.flag == "corrupt-image"
    header = await archive.store.header(instance.key)
    assert header is not None and header["00100010"]["Value"] == [{"Alphabetic": "张晓东"}]
    assert await archive.store.headers_of(series.key) == [header]
    raw = str(await archive.database.collection("instances").find({})) + str(
        await archive.database.collection("exams").find({})
    )
    assert "张晓东" not in raw and "P0" not in raw


def exam_documents() -> Iterator[Document]:
    """50,000 exams of 20 hospitals on 500 days: the fields that are searched."""
    rng = random.Random(1)
    names = [CIPHER.token("name.han", f"n{n}") for n in range(2000)]
    for n in range(DOCUMENTS):
        day = date(2026, 11, 3) - timedelta(days=n % 500)
        institution = f"H{rng.randrange(20)}"
        yield {
            "_id": f"{institution}/1.2.{n}",
            "exam": f"e{n}",
            "institution": institution,
            "uid": f"1.2.{n}",
            "person": f"p{n}",
            "patient_id": f"b{n}",
            "tokens": rng.sample(names, 2),
            "when": sort_time(day, "080000", NOW),
            "accession": f"A{n}",
            "modalities": [rng.choice(["CT", "MR", "DX", "US"])],
        }


def other_documents(kind: str) -> Iterator[Document]:
    for n in range(DOCUMENTS):
        if kind == "series":
            yield {"_id": f"H1/1.2.{n}", "exam": f"H1/1.{n // 4}", "uid": f"1.2.{n}", "number": n % 4}
        elif kind == "instances":
            yield {
                "_id": f"H1/1.3.{n}",
                "exam": f"H1/1.{n // 500}",
                "series": f"H1/1.2.{n // 200}",
                "uid": f"1.3.{n}",
                "number": n % 200,
            }
        else:
            yield {"_id": f"k{n}", "institution": f"H{n % 500}", "last": NOW - timedelta(seconds=n)}


@pytest.mark.timeout(900)
async def test_searches_use_indexes(database: Database) -> None:
    await assert_indexed(database, EXAM_SCHEMA, list(EXAM_SCHEMA.queries.values()), exam_documents())
    store = ArchiveStore(database, CIPHER, ManualClock(NOW))
    # The composed searches, timed by what they let the server examine: all but the last of these are one window.
    for query in (
        ExamQuery(),
        ExamQuery(institution="H3"),
        ExamQuery(modality="CT"),
        ExamQuery(institution="H3", modality="CT"),
    ):
        assert await store.count_exams(EVERYTHING, query, 50) == 50


@pytest.mark.parametrize(
    ("schema", "kind"),
    [(SERIES_SCHEMA, "series"), (INSTANCE_SCHEMA, "instances"), (KEPT_ASIDE_SCHEMA, "kept")],
    ids=lambda v: str(v)[:9],
)
async def test_lookups_use_indexes(database: Database, schema, kind: str) -> None:
    await assert_indexed(database, schema, list(schema.queries.values()), other_documents(kind))
