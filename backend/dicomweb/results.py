"""The rows of QIDO-RS: attributes of each level in the DICOM JSON model (PS3.18 10.6.3, F.2)."""

from __future__ import annotations

from typing import Any

from pydicom.datadict import dictionary_VR

from backend.archive.model import Exam, Instance, PersonName, Series

from .attributes import EMPTY_IF_UNKNOWN, OPTIONAL, RETURNED
from .matching import DataSet
from .model import Level, Search


def element(tag: str, *values: Any) -> dict[str, Any]:
    """A data element; values that are None or empty are left out."""
    present = [value for value in values if value not in (None, "")]
    vr = dictionary_VR(int(tag, 16)).split(" ")[0]
    return {"vr": vr, "Value": present} if present else {"vr": vr}


def person_name(name: PersonName) -> dict[str, str] | None:
    """A name in its groups; None if there is none."""
    groups = {"Alphabetic": name.alphabetic, "Ideographic": name.ideographic, "Phonetic": name.phonetic}
    return {group: text for group, text in groups.items() if text} or None


def study_attributes(exam: Exam, retrieve: str) -> dict[str, Any]:
    """All that is known of a study. `retrieve`: URL of the DICOMweb service."""
    birth = exam.patient.birth_date
    return {
        "00100010": element("00100010", person_name(exam.patient.name)),
        **exam.study,
        "00080005": element("00080005", "ISO_IR 192"),
        "00080020": element("00080020", exam.study_date and exam.study_date.strftime("%Y%m%d")),
        "00080030": element("00080030", exam.study_time),
        "00080050": element("00080050", exam.accession_number),
        "00080056": element("00080056", "ONLINE"),
        "00080061": element("00080061", *exam.modalities),
        "00081030": element("00081030", exam.description),
        "00081190": element("00081190", f"{retrieve}/studies/{exam.study_instance_uid}"),
        "00100020": element("00100020", exam.patient.patient_id),
        "00100030": element("00100030", birth and birth.strftime("%Y%m%d")),
        "00100040": element("00100040", exam.patient.sex),
        "0020000D": element("0020000D", exam.study_instance_uid),
        "00201206": element("00201206", exam.series_count),
        "00201208": element("00201208", exam.instance_count),
    }


def series_attributes(study: DataSet, series: Series, header: DataSet) -> dict[str, Any]:
    """All that is known of a series, its study's attributes included."""
    url = f"{study['00081190']['Value'][0]}/series/{series.series_instance_uid}"
    return {
        **study,
        **{tag: header[tag] for tag in header if tag not in study},
        "00080060": element("00080060", series.modality),
        "0008103E": element("0008103E", series.description),
        "00081190": element("00081190", url),
        "00180015": element("00180015", series.body_part),
        "0020000E": element("0020000E", series.series_instance_uid),
        "00200011": element("00200011", series.number),
        "00201209": element("00201209", series.instance_count),
    }


def instance_attributes(series: DataSet, instance: Instance, header: DataSet) -> dict[str, Any]:
    """All that is known of an instance, its series' and study's attributes included."""
    url = f"{series['00081190']['Value'][0]}/instances/{instance.sop_instance_uid}"
    image = instance.rows > 0
    return {
        **header,
        **series,
        "00080016": element("00080016", instance.sop_class_uid),
        "00080018": element("00080018", instance.sop_instance_uid),
        "00081190": element("00081190", url),
        "00200013": element("00200013", instance.instance_number),
        "00280008": element("00280008", instance.frames if image else None),
        "00280010": element("00280010", instance.rows or None),
        "00280011": element("00280011", instance.columns or None),
        "00083002": element("00083002", instance.transfer_syntax_uid),
    }


def shown(known: DataSet, search: Search) -> dict[str, Any]:
    """The row that was asked for: what its level must return, and what was asked for besides.

    Below the study, attributes of the levels above come along where the request did not name them (PS3.18 10.6.3.3.2).
    """
    levels = [search.level]
    if search.level is not Level.STUDY and not search.study:
        levels.append(Level.STUDY)
    if search.level is Level.INSTANCE and not search.series:
        levels.append(Level.SERIES)
    wanted = {tag for level in levels for tag in RETURNED[level]} | _KEYS[search.level]
    possible = (
        known.keys() if search.level is Level.INSTANCE else frozenset[str]().union(*map(_offered, _ABOVE[search.level]))
    )
    wanted |= possible if search.include_all else possible & {asked.tag for asked in search.include}
    row: dict[str, Any] = {}
    for tag in sorted(wanted):
        held = known.get(tag)
        if held is not None and len(held) > 1:
            row[tag] = held
        elif tag in EMPTY_IF_UNKNOWN:
            row[tag] = element(tag)
    return row


def _offered(level: Level) -> frozenset[str]:
    return OPTIONAL[level] | frozenset(RETURNED[level])


_ABOVE = {
    Level.STUDY: (Level.STUDY,),
    Level.SERIES: (Level.STUDY, Level.SERIES),
    Level.INSTANCE: (Level.STUDY, Level.SERIES, Level.INSTANCE),
}

_KEYS = {
    Level.STUDY: set[str](),
    Level.SERIES: {"0020000D"},
    Level.INSTANCE: {"0020000D", "0020000E", "00083002"},
}
"""Identifiers of the levels above: always given, so that each row tells where it belongs."""
