"""Gives a real picture to an invented patient: pixels and geometry stay, every trace of the former person goes."""

from __future__ import annotations

from hashlib import sha256
from io import BytesIO

from pydicom import Dataset, FileDataset
from pydicom.dataelem import DataElement
from pydicom.uid import UID

from backend.phantom import CHARSETS, person_name, set_texts

from .data import ExamPlan

_KEPT_OF_PATIENT = {"PatientSex", "PatientSize", "PatientWeight"}
_REMOVED = (
    "InstitutionAddress",
    "InstitutionalDepartmentName",
    "StationName",
    "DeviceSerialNumber",
    "StudyID",
    "RequestAttributesSequence",
    "ReferencedStudySequence",
    "ReferencedPatientSequence",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
    "PerformedProcedureStepID",
    "ScheduledProcedureStepID",
    "PerformedProcedureStepDescription",
    "AdmissionID",
    "IssuerOfAdmissionIDSequence",
    "OriginalAttributesSequence",
)


def dress(dataset: FileDataset, plan: ExamPlan, credit: str) -> bytes:
    """The file of `dataset` as the hospital of `plan` would have made it. The same input gives the same bytes.

    UIDs are replaced one to one, so series stay series; the source is named in Study Comments by `credit`.
    """
    for keyword in _REMOVED:
        if keyword in dataset:
            delattr(dataset, keyword)
    dataset.remove_private_tags()
    dataset.walk(lambda owner, element: _cleanse(owner, element, plan))
    for element in list(dataset.group_dataset(0x0010)):
        if element.keyword not in _KEPT_OF_PATIENT:
            del dataset[element.tag]
    _identify(dataset, plan)
    set_texts(dataset, _texts(dataset, plan, credit), CHARSETS[plan.charset], plan.label)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _cleanse(owner: Dataset, element: DataElement, plan: ExamPlan) -> None:
    """Removes names of persons and replaces identifiers, at every depth."""
    if element.VR == "PN":
        del owner[element.tag]
    elif element.VR == "UI" and element.value:
        several = element.VM > 1
        fresh = [_renamed(str(uid), plan) for uid in (element.value if several else [element.value])]
        element.value = fresh if several else fresh[0]


def _renamed(uid: str, plan: ExamPlan) -> UID:
    """Registered UIDs (classes, syntaxes) as they are, any other replaced by one under 2.25."""
    known = UID(uid)
    if known.name != uid:
        return known
    digest = sha256(f"yunying-demo/{plan.key}/{uid}".encode()).digest()
    return UID(f"2.25.{int.from_bytes(digest[:16])}")


def _identify(dataset: Dataset, plan: ExamPlan) -> None:
    for name in ("Study", "Series", "Acquisition", "Content"):
        setattr(dataset, f"{name}Date", f"{plan.day:%Y%m%d}")
        if not dataset.get(f"{name}Time"):
            setattr(dataset, f"{name}Time", "091500")
    dataset.AccessionNumber = plan.accession_number
    dataset.PatientID = plan.patient_id
    dataset.PatientSex = plan.person.sex
    dataset.PatientBirthDate = f"{plan.person.birth_date:%Y%m%d}"
    dataset.PatientAge = f"{(plan.day - plan.person.birth_date).days // 365:03d}Y"
    dataset.OtherPatientIDs = plan.person.id_number
    dataset.PatientTelephoneNumbers = plan.person.phone
    dataset.BodyPartExamined = plan.body_part


def _texts(dataset: Dataset, plan: ExamPlan, credit: str) -> dict[str, str]:
    return {
        "PatientName": person_name(plan.person.name),
        "InstitutionName": plan.institution.name,
        "StudyDescription": plan.description,
        "SeriesDescription": str(dataset.get("SeriesDescription") or plan.description),
        "StudyComments": f"演示：图像取自 {credit}，患者信息为虚构",
    }
