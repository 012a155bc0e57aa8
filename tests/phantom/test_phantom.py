"""The computed images: true values where truth is known, valid files, the same bytes for the same request."""

from __future__ import annotations

import subprocess
import tracemalloc
from datetime import date
from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.tag import Tag

from backend.phantom import (
    IdNumberParts,
    PhantomError,
    PhantomRequest,
    generate,
    ground_truth,
    id_number,
    part10,
    write,
)


def read(data: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(BytesIO(data))


def hounsfield(dataset: pydicom.Dataset) -> np.ndarray:
    return dataset.pixel_array.astype(float) * dataset.RescaleSlope + dataset.RescaleIntercept


def test_nodules_have_the_size_and_the_value_that_the_truth_tells() -> None:
    request = PhantomRequest(slices=100)
    truth = ground_truth(request)
    assert len(truth) == 6
    slices = [read(part10(dataset)) for dataset in generate(request)]
    ratios = []
    for nodule in truth:
        middle = min(slices, key=lambda s: abs(float(s.ImagePositionPatient[2]) - nodule.z))
        left, top, _ = (float(v) for v in middle.ImagePositionPatient)
        spacing = float(middle.PixelSpacing[0])
        column, row = round((nodule.x - left) / spacing), round((nodule.y - top) / spacing)
        reach = max(1, int(nodule.diameter / 4 / spacing))
        core = hounsfield(middle)[row - reach : row + reach + 1, column - reach : column + reach + 1]
        # Noise of 16 HU is correlated, so that nine pixels average little of it away.
        assert abs(np.median(core) - nodule.hu) < 50
        half = int(nodule.diameter / 2 / spacing) + 2
        around = hounsfield(middle)[row - half : row + half + 1, column - half : column + half + 1]
        area = (around > (nodule.hu - 860) / 2).sum() * spacing**2
        ratios.append(area / (np.pi * nodule.diameter**2 / 4))
    # Vessels touch some of them, so the size is judged by the middle one.
    assert np.median(ratios) == pytest.approx(1.0, abs=0.2)


def test_tissues_are_in_hounsfield_units() -> None:
    [dataset] = generate(PhantomRequest(slices=1))
    hu = hounsfield(read(part10(dataset)))
    assert abs(np.median(hu[:40]) + 1000) < 5
    lung = hu[(hu > -920) & (hu < -800)]
    assert lung.size > 10_000
    assert (np.abs(hu - 40) < 30).sum() > 5_000
    assert (hu > 600).sum() > 300
    assert 10 < np.std(hu[:40]) < 25


@pytest.mark.parametrize("modality", ["CT", "MR", "DX", "CR", "US"])
def test_every_modality_is_a_file_that_dcmtk_reads(modality: str, tmp_path: Path) -> None:
    request = PhantomRequest(modality=modality, slices=2, rows=96, columns=128)
    paths = list(write(request, tmp_path / "out"))
    assert len(paths) == (1 if modality == "US" else 2)
    dump = subprocess.run(["dcmdump", "+P", "SOPClassUID", "-E", str(paths[0])], capture_output=True, text=True)
    assert dump.returncode == 0, dump.stderr
    dataset = pydicom.dcmread(paths[0])
    assert dataset.pixel_array.shape[-3 if modality == "US" else -2 :][:2] == (96, 128)
    assert "SYNTHETIC" in dataset.ImageType
    assert dataset.BurnedInAnnotation == "YES"
    assert dataset.StudyInstanceUID.startswith("2.25.") and dataset.StudyInstanceUID.is_valid


def test_the_mark_is_burnt_in() -> None:
    [dataset] = generate(PhantomRequest(slices=1))
    corner = hounsfield(read(part10(dataset)))[-40:, :200]
    assert (corner > 1300).sum() > 150


def test_the_same_request_gives_the_same_bytes_and_another_seed_others() -> None:
    first, again, other = (
        [part10(d) for d in generate(PhantomRequest(slices=3, rows=64, columns=64, seed=seed))] for seed in (1, 1, 2)
    )
    assert first == again
    assert not set(first) & set(other)
    uids = {read(b).SOPInstanceUID for b in first + other}
    assert len(uids) == 6


def test_any_number_of_slices_in_constant_memory() -> None:
    request = PhantomRequest(slices=5000, rows=64, columns=64)
    made = generate(request)
    for dataset in islice(made, 20):
        part10(dataset)
    tracemalloc.start()
    for dataset in islice(made, 200):
        part10(dataset)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3_000_000


def test_slices_lie_side_by_side_from_the_head_down() -> None:
    slices = [read(part10(d)) for d in generate(PhantomRequest(slices=5, rows=64, columns=64))]
    heights = [float(s.ImagePositionPatient[2]) for s in slices]
    assert np.allclose(np.diff(heights), -60.0)
    assert [s.InstanceNumber for s in slices] == [1, 2, 3, 4, 5]
    assert len({s.FrameOfReferenceUID for s in slices}) == 1


def raw(request: PhantomRequest, keyword: str) -> bytes:
    dataset = read(part10(next(generate(request))))
    return bytes(dataset.get_item(Tag(keyword)).value)


@pytest.mark.parametrize(
    ("charset", "label", "name"),
    [
        ("GB18030", "GB18030", "Zhang^Xiaodong=张^晓东".encode("gb18030")),
        ("GBK", "GBK", "Zhang^Xiaodong=张^晓东".encode("gbk")),
        ("UTF-8", "ISO_IR 192", "Zhang^Xiaodong=张^晓东".encode()),
        ("ISO 2022 IR 58", ["", "ISO 2022 IR 58"], b"Zhang^Xiaodong=\x1b$)A\xd5\xc5^\x1b$)A\xcf\xfe\xb6\xab"),
    ],
)
def test_names_are_encoded_as_the_standard_says(charset: str, label: object, name: bytes) -> None:
    request = PhantomRequest(slices=1, rows=32, columns=32, charset=charset)
    assert read(part10(next(generate(request)))).SpecificCharacterSet == label
    assert raw(request, "PatientName").rstrip(b" ") == name


def test_a_wrong_label_and_a_missing_one_leave_the_bytes_as_they_are() -> None:
    wrong = PhantomRequest(slices=1, rows=32, columns=32, charset="UTF-8", label="GB18030")
    assert read(part10(next(generate(wrong)))).SpecificCharacterSet == "GB18030"
    assert raw(wrong, "PatientName").rstrip(b" ") == "Zhang^Xiaodong=张^晓东".encode()
    missing = PhantomRequest(slices=1, rows=32, columns=32, charset="GB18030", label="")
    assert "SpecificCharacterSet" not in read(part10(next(generate(missing))))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"slices": 0}, "层数"),
        ({"modality": "XX"}, "XX"),
        ({"rows": 9000}, "9000"),
        ({"charset": "BIG5"}, "BIG5"),
    ],
)
def test_a_wrong_request_is_refused_with_the_reason(change: dict[str, object], said: str) -> None:
    with pytest.raises(PhantomError, match=said):
        PhantomRequest(**change)  # type: ignore[arg-type]


