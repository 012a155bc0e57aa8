"""A CT series through the doors, derived, and on a terminal: exact pixels over socket and HTTP."""

from __future__ import annotations

import asyncio

import numpy as np
import pydicom
from pydicom.pixels import apply_modality_lut

from tests.images import shared_dicom
from tests.viewing.house import House
from tests.viewing.pictures import pixels_of


def reference(dataset: pydicom.Dataset, center: float, width: float) -> np.ndarray:
    """8 bits by pydicom: rescale, then the LINEAR window of PS3.3 C.11.2.1.2, halves up."""
    values = apply_modality_lut(dataset.pixel_array, dataset)
    low, high = center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
    shown = np.clip((values - low) / (high - low), 0, 1) * 255
    return np.floor(shown + 0.5).astype(np.uint8)


async def test_ct_series_end_to_end(house: House) -> None:
    files = sorted(shared_dicom("ct_cmb_crc_chest100").glob("*.dcm"))[:24]
    receipts = await house.send(files)
    assert {receipt.outcome.value for receipt in receipts} == {"stored"}
    exam = await house.exam_of(receipts[0])
    await house.derive(exam)
    (series,) = await house.series_of(exam)
    assert series.index and series.index_version == series.version
    staff = await house.sign_in()
    manifest = await house.manifest(exam, staff.secret)
    entry = manifest["series"][0]
    assert (entry["frames"], entry["rows"], entry["default_frame"]) == (24, 512, 12)

    viewer = await house.socket()
    await viewer.open(manifest["ticket"])
    await viewer.look(frame=12)
    exact = await viewer.until(lambda h: h["k"] == "frame" and h["f"] == 12 and h["lossless"])
    datasets = sorted((pydicom.dcmread(file) for file in files), key=lambda d: d.InstanceNumber)
    center, width = exact.header["win"]
    assert exact.header["auto"] is True
    assert np.array_equal(pixels_of(exact.body), reference(datasets[12], center, width))

    await viewer.look(frame=3, window=[40, 400])
    exact = await viewer.until(lambda h: h["k"] == "frame" and h["f"] == 3 and h["lossless"])
    assert np.array_equal(pixels_of(exact.body), reference(datasets[3], 40, 400))
    path = f"/api/v1/exams/{exam.exam}/series/0/frames/3/picture?window=40,400&format=png"
    over_http = await house.get(path, staff.secret)
    assert over_http.body == exact.body
    assert over_http.headers["X-Lossless"] == "true"
    viewer.socket.close()


async def test_before_derivation_the_originals_are_shown(house: House) -> None:
    files = sorted(shared_dicom("ct_cmb_crc_chest100").glob("*.dcm"))[:5]
    exam = await house.exam_of((await house.send(files))[0])
    staff = await house.sign_in()
    viewer = await house.socket()
    manifest = await viewer.open((await house.manifest(exam, staff.secret))["ticket"])
    assert manifest["series"][0]["frames"] == 5
    await viewer.look(frame=1, window=[40, 400])
    exact = await viewer.until(lambda h: h["k"] == "frame" and h["f"] == 1 and h["lossless"])
    datasets = sorted((pydicom.dcmread(file) for file in files), key=lambda d: d.InstanceNumber)
    assert np.array_equal(pixels_of(exact.body), reference(datasets[1], 40, 400))
    await viewer.until(lambda h: h["k"] == "sheet" and h["frames"] == [0, 1, 2, 3, 4])
    await house.derive(exam)
    changed = await viewer.text("series")
    assert changed["entry"]["frames"] == 5
    viewer.socket.close()
    await asyncio.sleep(0)
