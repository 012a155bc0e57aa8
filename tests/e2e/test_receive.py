"""From a hospital's PACS into the lists: once, whole, unchanged; what cannot be taken is said and loses nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pydicom
import pytest
from playwright.sync_api import Browser

from tests.e2e.demo_system import Demo, read, until
from tests.e2e.hospital import by_instance, chest, study_of, write
from tests.e2e.people import Patient
from tests.e2e.test_contract import DALIAN, SHENYANG, problem
from tests.images import shared_dicom

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("e2e")]

COUNT = "00201208"


def studies(demo: Demo, study: str = "", institution: str = SHENYANG) -> list[dict]:
    """Studies as QIDO-RS lists them to a radiologist."""
    condition = f"?StudyInstanceUID={study}" if study else ""
    return demo.get(f"/dicom-web/studies{condition}", demo.token("radiologist", institution)).json()


def kept_aside(demo: Demo, institution: str) -> list[dict]:
    """What came and could not be taken, as the hospital's administrator sees it."""
    return demo.get("/api/v1/kept-aside", demo.token("hospital_admin", institution)).json()["items"]


def stored(demo: Demo) -> int:
    """Original objects on disk."""
    return sum(1 for path in (demo.data / "objects" / "original").rglob("*") if path.is_file())


def same(kept: bytes, sent: Path) -> bool:
    """Whether the data set is the one that was sent, to the byte; the file's header is the receiver's own in a C-STORE."""
    return pydicom.dcmread(io.BytesIO(kept)) == pydicom.dcmread(sent) and pixels(kept) == pixels(sent.read_bytes())


def pixels(file: bytes) -> bytes:
    return bytes(read(file).PixelData)


