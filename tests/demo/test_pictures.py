"""The demo's pictures: nothing of the former person stays, pixels and series do, and a real peer takes them."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from backend.demo import data
from backend.demo.dress import dress
from backend.demo.pictures import SamplesMissing, plan_of
from backend.demo.send import NotAccepted, store
from backend.phantom import PhantomRequest, write


def read(file: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(BytesIO(file))


def named(key: str, shared: Path | None = None, samples: Path | None = None):
    return next(source for source in plan_of(samples, shared) if source.plan.key == key)


def test_the_former_person_is_gone_and_the_pixels_stay() -> None:
    path = get_testdata_file("MR_small.dcm")
    before, after = pydicom.dcmread(path), read(dress(pydicom.dcmread(path), data.SHOULDER_MR, "pydicom"))
    assert np.array_equal(before.pixel_array, after.pixel_array)
    told = after.to_json()
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        former = str(before[keyword].value)
        assert former and former not in told
    assert after.PatientName == "Ouyang^Xuemei=欧阳^雪梅"
    assert after.OtherPatientIDs == data.SHOULDER_MR.person.id_number
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
    assert after.SOPClassUID == before.SOPClassUID
    assert "pydicom" in after.StudyComments


def test_dressing_twice_gives_the_same_bytes() -> None:
    path = get_testdata_file("CT_small.dcm")
    first, second = (dress(pydicom.dcmread(path), data.HEAD_CT, "pydicom") for _ in range(2))
    assert first == second
    other = dress(pydicom.dcmread(path), data.CHEST_CR, "pydicom")
    assert read(other).StudyInstanceUID != read(first).StudyInstanceUID


@pytest.mark.parametrize(
    "key", ["head-ct-03", "shoulder-mr-02", "chest-cr-05", "leg-cr-07", "heart-us-04", "doppler-us-06"]
)
def test_pictures_out_of_packages_are_there_and_decode(key: str) -> None:
    source = named(key)
    study, count = source.identifiers()
    files = list(source.files())
    assert count == len(files) == 1
    dataset = read(files[0])
    assert dataset.StudyInstanceUID == study
    assert int(dataset.get("NumberOfFrames") or 1) == source.frames()
    assert dataset.pixel_array.size > 60_000


def test_without_real_images_the_phantom_of_200_slices_stands_in() -> None:
    source = named("chest-ct-01")
    assert source.identifiers()[1] == source.frames() == 200
    first = read(next(source.files()))
    assert first.StudyInstanceUID == source.identifiers()[0]
    assert "SYNTHETIC" in first.ImageType


def test_own_samples_are_grouped_by_study_and_given_to_invented_patients(tmp_path: Path) -> None:
    for seed in (1, 2):
        list(write(PhantomRequest(slices=3, rows=64, columns=64, seed=seed), tmp_path / str(seed)))
    (tmp_path / "notes.txt").write_text("no picture")
    found = [source for source in plan_of(tmp_path, None) if source.plan.key.startswith("sample")]
    assert [source.identifiers()[1] for source in found] == [3, 3]
    names = {str(read(next(source.files())).PatientName) for source in found}
    assert names == {"Zhang^Xiaodong=张^晓东", "Ouyang^Xuemei=欧阳^雪梅"}


def test_own_samples_go_out_untouched_when_asked(tmp_path: Path) -> None:
    [path] = write(PhantomRequest(slices=1, rows=64, columns=64), tmp_path)
    source = next(iter(plan_of(tmp_path, None, keep=True)))
    assert list(source.files()) == [path.read_bytes()]
    assert source.plan.person.name == "张晓东"


def test_a_samples_folder_without_pictures_is_told(tmp_path: Path) -> None:
    with pytest.raises(SamplesMissing, match="没有可读的"):
        plan_of(tmp_path, None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_real_peer_stores_what_is_sent_with_its_texts_byte_for_byte(tmp_path: Path) -> None:
    port = free_port()
    peer = subprocess.Popen(["storescp", "-od", str(tmp_path), "+B", "-aet", "PEER", str(port)])
    try:
        _wait_for(port)
        files = list(named("leg-cr-07").files())
        asyncio.run(store("127.0.0.1", port, "PEER", "DLBH_PACS", files))
    finally:
        peer.terminate()
        peer.wait(10)
    [received] = tmp_path.iterdir()
    name = b"Ouyang^Xuemei=\x1b$)A" + "欧阳".encode("gb2312") + b"^\x1b$)A" + "雪梅".encode("gb2312")
    assert name in received.read_bytes()
    assert name in files[0]


async def test_a_closed_door_is_an_error_in_words() -> None:
    with pytest.raises(NotAccepted, match="未接受连接"):
        await store("127.0.0.1", free_port(), "PEER", "X", named("head-ct-03").files())


def _wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the peer did not start")


def test_every_role_is_in_both_hospitals_and_every_person_is_valid() -> None:
    roles = {(account.role, account.institution) for account in data.ACCOUNTS}
    for institution in data.INSTITUTIONS:
        present = {role.value for role, where in roles if where == institution.code}
        assert present == {"hospital_admin", "radiologist", "reviewer", "clinician", "qc_expert"}
    assert any(role.value == "province_admin" for role, _ in roles)
    weights = [2 ** (17 - i) % 11 for i in range(18)]
    for person in data.PATIENTS:
        digits = [10 if c == "X" else int(c) for c in person.id_number]
        assert sum(d * w for d, w in zip(digits, weights, strict=True)) % 11 == 1
        assert (digits[16] % 2 == 1) is (person.sex == "M")
