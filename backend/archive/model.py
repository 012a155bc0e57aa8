"""Exam, series, instance, and what comes of receiving one. Plain data; personal fields are readable here and sealed in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from backend.access.model import ExamRef


@dataclass(frozen=True, slots=True)
class PersonName:
    """A name as the hospital wrote it, split in the groups of PS3.5 6.2.1, without escape sequences."""

    alphabetic: str = ""
    ideographic: str = ""
    phonetic: str = ""

    @property
    def shown(self) -> str:
        """The name for people: ideographic if there is one, components joined without separators; else the alphabetic one."""
        if self.ideographic:
            return self.ideographic.replace("^", "").strip()
        return self.alphabetic.replace("^", " ").strip()


@dataclass(frozen=True, slots=True)
class Patient:
    """What the hospital recorded of the person examined."""

    name: PersonName = field(default_factory=PersonName)
    patient_id: str = ""
    id_number: str = ""
    """A GB 11643 number, from Other Patient IDs or the Patient ID itself; empty if none."""
    phone: str = ""
    sex: str = ""
    birth_date: date | None = None


@dataclass(frozen=True, slots=True)
class Exam:
    """One study of one institution."""

    key: str
    """`{institution}/{StudyInstanceUID}`."""
    exam: str
    """Random public id."""
    institution: str
    study_instance_uid: str
    patient: Patient
    person: str
    """Blind key of the person: of the ID number, else of institution and Patient ID; empty if neither."""
    study_date: date | None
    """Day of the examination by the hospital's clock; None if it recorded none."""
    study_time: str
    accession_number: str
    description: str
    modalities: tuple[str, ...]
    body_part: str
    series_count: int
    instance_count: int
    received: datetime
    updated: datetime
    character_set_doubt: str = ""
    """Why the character set is doubted (mislabelled text, as detected); empty if it is not."""
    study: Mapping[str, Any] = field(default_factory=dict)
    """Other study-level elements of the first instance in the DICOM JSON model, as QIDO-RS returns them."""

    @property
    def ref(self) -> ExamRef:
        """What the policy must know."""
        return ExamRef(self.exam, self.institution, self.person, self.study_instance_uid)


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an exam."""

    key: str
    """`{institution}/{SeriesInstanceUID}`."""
    exam_key: str
    series_instance_uid: str
    modality: str
    number: int | None
    description: str
    body_part: str
    instance_count: int
    version: int
    """Rises with every change; derived objects name the version that they were made of."""
    index: str = ""
    """Object key of the derived series index; empty until derived."""
    index_version: int = -1
    """The `version` that `index` was made of."""
    lead: Mapping[str, Any] | None = None
    """What the first picture needs: see viewing."""


@dataclass(frozen=True, slots=True)
class StreamRef:
    """Where the stream object of an instance is, and the prefix length of each resolution of each frame."""

    key: str
    size: int
    ends: bytes
    """little-endian uint32, frames x (1 + resolutions): start offset of the frame, then the prefix lengths, lowest resolution first."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One SOP instance as received."""

    key: str
    """`{institution}/{SOPInstanceUID}`."""
    exam_key: str
    series_key: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    instance_number: int | None
    frames: int
    rows: int
    columns: int
    original: str
    """Object key of the bytes as received (a Part 10 file)."""
    size: int
    sha256: str
    pixel_offset: int
    """Offset of the Pixel Data element in the file, -1 if there is none: the header can be read without the pixels."""
    received: datetime
    stream: StreamRef | None = None
    flag: str = ""
    """Why the instance cannot be derived; it is then shown from the original, or not at all."""


class Outcome(StrEnum):
    """What became of one instance that was offered."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    """The same bytes were there already: success, nothing written."""
    KEPT_ASIDE = "kept-aside"
    """Other bytes under a known UID: kept aside and reported."""
    REFUSED = "refused"
    """Not DICOM, not readable, too large, or not allowed: kept aside if it could be, never stored."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer for one instance. STORED and DUPLICATE are given only when original and metadata are durable."""

    outcome: Outcome
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    study_instance_uid: str = ""
    code: str = ""
    """Stable reason for KEPT_ASIDE and REFUSED."""
    text: str = ""
    """The reason in Chinese."""


@dataclass(frozen=True, slots=True)
class ExamQuery:
    """What exams are looked for; conditions are joined by "and", None and empty ones do not restrict."""

    since: date | None = None
    """First day of examination, inclusive, by the hospital's clock; exams without a date count by their day of receipt."""
    until: date | None = None
    """Last day of examination, inclusive."""
    institution: str = ""
    modality: str = ""
    accession_number: str = ""
    patient_id: str = ""
    name: str = ""
    """Characters, pinyin, initials, or a DICOM pattern with `*` and `?`."""
    exact_name: bool = False
    """The whole name, as DICOM matches without wildcards; else also parts of it."""
    study_instance_uid: str = ""


@dataclass(frozen=True, slots=True)
class ExamPage:
    """Exams, newest first, and the place of the next page."""

    items: tuple[Exam, ...]
    next: str | None
    """Opaque; None on the last page."""


@dataclass(frozen=True, slots=True)
class KeptAside:
    """Something that was not stored as an instance, kept for a person to look at."""

    id: str
    institution: str
    source: str
    """The door and the peer: `dimse:AE`, `stow:subject`."""
    code: str
    text: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    object: str
    """Object key of the bytes; empty if they were not kept."""
    size: int
    sha256: str
    first: datetime
    last: datetime
    times: int
    """How often the same bytes were sent."""


@dataclass(frozen=True, slots=True)
class KeptAsidePage:
    """What was kept aside, newest first."""

    items: tuple[KeptAside, ...]
    next: str | None
