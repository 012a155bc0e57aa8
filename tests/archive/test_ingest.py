"""Ingest as architecture.md says: durable, once, nothing overwritten, every refusal with its reason."""

from __future__ import annotations

import asyncio
import hashlib

from backend.access.model import Scope
from backend.archive.model import ExamQuery, Outcome
from tests.archive.conftest import Archive
from tests.images import shared_dicom

EVERYTHING = Scope(everything=True)


async def test_a_series_is_stored_bit_exact_and_once(archive: Archive) -> None:
    files = sorted(shared_dicom("ct_cmb_crc_chest100").glob("*.dcm"))[:12]
    first = await asyncio.gather(*(archive.send(f) for f in files))
    assert {r.outcome for r in first} == {Outcome.STORED}
    await archive.ingest.flush()
    again = await asyncio.gather(*(archive.send(f) for f in files), *(archive.send(f) for f in files))
    assert {r.outcome for r in again} == {Outcome.DUPLICATE}
    await archive.ingest.flush()
    page = await archive.store.search_exams(EVERYTHING, ExamQuery(), 10)
    (exam,) = page.items
    assert (exam.instance_count, exam.series_count, exam.modalities) == (12, 1, ("CT",))
    (series,) = await archive.store.series_of(exam.key)
    assert series.instance_count == 12
    instances = await archive.store.instances_of(series.key)
    assert [i.instance_number for i in instances] == sorted(i.instance_number or 0 for i in instances)
    wanted = {hashlib.sha256(f.read_bytes()).hexdigest() for f in files}
    assert {hashlib.sha256(await archive.objects.get(i.original)).hexdigest() for i in instances} == wanted
    assert await archive.intents.pending("derive-series") == 1
    assert await archive.intents.pending("settle-series") == 0
