"""Documents of `exams`, `series`, `instances` and `kept_aside`, to and from the model; what names a person is sealed here."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from backend.platform.clock import SHANGHAI
from backend.platform.crypto import FieldCipher
from backend.platform.database import Binary, Document

from .header import Header
from .model import Exam, Instance, KeptAside, Patient, PersonName, Series, StreamRef
from .names import tokens

# The name as it was written, referring physician, time zone, Study ID and what else QIDO-RS tells of patient and study.
_STUDY_TAGS = (
    "00080080", "00080090", "00080201", "00081032", "00081048", "00081060", "00081080", "00100010", "00100021", "00101000",
    "00101010", "00101020", "00101030", "00200010", "00321033",
)  # fmt: skip
EXAMS, SERIES, INSTANCES, KEPT_ASIDE = "exams", "series", "instances", "kept_aside"


def exam_key(institution: str, study_instance_uid: str) -> str:
    """`_id` of an exam; series and instances are keyed alike."""
    return f"{institution}/{study_instance_uid}"


class Documents:
    """Turns the model into documents and back."""

    def __init__(self, cipher: FieldCipher) -> None:
        self._cipher = cipher

    def token(self, kind: str, value: str) -> str:
        """The blind token of a part of a name."""
        return self._cipher.token(f"name.{kind}", value)

    def blind_patient_id(self, patient_id: str) -> str:
        """The blind index of a Patient ID."""
        return self._cipher.blind("patient_id", patient_id) if patient_id else ""

    def new_exam(self, institution: str, header: Header, exam: str, person: str, now: datetime) -> Document:
        """The document of an exam of which the first instance has come."""
        key = exam_key(institution, header.study_instance_uid)
        patient = header.patient
        return {
            "_id": key,
            "exam": exam,
            "institution": institution,
            "uid": header.study_instance_uid,
            "person": person,
            "patient": self._sealed(EXAMS, "patient", key, _patient_json(patient, _study(header))),
            "patient_id": self.blind_patient_id(patient.patient_id),
            "tokens": tokens(patient.name, self.token),
            "when": sort_time(header.study_date, header.study_time, now),
            "date": header.study_date.isoformat() if header.study_date else "",
            "time": header.study_time,
            "accession": header.accession_number,
            "description": header.study_description,
            "body_part": header.body_part,
            "modalities": [header.modality] if header.modality else [],
            "series_count": 0,
            "instance_count": 0,
            "received": now,
            "updated": now,
            "doubt": header.character_set_doubt,
        }

    def exam(self, document: Document) -> Exam:
        """The exam, its personal fields opened."""
        key = document["_id"]
        opened = json.loads(self._opened(EXAMS, "patient", key, document["patient"]))
        return Exam(
            key=key,
            exam=document["exam"],
            institution=document["institution"],
            study_instance_uid=document["uid"],
            patient=_patient(opened),
            person=document["person"],
            study_date=_date(document["date"]),
            study_time=document["time"],
            accession_number=document["accession"],
            description=document["description"],
            modalities=tuple(document["modalities"]),
            body_part=document["body_part"],
            series_count=document["series_count"],
            instance_count=document["instance_count"],
            received=document["received"],
            updated=document["updated"],
            character_set_doubt=document["doubt"],
            study=opened.get("study", {}),
        )

    def new_instance(self, institution: str, header: Header, original: Original, now: datetime) -> Document:
        """The document of an instance."""
        key = exam_key(institution, header.sop_instance_uid)
        return {
            "_id": key,
            "exam": exam_key(institution, header.study_instance_uid),
            "series": exam_key(institution, header.series_instance_uid),
            "uid": header.sop_instance_uid,
            "class": header.sop_class_uid,
            "syntax": header.transfer_syntax_uid,
            "number": header.instance_number,
            "frames": header.frames,
            "rows": header.rows,
            "columns": header.columns,
            "object": original.key,
            "size": original.size,
            "sha256": original.sha256,
            "pixels": header.pixel_offset,
            "received": now,
            "header": Binary(zlib.compress(header.public.encode(), 1)),
            "personal": self._sealed(INSTANCES, "personal", key, header.personal),
        }

    def header(self, document: Document) -> dict[str, Any]:
        """The DICOM JSON header, the personal elements put back in their places."""
        elements: dict[str, Any] = json.loads(zlib.decompress(document["header"]))
        elements |= json.loads(self._opened(INSTANCES, "personal", document["_id"], document["personal"]))
        return dict(sorted(elements.items()))

    def _sealed(self, collection: str, field: str, record: str, text: str) -> Binary:
        return Binary(self._cipher.seal(text, collection=collection, field=field, record=record))

    def _opened(self, collection: str, field: str, record: str, sealed: bytes) -> str:
        return self._cipher.open(sealed, collection=collection, field=field, record=record)


@dataclass(frozen=True, slots=True)
class Original:
    """Where the bytes as received are."""

    key: str
    size: int
    sha256: str


def sort_time(day: date | None, time: str, received: datetime) -> str:
    """What exams are ordered by: day and time of the examination, else of its receipt, as digits; comparable as text."""
    if day is None:
        return received.astimezone(SHANGHAI).strftime("%Y%m%d%H%M%S")
    return f"{day:%Y%m%d}{time[:6]:0<6}"


def new_series(institution: str, header: Header, now: datetime) -> Document:
    """The document of a series of which the first instance has come."""
    return {
        "_id": exam_key(institution, header.series_instance_uid),
        "exam": exam_key(institution, header.study_instance_uid),
        "uid": header.series_instance_uid,
        "modality": header.modality,
        "number": header.series_number,
        "description": header.series_description,
        "body_part": header.body_part,
        "instance_count": 0,
        "version": 0,
        "index": "",
        "index_version": -1,
        "lead": None,
        "received": now,
        "updated": now,
    }


def series(document: Document) -> Series:
    """The series."""
    return Series(
        key=document["_id"],
        exam_key=document["exam"],
        series_instance_uid=document["uid"],
        modality=document["modality"],
        number=document["number"],
        description=document["description"],
        body_part=document["body_part"],
        instance_count=document["instance_count"],
        version=document["version"],
        index=document["index"],
        index_version=document["index_version"],
        lead=document["lead"],
    )


def instance(document: Document) -> Instance:
    """The instance."""
    stream = document.get("stream")
    return Instance(
        key=document["_id"],
        exam_key=document["exam"],
        series_key=document["series"],
        sop_instance_uid=document["uid"],
        sop_class_uid=document["class"],
        transfer_syntax_uid=document["syntax"],
        instance_number=document["number"],
        frames=document["frames"],
        rows=document["rows"],
        columns=document["columns"],
        original=document["object"],
        size=document["size"],
        sha256=document["sha256"],
        pixel_offset=document["pixels"],
        received=document["received"],
        stream=StreamRef(stream["key"], stream["size"], bytes(stream["ends"])) if stream else None,
        flag=document.get("flag", ""),
    )


def kept_aside(document: Document) -> KeptAside:
    """What was kept aside."""
    return KeptAside(
        id=document["_id"],
        institution=document["institution"],
        source=document["source"],
        code=document["code"],
        text=document["text"],
        sop_class_uid=document["class"],
        sop_instance_uid=document["uid"],
        study_instance_uid=document["study"],
        object=document["object"],
        size=document["size"],
        sha256=document["sha256"],
        first=document["first"],
        last=document["last"],
        times=document["times"],
    )


def _study(header: Header) -> dict[str, Any]:
    """Study-level elements that have no field of their own (PS3.18 Table 10.6.3-3 and what `includefield` may ask for)."""
    elements = json.loads(header.public) | json.loads(header.personal)
    return {tag: elements[tag] for tag in _STUDY_TAGS if "Value" in elements.get(tag, {})}


def _patient_json(patient: Patient, study: dict[str, Any]) -> str:
    fields = {
        "name": [patient.name.alphabetic, patient.name.ideographic, patient.name.phonetic],
        "id": patient.patient_id,
        "number": patient.id_number,
        "phone": patient.phone,
        "sex": patient.sex,
        "born": patient.birth_date.isoformat() if patient.birth_date else "",
        "study": study,
    }
    return json.dumps(fields, ensure_ascii=False)


def _patient(fields: dict[str, Any]) -> Patient:
    name = PersonName(*fields["name"])
    return Patient(name, fields["id"], fields["number"], fields["phone"], fields["sex"], _date(fields["born"]))


def _date(text: str) -> date | None:
    return date.fromisoformat(text) if text else None
