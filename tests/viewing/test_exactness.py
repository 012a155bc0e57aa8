"""T9: the lossless picture of every form in the corpus equals an independent reference, over HTTP and over the socket."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

import render
from tests.render import reference
from tests.render.corpus import DCMTK_JPEG, JPEG_LS, LOSSY_JPEG, path_of, sample_of_each_form
from tests.viewing.house import House
from tests.viewing.pictures import pixels_of

# Their decoders differ by a grey level from each other (the corpus' own notes); everything else is exact by definition.
_SAMPLES = [entry for entry in sample_of_each_form() if entry["transfer_syntax"] not in LOSSY_JPEG]


def _function(dataset: pydicom.Dataset, frame: int) -> str:
    place = reference.frame_group(dataset, frame, "FrameVOILUTSequence") or dataset
    return str(place.get("VOILUTFunction") or "LINEAR").upper()


def _expected(dataset: pydicom.Dataset, stored: np.ndarray, frame: int, window: tuple[float, float]) -> np.ndarray:
    values = reference.modality(stored, dataset, frame)
    levels = reference.exact_levels(values, *window, _function(dataset, frame))
    return reference.finished(reference.rounded(levels), stored, dataset)


def _stored(entry: dict, dataset: pydicom.Dataset, frame: int, folder: Path) -> np.ndarray:
    """Decoded by pydicom's plug-ins, or by dcmtk where pydicom has none."""
    syntax = entry["transfer_syntax"]
    tool = "dcmdjpls" if syntax in JPEG_LS else "dcmdjpeg" if syntax in DCMTK_JPEG else ""
    array = reference.dcmtk_stored(path_of(entry), folder, tool) if tool else dataset.pixel_array
    return array[frame] if int(dataset.get("NumberOfFrames") or 1) > 1 else array


def _window_for(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(values, (5, 95))
    return float(round((low + high) / 2)), float(max(2, round(high - low)))


@pytest.mark.parametrize("derived", [True, False], ids=["stream object", "original"])
async def test_every_form_of_the_corpus(house: House, derived: bool, tmp_path: Path) -> None:
    # Each file goes to an institution of its own: several share their UIDs.
    receipts = await house.send_each((path_of(entry), f"H{n}") for n, entry in enumerate(_SAMPLES))
    assert len(receipts) == len(_SAMPLES)
    shown = 0
    for number, (entry, receipt) in enumerate(zip(_SAMPLES, receipts, strict=True)):
        if receipt.outcome.value != "stored":
            continue
        exam = await house.exam_of(receipt, f"H{number}")
        if derived:
            await house.derive(exam)
        staff = await house.sign_in(institution=f"H{number}")
        if (await house.manifest(exam, staff.secret))["series"][0]["showable"] is not True:
            continue
        await _check(house, entry, exam.exam, staff.secret, tmp_path)
        shown += 1
    assert shown >= 0.8 * len(_SAMPLES), f"{shown} of {len(_SAMPLES)}"


async def _check(house: House, entry: dict, exam: str, token: str, folder: Path) -> None:
    dataset = pydicom.dcmread(path_of(entry))
    opened = await house.viewing.open((await _principal(house, token)), exam)
    view = await house.viewing.series(opened, 0)
    ref = view.frames[0]
    stored = _stored(entry, dataset, ref.frame, folder)
    path = f"/api/v1/exams/{exam}/series/0/frames/0/picture?format=png&fit={ref.columns},{ref.rows}"
    if stored.ndim == 3 or dataset.PhotometricInterpretation == "PALETTE COLOR":
        expected = render.open_image(path_of(entry).read_bytes()).decode(ref.frame)
        answer = await house.get(path, token)
    else:
        window = _window_for(reference.modality(stored, dataset, ref.frame))
        expected = _expected(dataset, stored, ref.frame, window)
        answer = await house.get(f"{path}&window={window[0]},{window[1]}", token)
    assert answer.code == 200, (entry["file"], answer.body)
    got = pixels_of(answer.body)
    assert got.shape == expected.shape, entry["file"]
    assert np.array_equal(got, expected), (entry["file"], int(np.abs(got.astype(int) - expected).max()))


async def _principal(house: House, token: str):
    session = await house.sessions.find(house.tokens.verify(token).session)
    assert session is not None
    return session.principal


async def test_a_fitted_radiograph_and_its_tiles_are_exact_at_their_size(house: House, tmp_path: Path) -> None:
    entry = max(
        (one for one in _SAMPLES if one["photometric"].startswith("MONOCHROME") and one["frames"] in ("", "1")),
        key=lambda one: int(one["rows"]),
    )
    (receipt,) = await house.send([path_of(entry)])
    exam = await house.exam_of(receipt)
    await house.derive(exam)
    staff = await house.sign_in()
    dataset = pydicom.dcmread(path_of(entry))
    stored = _stored(entry, dataset, 0, tmp_path)
    rows, columns = stored.shape
    window = _window_for(reference.modality(stored, dataset, 0))
    width, height = render.fit(rows, columns, (780, 900))

    viewer = await house.socket()
    await viewer.open((await house.manifest(exam, staff.secret))["ticket"])
    await viewer.look(window=list(window), fit=[width, height])
    fitted = await viewer.until(lambda h: h["k"] == "frame" and h["lossless"])
    shrunk = render.reference_fit(stored, width, height)
    assert fitted.header["size"] == [width, height]
    assert fitted.header["full"] == [columns, rows]
    assert np.array_equal(pixels_of(fitted.body), _expected(dataset, shrunk, 0, window))

    for level in (0, 1):
        high, wide = render.level_size(rows, columns, level)
        values = render.reference_fit(stored, wide, high)
        whole = _expected(dataset, values, 0, window)
        rect = [wide // 3, high // 3, 300, 300]
        await viewer.look(window=list(window), fit=[width, height], tiles={"level": level, "rect": rect}, have=2)
        needed = len(render.tiles_in(rows, columns, level, render.Rect(*rect)))
        for _ in range(needed):
            tile = await viewer.until(lambda h, level=level: h["k"] == "tile" and h["lossless"] and h["level"] == level)
            x, y, w, h = tile.header["rect"]
            assert np.array_equal(pixels_of(tile.body), whole[y : y + h, x : x + w])
    viewer.socket.close()
