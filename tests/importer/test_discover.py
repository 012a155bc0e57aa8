"""What the import command finds: files, folders, the records of real DICOMDIR media."""

import shutil
import subprocess
from pathlib import Path

import pytest

from backend.importer.discover import Candidate, NotDicom, count, discover
from backend.importer.report import Refusal
from backend.importer.request import Batch, FileChanged, batches
from tests.images import shared_dicom


@pytest.fixture
def slices() -> list[Path]:
    return sorted(shared_dicom("ct_cmb_crc_chest100").rglob("*.dcm"))[:5]


def kinds(paths: list[Path]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"dicom": [], "other": [], "refused": []}
    for finding in discover(paths):
        kind = {Candidate: "dicom", NotDicom: "other", Refusal: "refused"}[type(finding)]
        found[kind].append(finding.path.name)
    return found


def test_folders_are_walked_and_strangers_are_told(tmp_path: Path, slices: list[Path]) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    for source in slices:
        shutil.copy(source, deep)
    (tmp_path / "readme.txt").write_text("no image")
    (tmp_path / "empty").touch()
    assert kinds([tmp_path]) == {"dicom": [s.name for s in slices], "other": ["empty", "readme.txt"], "refused": []}
    assert count([tmp_path, slices[0]]) == 8


def test_uid_and_size_are_those_of_the_file(slices: list[Path]) -> None:
    (finding,) = discover([slices[0]])
    assert isinstance(finding, Candidate)
    assert finding.size == slices[0].stat().st_size
    assert finding.sop_instance_uid.startswith("1.")


def dicomdir_of(folder: Path, slices: list[Path]) -> Path:
    """A medium made by dcmtk."""
    (folder / "IMAGES").mkdir(parents=True)
    names = []
    for number, source in enumerate(slices):
        shutil.copy(source, folder / "IMAGES" / f"IM{number:05}")
        names.append(f"IMAGES/IM{number:05}")
    subprocess.run(["dcmmkdir", "-Pgp", "+I", *names], cwd=folder, check=True, capture_output=True)
    return folder / "DICOMDIR"


def test_dicomdir_is_followed(tmp_path: Path, slices: list[Path]) -> None:
    directory = dicomdir_of(tmp_path, slices)
    (tmp_path / "IMAGES" / "NOTLISTED").write_bytes(slices[0].read_bytes())
    assert kinds([directory])["dicom"] == [f"IM{n:05}" for n in range(5)]
    assert len(kinds([tmp_path])["dicom"]) == 6


def test_names_in_lower_case_are_found_and_missing_files_told(tmp_path: Path, slices: list[Path]) -> None:
    directory = dicomdir_of(tmp_path, slices)
    (tmp_path / "IMAGES").rename(tmp_path / "images")
    (tmp_path / "images" / "IM00001").rename(tmp_path / "images" / "im00001.")
    (tmp_path / "images" / "IM00002").unlink()
    for paths in ([directory], [tmp_path]):
        found = kinds(paths)
        assert found["refused"] == ["IM00002"]
        assert len(found["dicom"]) == 4


def test_real_dicomdir_tree() -> None:
    for directory in shared_dicom("non_image").rglob("DICOMDIR"):
        for finding in discover([directory]):
            assert isinstance(finding, Candidate | Refusal), directory


def test_a_dicomdir_cannot_point_outside(tmp_path: Path, slices: list[Path]) -> None:
    medium = tmp_path / "medium"
    directory = dicomdir_of(medium, slices[:1])
    data = directory.read_bytes()
    shutil.copy(slices[0], tmp_path / "IM00000")
    directory.write_bytes(data.replace(b"IMAGES\\IM00000", b"..\\IM00000\x00\x00\x00\x00"))
    assert kinds([directory])["dicom"] == []


def test_broken_dicomdir_is_refused(tmp_path: Path, slices: list[Path]) -> None:
    directory = dicomdir_of(tmp_path, slices[:1])
    data = directory.read_bytes()
    directory.write_bytes(data[: len(data) // 2])
    found = list(discover([directory]))
    assert all(isinstance(f, Refusal | Candidate) for f in found)


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert kinds([tmp_path])["refused"] == ["dangling"]


def candidates(sizes: list[int], uids: list[str] | None = None) -> list[Candidate]:
    uids = uids or [f"1.{n}" for n in range(len(sizes))]
    return [Candidate(Path(f"f{n}"), size, uid) for n, (size, uid) in enumerate(zip(sizes, uids, strict=True))]


def test_batches_are_bounded() -> None:
    grouped = [
        [f.path.name for f in b.files] for b in batches(iter(candidates([5, 5, 5, 50, 1])), instances=2, size=12)
    ]
    assert grouped == [["f0", "f1"], ["f2"], ["f3"], ["f4"]]


def test_same_or_unknown_uids_go_apart() -> None:
    found = candidates([1, 1, 1, 1], ["1.1", "1.1", "", "1.2"])
    grouped = [[f.path.name for f in b.files] for b in batches(iter(found), instances=9, size=99)]
    assert ["f2"] in grouped
    assert not any({"f0", "f1"} <= set(group) for group in grouped)


def test_the_body_has_the_announced_length(slices: list[Path]) -> None:
    files = [f for f in discover(slices) if isinstance(f, Candidate)]
    batch = Batch(tuple(files))
    pieces = list(batch.body())
    assert sum(map(len, pieces)) == batch.length
    assert max(map(len, pieces)) <= 256 * 1024


def test_a_file_that_changes_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    for size in (4, 6):
        with pytest.raises(FileChanged):
            list(Batch((Candidate(path, size, "1.2"),)).body())