def test_a_character_that_the_set_lacks_is_refused_and_never_a_question_mark() -> None:
    from backend.phantom.charsets import CHARSETS, CharsetError

    with pytest.raises(CharsetError, match="䶮"):
        CHARSETS["GBK"].encode("张䶮", "PN")


def test_identity_numbers_carry_the_check_character_of_gb_11643() -> None:
    # The example of the standard itself, GB 11643-1999 annex A.
    assert id_number(IdNumberParts(date(1949, 12, 31), 2, "110105")) == "11010519491231002X"


def test_a_folder_that_cannot_be_written_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PhantomError, match="无法写入"):
        list(write(PhantomRequest(slices=1, rows=32, columns=32), tmp_path / "file"))


def test_the_command_writes_what_its_arguments_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import argparse

    from backend.phantom.command import add_phantom_arguments, run

    parser = argparse.ArgumentParser()
    add_phantom_arguments(parser)
    size = ["--slices", "2", "--rows", "64", "--columns", "64"]
    options = parser.parse_args([str(tmp_path), *size, "--name", "欧阳䶮", "--charset", "UTF-8", "--nodules", "1"])
    assert run(options) == 0
    written = sorted(tmp_path.iterdir())
    assert len(written) == 2
    assert pydicom.dcmread(written[0]).PatientName == "Ouyang^Yan=欧阳^䶮"
    assert "直径" in capsys.readouterr().out
