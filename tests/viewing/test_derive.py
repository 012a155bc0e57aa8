"""Derivation: exact, resumed after a kill, only what is new, safe when more arrives, honest about what cannot be derived."""

from __future__ import annotations

import asyncio
import io
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

import render
from backend.platform.jobs import Intent
from backend.platform.objects_local import LocalObjects
from backend.viewing.index import IndexReader
from tests.images import ROOT, shared_dicom
from tests.viewing.house import House


def slices(count: int) -> list[Path]:
    return sorted(shared_dicom("ct_cmb_crc_chest100").glob("*.dcm"))[:count]


async def reader(house: House, exam) -> IndexReader:
    (series,) = await house.series_of(exam)
    return IndexReader(await house.objects.get(series.index))


class Counted:
    """Counts the frames that are packed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self._real = 0, render.pack_frame
        monkeypatch.setattr(render, "pack_frame", self._pack)

    def _pack(self, *args, **options):
        self.count += 1
        return self._real(*args, **options)


async def test_stream_overview_and_index_hold_the_original_values(house: House) -> None:
    files = slices(6)
    exam = await house.exam_of((await house.send(files))[0])
    await house.derive(exam)
    index = await reader(house, exam)
    stored = {str(d.SOPInstanceUID): d.pixel_array for d in map(pydicom.dcmread, files)}
    overview = await house.objects.get(index.view.overview)
    for n in range(len(index)):
        one = index.indexed(n)
        ref, original = one.ref, stored[one.place.sop_instance_uid]
        data = await house.objects.range(ref.stream, ref.start, ref.start + ref.ends[-1])
        assert np.array_equal(render.unpack(data, ref.ends), original)
        cell = render.unpack_cell(overview[slice(*ref.overview)])
        assert np.array_equal(cell, render.shrink(original, 128, 128))
        assert cell.shape == (128, 128)


async def test_derivation_goes_on_after_a_kill(
    house: House, mongo_uri: str, object_store: LocalObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exam = await house.exam_of((await house.send(slices(16)))[0])
    (series,) = await house.series_of(exam)
    arguments = [mongo_uri, house.database.name, str(tmp_path / "objects"), series.key]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.viewing.derive_and_die", *arguments, cwd=ROOT
    )
    try:
        async with asyncio.timeout(30):
            while sum(one.stream is not None for one in await house.archive.instances_of(series.key)) < 4:
                await asyncio.sleep(0.02)
                assert process.returncode is None
    finally:
        process.kill()
        await process.wait()
    done = sum(one.stream is not None for one in await house.archive.instances_of(series.key))
    assert 4 <= done < 16
    counted = Counted(monkeypatch)
    await house.deriver.handle(Intent("derive-series", series.key, {}, 2))
    assert counted.count == 16 - done
    assert len(await reader(house, exam)) == 16
    assert all(one.stream is not None for one in await house.archive.instances_of(series.key))


async def test_only_new_instances_are_packed_and_the_old_overview_gives_way(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = slices(9)
    exam = await house.exam_of((await house.send(files[:5]))[0])
    await house.derive(exam)
    before = await reader(house, exam)
    (old,) = await house.series_of(exam)
    await house.send(files[5:])
    counted = Counted(monkeypatch)
    await house.derive(exam)
    after = await reader(house, exam)
    (new,) = await house.series_of(exam)
    assert counted.count == 4
    assert len(after) == 9
    assert new.index_version == new.version > old.index_version
    assert not await house.objects.exists(old.index)
    assert not await house.objects.exists(before.view.overview)
    assert await house.objects.exists(after.view.overview)
    counted.count = 0
    await house.derive(exam)
    assert counted.count == 0
    assert await house.objects.exists((await house.series_of(exam))[0].index)


async def test_instances_that_arrive_meanwhile_are_found_by_the_next_run(house: House) -> None:
    files = slices(12)
    exam = await house.exam_of((await house.send(files[:6]))[0])
    (series,) = await house.series_of(exam)
    running = asyncio.ensure_future(house.deriver.derive(series.key))
    await asyncio.sleep(0.03)
    await house.send(files[6:])
    await running
    assert (await house.series_of(exam))[0].index_version <= (await house.series_of(exam))[0].version
    await house.deriver.derive(series.key)
    (series,) = await house.series_of(exam)
    assert (series.index_version, len(await reader(house, exam))) == (series.version, 12)


async def test_two_runs_at_once_do_no_harm(house: House) -> None:
    exam = await house.exam_of((await house.send(slices(8)))[0])
    (series,) = await house.series_of(exam)
    await asyncio.gather(*(house.deriver.derive(series.key) for _ in range(3)))
    assert len(await reader(house, exam)) == 8


def _varied(path: Path, number: int, **changes) -> bytes:
    dataset = pydicom.dcmread(path)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.InstanceNumber = number
    for name, value in changes.items():
        setattr(dataset, name, value)
    target = io.BytesIO()
    dataset.save_as(target)
    return target.getvalue()


async def test_float_pixels_have_no_stream_object_and_are_shown_nevertheless(house: House) -> None:
    dataset = pydicom.dcmread(slices(1)[0])
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.FloatPixelData = (dataset.pixel_array.astype("<f4") / 3).tobytes()
    del dataset.PixelData
    dataset.BitsAllocated = 32
    for name in ("BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue"):
        if name in dataset:
            delattr(dataset, name)
    target = io.BytesIO()
    dataset.save_as(target)
    (receipt,) = await house.send([target.getvalue()])
    exam = await house.exam_of(receipt)
    await house.derive(exam)
    (instance,) = await house.archive.instances_of((await house.series_of(exam))[0].key)
    assert (instance.stream, instance.flag) == (None, "unpackable")
    staff = await house.sign_in()
    answer = await house.get(f"/api/v1/exams/{exam.exam}/series/0/frames/0/picture?window=40,400", staff.secret)
    assert answer.code == 200


async def test_what_is_no_image_says_so(house: House) -> None:
    files = [path for path in shared_dicom("non_image").rglob("*") if path.is_file() and path.suffix == ".dcm"]
    receipts = await house.send_each((path, f"H{n}") for n, path in enumerate(files))
    staff_of: dict[str, str] = {}
    told = 0
    for n, receipt in enumerate(receipts):
        if receipt.outcome.value != "stored":
            continue
        exam = await house.exam_of(receipt, f"H{n}")
        staff_of[exam.institution] = (await house.sign_in(institution=exam.institution)).secret
        for derived in (False, True):
            if derived:
                await house.derive(exam)
            entry = (await house.manifest(exam, staff_of[exam.institution]))["series"][0]
            if entry["showable"] is not True:
                assert "原始数据已完整保存" in entry["showable"]
                told += 1
    assert told >= 4


async def test_frames_of_enhanced_and_cine_objects_keep_their_order(house: House) -> None:
    path = shared_dicom("cine_multiframe", "MOVEKNEE.dcm")
    (receipt,) = await house.send([path])
    exam = await house.exam_of(receipt)
    await house.derive(exam)
    index = await reader(house, exam)
    count = int(pydicom.dcmread(path, stop_before_pixels=True).NumberOfFrames)
    assert [index.frame(n).frame for n in range(len(index))] == list(range(count))
    (series,) = await house.series_of(exam)
    assert series.lead["entry"]["default_frame"] == 0