@pytest.fixture(scope="module")
def folder(demo: Demo, zhang: Patient, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 100 slices of the real CT and a radiograph, as one study of two series."""
    radiograph = pydicom.dcmread(shared_dicom("large_2d", "wg04", "WG04", "RLE", "RG2_RLE"))
    radiograph.decompress()
    return write(tmp_path_factory.mktemp("pacs") / "ct", study_of(zhang, "20261123", chest(100), [radiograph]))


def test_a_ct_folder_by_storescu_is_on_the_phone(demo: Demo, zhang: Patient, chromium: Browser, folder: Path) -> None:
    sender = demo.storescu(folder, "SYHN_PACS")
    said = sender.communicate(timeout=120)[0]
    assert sender.returncode == 0 and said.count("Received Store Response (Success)") == 101, said[-2000:]
    instances = by_instance(folder)
    study = str(pydicom.dcmread(next(iter(instances.values())), stop_before_pixels=True).StudyInstanceUID)
    found = until(lambda: next((one for one in studies(demo, study) if one[COUNT]["Value"] == [101]), None), 10)
    assert found["00100010"]["Value"][0]["Alphabetic"] == "张晓东"
    exam = zhang.exams()[0]
    assert (exam["date"], exam["instance_count"], exam["series_count"]) == ("2026-11-23", 101, 2)
    assert exam["description"] == "增强扫描" and exam["patient"] == "张晓东"
    for file in demo.originals(study, demo.token("radiologist", SHENYANG)):
        assert same(file, instances[str(read(file).SOPInstanceUID)])
    viewer = zhang.viewer(chromium).open(f"{demo.url}/viewer/{exam['exam']}")
    assert viewer.page.evaluate("yunying.count()") == 100
    viewer.context.close()


def test_the_same_again_changes_nothing(demo: Demo, zhang: Patient, folder: Path) -> None:
    before = (studies(demo), zhang.exams(), stored(demo))
    sender = demo.storescu(folder, "SYHN_PACS")
    assert sender.communicate(timeout=120)[0].count("(Success)") == 101 and sender.returncode == 0
    assert (studies(demo), zhang.exams(), stored(demo)) == before


def test_an_unknown_device_is_turned_away(demo: Demo, folder: Path) -> None:
    before = stored(demo)
    sender = demo.storescu(folder, "NOBODY")
    assert "Association Rejected" in sender.communicate(timeout=60)[0] and sender.returncode != 0
    assert stored(demo) == before


def test_other_bytes_under_a_known_uid_are_kept_aside(demo: Demo, zhang: Patient, tmp_path: Path) -> None:
    gateway = demo.info["gateway"]["token"]
    (dataset,) = study_of(zhang, "20251101", chest(1))
    sent = write(tmp_path / "a", [dataset]) / "0000.dcm"
    assert demo.stow(gateway, sent.read_bytes()).status_code == 200
    aside, elsewhere = kept_aside(demo, SHENYANG), kept_aside(demo, DALIAN)
    dataset.PatientComments = "changed"
    changed = write(tmp_path / "b", [dataset]) / "0000.dcm"
    answer = demo.stow(gateway, changed.read_bytes())
    assert answer.status_code in (202, 409) and answer.json()["00081198"]["Value"], answer.text
    (kept,) = demo.originals(dataset.StudyInstanceUID, demo.token("radiologist", SHENYANG))
    assert kept == sent.read_bytes(), "STOW-RS keeps the file itself, bit for bit"
    assert len(kept_aside(demo, SHENYANG)) == len(aside) + 1 and kept_aside(demo, DALIAN) == elsewhere
    problem(demo.get("/api/v1/kept-aside", demo.token("radiologist", SHENYANG)), 403)


def test_broken_files_are_refused_one_by_one(demo: Demo, zhang: Patient, tmp_path: Path) -> None:
    good, cut = (
        path.read_bytes() for path in sorted(write(tmp_path / "x", study_of(zhang, "20251102", chest(2))).iterdir())
    )
    before = stored(demo)
    answer = demo.stow(demo.info["gateway"]["token"], good, cut[: len(cut) // 2], b"no DICOM at all")
    assert answer.status_code == 202, answer.text
    document = answer.json()
    assert len(document["00081199"]["Value"]) == 1, "the good one is stored"
    reasons = json.dumps(document, ensure_ascii=False)
    assert "Traceback" not in reasons and "张晓东" not in reasons
    assert len(document.get("00081198", {}).get("Value", [])) + len(document.get("0008119A", {}).get("Value", [])) == 2
    assert len(demo.originals(read(good).StudyInstanceUID, demo.token("radiologist", SHENYANG))) == 1
    assert stored(demo) >= before + 1
    alone = demo.stow(demo.info["gateway"]["token"], b"no DICOM at all")
    assert alone.status_code in (400, 409) and "Traceback" not in alone.text


def test_oversized_and_odd_bodies_are_refused(demo: Demo) -> None:
    gateway = demo.info["gateway"]["token"]
    headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=edge'}
    declared = {**headers, "Content-Length": str(5 << 40)}
    problem(demo.ask("POST", "/dicom-web/studies", token=gateway, headers=declared, data=b""), 413)
    for kind in ("application/json", "multipart/related", 'multipart/related; type="image/jpeg"; boundary=x'):
        answer = demo.ask("POST", "/dicom-web/studies", token=gateway, headers={"Content-Type": kind}, data=b"{}")
        problem(answer, answer.status_code)
        assert answer.status_code in (400, 415)
    problem(demo.ask("POST", "/api/v1/codes", data=b"[" * 200_000), 400)
    problem(demo.ask("POST", "/api/v1/codes", data=b'{"phone":"' + b"1" * (2 << 20) + b'"}'), 413)
    problem(demo.stow(demo.token("radiologist", SHENYANG), b"x"), 403)
    problem(demo.stow("", b"x"), 401)


def test_import_uploads_a_folder_and_repeats_safely(demo: Demo, tmp_path: Path) -> None:
    oldest = Patient(demo, "赵国强")
    folder = write(tmp_path / "dvd", study_of(oldest, "20251103", chest(12, first=40)))
    (folder / "readme.txt").write_text("no image")
    (folder / "cut.dcm").write_bytes((folder / "0000.dcm").read_bytes()[:90_000])
    command = ("import", str(folder), "--server", demo.url, "--token", demo.info["gateway"]["token"])
    first = demo.cli(*command)
    assert first.returncode == 1 and "cut.dcm" in first.stdout + first.stderr, first.stdout + first.stderr
    study = str(pydicom.dcmread(folder / "0001.dcm", stop_before_pixels=True).StudyInstanceUID)
    found = until(lambda: next((one for one in studies(demo, study) if one[COUNT]["Value"] == [12]), None), 10)
    (folder / "cut.dcm").unlink()
    again = demo.cli(*command)
    assert again.returncode == 0, again.stdout + again.stderr
    assert studies(demo, study) == [found]
    (folder / "readme.txt").unlink()
    sent = by_instance(folder)
    for file in demo.originals(study, demo.token("radiologist", SHENYANG)):
        assert file == sent[str(read(file).SOPInstanceUID)].read_bytes()
    refused = demo.cli("import", str(folder), "--server", demo.url, "--token", "wrong")
    assert refused.returncode != 0 and "Traceback" not in refused.stderr
