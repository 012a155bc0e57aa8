"""Attributes by keyword or tag, and which of them each level returns and matches (PS3.18 Tables 10.6.1-5 and 10.6.3-3 to -5)."""

from __future__ import annotations

import re

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from backend.platform.errors import Invalid

from .model import Attribute, Level

_TAG = re.compile(r"[0-9A-Fa-f]{8}")


def _tags(keywords: str) -> tuple[str, ...]:
    """Tags of keywords, those of sequence items joined by dots."""
    return tuple(
        ".".join(f"{tag_for_keyword(part) or 0:08X}" for part in keyword.split(".")) for keyword in keywords.split()
    )


RETURNED: dict[Level, tuple[str, ...]] = {
    Level.STUDY: _tags(
        "SpecificCharacterSet StudyDate StudyTime AccessionNumber InstanceAvailability ModalitiesInStudy "
        "ReferringPhysicianName TimezoneOffsetFromUTC RetrieveURL PatientName PatientID PatientBirthDate PatientSex "
        "StudyInstanceUID StudyID NumberOfStudyRelatedSeries NumberOfStudyRelatedInstances"
    ),
    Level.SERIES: _tags(
        "SpecificCharacterSet Modality TimezoneOffsetFromUTC SeriesDescription RetrieveURL SeriesInstanceUID SeriesNumber "
        "NumberOfSeriesRelatedInstances PerformedProcedureStepStartDate PerformedProcedureStepStartTime "
        "RequestAttributesSequence"
    ),
    Level.INSTANCE: _tags(
        "SpecificCharacterSet SOPClassUID SOPInstanceUID InstanceAvailability TimezoneOffsetFromUTC RetrieveURL "
        "InstanceNumber Rows Columns BitsAllocated NumberOfFrames"
    ),
}
"""What each level always returns, as far as it has a value."""

OPTIONAL: dict[Level, frozenset[str]] = {
    Level.STUDY: frozenset(
        _tags(
            "StudyDescription IssuerOfPatientID OtherPatientIDs OtherPatientIDsSequence OtherPatientNames PatientAge PatientSize "
            "PatientWeight PatientBirthTime PatientComments EthnicGroup Occupation AdditionalPatientHistory MedicalAlerts "
            "Allergies PregnancyStatus AdmittingDiagnosesDescription ProcedureCodeSequence NameOfPhysiciansReadingStudy "
            "PhysiciansOfRecord ReferencedStudySequence InstitutionName SOPClassesInStudy RequestingService"
        )
    ),
    Level.SERIES: frozenset(
        _tags(
            "SeriesDate SeriesTime ProtocolName BodyPartExamined Laterality PatientPosition FrameOfReferenceUID Manufacturer "
            "ManufacturerModelName StationName InstitutionName InstitutionAddress InstitutionalDepartmentName DeviceSerialNumber "
            "SoftwareVersions OperatorsName PerformingPhysicianName PerformedProcedureStepID "
            "PerformedProcedureStepDescription SeriesDescriptionCodeSequence SpacingBetweenSlices SliceThickness KVP"
        )
    ),
    Level.INSTANCE: frozenset(),
}
"""What a level returns besides when asked by name or by `includefield=all`; an instance returns whatever it has."""

EMPTY_IF_UNKNOWN = frozenset(
    _tags(
        "StudyDate StudyTime AccessionNumber ReferringPhysicianName PatientName PatientID PatientBirthDate PatientSex StudyID "
        "SeriesNumber InstanceNumber"
    )
)
"""Returned attributes that stay in the answer without a value when the hospital recorded none."""

MATCHED: dict[Level, frozenset[str]] = {
    Level.STUDY: frozenset(
        _tags(
            "StudyDate StudyTime AccessionNumber ModalitiesInStudy ReferringPhysicianName PatientName PatientID "
            "PatientBirthDate PatientSex StudyInstanceUID StudyID StudyDescription"
        )
    ),
    Level.SERIES: frozenset(
        _tags(
            "Modality SeriesInstanceUID SeriesNumber PerformedProcedureStepStartDate PerformedProcedureStepStartTime "
            "RequestAttributesSequence.ScheduledProcedureStepID RequestAttributesSequence.RequestedProcedureID "
            "SeriesDescription BodyPartExamined"
        )
    ),
    Level.INSTANCE: frozenset(_tags("SOPClassUID SOPInstanceUID InstanceNumber Rows Columns NumberOfFrames")),
}
"""What each level matches on. Lower levels match on those above as well (relational queries)."""


def attribute(name: str, parameter: str) -> Attribute:
    """The attribute of a keyword, a tag, or a path of them joined by dots. Raises `Invalid` naming the parameter."""
    parts = name.split(".")
    if len(parts) > 3:
        raise _unknown(name, parameter)
    tags = [_tag(part, name, parameter) for part in parts]
    try:
        vr = dictionary_VR(tags[-1])
    except KeyError:
        vr = "UN"
    return Attribute(
        tuple(f"{tag:08X}" for tag in tags), vr.split(" ")[0], keyword_for_tag(tags[-1]) or f"{tags[-1]:08X}"
    )


def level_of(asked: Attribute) -> Level | None:
    """The level that matches on this attribute; None if none does."""
    return next((level for level in Level if ".".join(asked.path) in MATCHED[level]), None)


def _tag(part: str, name: str, parameter: str) -> int:
    if _TAG.fullmatch(part):
        return int(part, 16)
    tag = tag_for_keyword(part)
    if tag is None:
        raise _unknown(name, parameter)
    return tag


def _unknown(name: str, parameter: str) -> Invalid:
    shown = name if name.isascii() and name.isprintable() and len(name) <= 64 else "?"
    return Invalid(
        f"参数 {shown} 不是已知的 DICOM 属性，请使用属性关键字（如 PatientName）或八位十六进制标签（如 00100010）。",
        code="unknown-attribute",
        parameter=parameter if parameter == "includefield" else shown,
    )
