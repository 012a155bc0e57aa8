"""Where the demo's pictures come from: test data of Python packages, a folder of the newcomer's own, or the phantom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
from pydicom.errors import InvalidDicomError

from backend.phantom import Person, PhantomRequest, generate, part10
from backend.platform.errors import YunyingError

from . import data
from .data import ExamPlan
from .dress import dress

_CHEST_CREDIT = "TCIA CMB-CRC (CC BY 4.0, doi 10.7937/djg7-gz87)"
_BESIDE = Path(__file__).resolve().parents[3] / "shared"
"""Real images beside the checkout, where there are any."""
_CHEST_FOLDER = Path("dicom") / "ct_cmb_crc_chest100"
_PACKAGED = (
    (data.HEAD_CT, "data_store", "data/693_UNCR.dcm", "pydicom-data (CQ500)"),
    (data.SHOULDER_MR, "data_store", "data/MR2_UNCR.dcm", "pydicom-data (NEMA WG-04)"),
    (data.CHEST_CR, "data_store", "data/RG1_UNCR.dcm", "pydicom-data (NEMA WG-04)"),
    (data.LEG_CR, "data_store", "data/RG3_UNCR.dcm", "pydicom-data (NEMA WG-04)"),
    (data.HEART_US, "pydicom", "data/test_files/examples_ybr_color.dcm", "pydicom"),
    (data.DOPPLER_US, "deid_data", "data/ultrasounds/ultrasound-multiframe.dcm", "deid-data"),
)


class SamplesMissing(YunyingError):
    """The folder that was named for samples holds no DICOM file."""

    code = "samples"


@dataclass(frozen=True, slots=True)
class Source:
    """An exam and the files that it is made of, read one at a time."""

    plan: ExamPlan
    paths: tuple[Path, ...]
    """Empty: computed by the phantom."""
    credit: str
    phantom: PhantomRequest | None = None
    keep: bool = False
    """The files go out as they are, patient and all."""

    def files(self) -> Iterator[bytes]:
        """The DICOM files to send, the same each time."""
        if self.phantom is not None:
            yield from (part10(dataset) for dataset in generate(self.phantom))
        for path in self.paths:
            yield path.read_bytes() if self.keep else dress(pydicom.dcmread(path), self.plan, self.credit)

    def identifiers(self) -> tuple[str, int]:
        """Study Instance UID and the number of instances, without computing or reading all of them."""
        if self.phantom is not None:
            return self.phantom.uid("study"), self.phantom.slices
        first = pydicom.dcmread(self.paths[0], stop_before_pixels=True)
        if self.keep:
            return str(first.StudyInstanceUID), len(self.paths)
        dressed = pydicom.dcmread(BytesIO(dress(first, self.plan, self.credit)))
        return str(dressed.StudyInstanceUID), len(self.paths)

    def frames(self) -> int:
        """Frames in all."""
        if self.phantom is not None:
            return self.phantom.slices
        return sum(_frames(path) for path in self.paths)


def plan_of(samples: Path | None, shared: Path | None = _BESIDE, *, keep: bool = False) -> list[Source]:
    """The exams of the demo. `samples`: a folder of DICOM files whose studies come first, else the chest CT below `shared` if it is there.

    Samples are given to invented patients unless `keep` says that they go out as they are. Raises `SamplesMissing` when the folder
    holds nothing readable.
    """
    return [*(_own(samples, keep) if samples else [_chest(shared)]), *_packaged(), _head()]


def _own(folder: Path, keep: bool) -> Iterator[Source]:
    studies: dict[str, list[Path]] = defaultdict(list)
    heads: dict[str, pydicom.Dataset] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        head = _header(path)
        if head is not None:
            studies[head.StudyInstanceUID].append(path)
            heads.setdefault(head.StudyInstanceUID, head)
    if not studies:
        raise SamplesMissing(f"SAMPLES={folder} 中没有可读的 DICOM 文件，请检查路径。")
    for index, (study, paths) in enumerate(studies.items()):
        head = heads[study]
        plan = data.sample_plan(
            index,
            str(head.get("Modality", "OT")),
            str(head.get("StudyDescription", "")),
            str(head.get("BodyPartExamined", "")),
        )
        if keep:
            plan = _kept(plan, head)
        yield Source(plan, tuple(paths), "自备影像", keep=keep)


def _kept(plan: ExamPlan, head: pydicom.Dataset) -> ExamPlan:
    """The plan with the name and number that the files carry."""
    name = str(head.get("PatientName", "")).split("=")[-1].replace("^", "")
    person = Person(name, "", plan.person.birth_date, str(head.get("OtherPatientIDs", "") or ""), "")
    return replace(plan, person=person, patient_id=str(head.get("PatientID", "")))


def _chest(shared: Path | None) -> Source:
    folder = shared / _CHEST_FOLDER if shared else None
    paths = tuple(sorted(folder.glob("*.dcm"))) if folder else ()
    if paths:
        return Source(data.CHEST_CT, paths, _CHEST_CREDIT)
    return Source(data.CHEST_CT, (), "程序计算", _phantom(data.CHEST_CT, slices=200))


def _head() -> Source:
    return Source(data.HEAD_MR, (), "程序计算", _phantom(data.HEAD_MR, slices=48, rows=320, columns=320))


def _phantom(plan: ExamPlan, **size: Any) -> PhantomRequest:
    return PhantomRequest(
        modality=plan.modality,
        person=plan.person,
        patient_id=plan.patient_id,
        charset=plan.charset,
        label=plan.label,
        institution=plan.institution.name,
        accession_number=plan.accession_number,
        study_date=plan.day,
        description=plan.description,
        **size,
    )


def _packaged() -> Iterator[Source]:
    """Pictures of those packages that are installed: the demo group of the project's dependencies."""
    for plan, package, name, credit in _PACKAGED:
        spec = find_spec(package)
        path = Path(spec.origin).parent / name if spec and spec.origin else None
        if path and path.is_file():
            yield Source(plan, (path,), credit)


def _header(path: Path) -> pydicom.Dataset | None:
    try:
        head = pydicom.dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, OSError, ValueError, AttributeError):
        return None
    return head if "StudyInstanceUID" in head and "Rows" in head else None


def _frames(path: Path) -> int:
    head = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["NumberOfFrames"])
    return int(head.get("NumberOfFrames") or 1)
