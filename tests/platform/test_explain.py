"""Named queries at 50,000 documents; and that the proof can fail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backend.platform import jobs
from backend.platform.database import Database, Query, prefix_range
from backend.platform.schema import Index, Schema
from tests.explain import DOCUMENTS, assert_indexed

EXAMS = Schema(
    "exams",
    indexes=(
        Index(("uid",), unique=True),
        Index(("institution", "-at")),
        Index(("names",)),
    ),
)
START = datetime(2026, 1, 1, tzinfo=UTC)
# Enough to tell a scan from a look-up; the product's own queries are proved at DOCUMENTS.
FEWER = 20_000


def exams():
    for i in range(FEWER):
        yield {
            "_id": f"exam-{i}",
            "uid": f"1.2.{i}",
            "institution": f"h{i % 20}",
            "at": START + timedelta(minutes=i),
            "names": [f"n{i % 5000:05}"],
            "modality": ("CT", "MR", "DX")[i % 3],
        }


async def test_indexed_queries_pass_and_scans_are_found(database: Database):
    week = {"$gte": START + timedelta(days=7), "$lt": START + timedelta(days=14)}
    await assert_indexed(
        database,
        EXAMS,
        [
            Query("exams", {"uid": "1.2.77"}),
            Query("exams", {"_id": "exam-77"}),
            Query("exams", {"_id": {"$in": ["exam-77", "exam-78"]}}),
            Query("exams", {"uid": "1.2.77"}, residual={"modality": "CT"}),
            Query("exams", {"institution": "h3", "at": week}, sort=("-at",), limit=20, examines=600),
            Query("exams", {"institution": "h3", "at": week}, {"modality": "CT"}, ("-at",), limit=20, examines=600),
            Query("exams", {"names": "n00077"}),
            Query("exams", {"names": prefix_range("n0007")}, examines=100),
        ],
        exams(),
    )
    for scan in (
        Query("exams", {"modality": "XA"}),
        Query("exams", {"institution": "h3", "at": week}, sort=("-at",), limit=20),
        Query("exams", {"names": {"$regex": "^n0007"}}),
    ):
        if "secantusVersion" not in await database.command({"buildInfo": 1}) and scan.filter.keys() != {"modality"}:
            continue
        with pytest.raises(AssertionError):
            await assert_indexed(database, EXAMS, scan)


async def test_the_queries_of_intents_are_indexed(database: Database):
    rows = (
        {
            "_id": f"k{i % 10}:{i}",
            "kind": f"k{i % 10}",
            "key": str(i),
            "state": "dead" if i % 1000 == 0 else "waiting",
            "due": START + timedelta(minutes=i),
        }
        for i in range(DOCUMENTS)
    )
    due = Query("intents", {"kind": "k3", "due": {"$lte": START + timedelta(hours=9)}}, sort=("kind", "due"), limit=8)
    await assert_indexed(database, jobs.SCHEMA, [due, *jobs.SCHEMA.queries.values()], rows)
