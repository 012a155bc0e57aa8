"""Reading the header of a Part 10 stream (PS3.10) with limits and without the pixels."""

from __future__ import annotations

import json
import logging
import re
import struct
import warnings
import zlib
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import BinaryIO, cast

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

import render
from backend.identity.documents import is_id_number, normal_id_number, normal_phone
from backend.platform.errors import Invalid

from .dicom_json import JsonWriter
from .model import Patient
from .names import parse_name
from .texts import HeaderTooLarge, Item, Meter, Metered

# pydicom warns of every odd value that it meets; what matters here becomes a doubt or a refusal.
warnings.filterwarnings("ignore", module="pydicom")
logging.getLogger("pydicom").setLevel(logging.ERROR)

DEFLATED = "1.2.840.10008.1.2.1.99"
IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
_GE_PRIVATE = "1.2.840.113619.5.2"
_PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_DEFER = 64 << 10
_MAX_INFLATED = 64 << 20
_MAX_READS = 1_000_000
_STORABLE = re.compile(r"1\.2\.840\.10008\.1\.2(\.\d+){0,4}|" + re.escape(_GE_PRIVATE))


class Refused(Invalid):
    """The instance cannot be stored; `code` says which of the reasons, `text` says it in Chinese."""

    code = "unreadable"
    default_text = "文件头无法解析，文件可能已损坏，请从原系统重新导出后再上传。"


@dataclass(frozen=True, slots=True)
class Header:
    """What ingest must know of an instance."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    patient: Patient
    study_date: date | None
    study_time: str
    study_description: str
    accession_number: str
    modality: str
    series_number: int | None
    series_description: str
    body_part: str
    instance_number: int | None
    rows: int
    columns: int
    frames: int
    pixel_offset: int
    character_set_doubt: str
    public: str
    """DICOM JSON of the elements that identify nobody."""
    personal: str
    """DICOM JSON of the elements that identify persons."""


def read_header(stream: BinaryIO, size: int) -> Header:
    """The header of the file of `size` bytes behind `stream`. Raises `Refused`, whatever is wrong with it."""
    try:
        return _read(stream, size)
    except (Refused, MemoryError):
        raise
    except HeaderTooLarge as error:
        raise Refused("文件头中的元素过多，已拒绝。", code="header-too-large") from error
    except RecursionError as error:
        raise Refused("文件头的序列嵌套过深，已拒绝。", code="nested-too-deep") from error
    except Exception as error:  # pydicom raises nearly anything on broken files
        raise Refused from error


def _read(stream: BinaryIO, size: int) -> Header:
    syntax, start = _transfer_syntax(stream)
    if not _STORABLE.fullmatch(syntax):
        raise Refused("传输语法不是标准所定义的，无法保存。请以标准传输语法重新导出。", code="transfer-syntax")
    stream.seek(start)
    if syntax == DEFLATED:
        stream, size = _inflated(stream)
    stop = _Stop()
    little = syntax != BIG_ENDIAN
    meter = Meter(_MAX_READS)
    metered = cast(BinaryIO, Metered(stream, meter))
    dataset = read_dataset(metered, syntax == IMPLICIT, little, stop_when=stop, defer_size=_DEFER)
    dataset.set_original_encoding(syntax == IMPLICIT, little)
    offset = stream.tell() if stop.stopped else -1
    if not stop.stopped and _is_cut(dataset, stream, size):
        raise Refused("文件不完整：在文件头之内就结束了，请重新传输。", code="truncated")
    _complete_sequences(dataset, metered)
    item = Item(dataset, meter)
    rows, columns, frames = _pixels(dataset, syntax, stop, size - offset)
    public, personal = JsonWriter(little, -1 if syntax == DEFLATED else 0).split(item)
    return Header(
        **_identity(item),
        transfer_syntax_uid=syntax,
        patient=_patient(item),
        study_date=_date(item.text("StudyDate")),
        study_time=re.sub(r"[^0-9.]", "", item.text("StudyTime"))[:16],
        study_description=item.text("StudyDescription")[:200],
        accession_number=item.text("AccessionNumber")[:64],
        modality=item.text("Modality").upper()[:16],
        series_number=_bounded(item.number("SeriesNumber")),
        series_description=item.text("SeriesDescription")[:200],
        body_part=item.text("BodyPartExamined").upper()[:64],
        instance_number=_bounded(item.number("InstanceNumber")),
        rows=rows,
        columns=columns,
        frames=frames,
        pixel_offset=-1 if syntax == DEFLATED else offset,
        character_set_doubt=item.reader.doubt,
        public=json.dumps(public, ensure_ascii=False, separators=(",", ":")),
        personal=json.dumps(personal, ensure_ascii=False, separators=(",", ":")),
    )


class _Stop:
    """Ends reading before the pixels and notes the declared length of their value."""

    def __init__(self) -> None:
        self.stopped = False
        self.length = 0

    def __call__(self, tag: BaseTag, vr: str | None, length: int) -> bool:
        if int(tag) in _PIXELS or int(tag) >> 16 > 0x7FE0:
            self.stopped, self.length = int(tag) in _PIXELS, length
            return True
        return False


def data_set_start(head: bytes) -> tuple[str, int]:
    """Transfer syntax and where the data set begins in a file whose first bytes are `head`; ("", 0) where that cannot be read."""
    try:
        return _transfer_syntax(BytesIO(head))
    except Exception:  # pydicom raises nearly anything on broken files
        return "", 0


def _transfer_syntax(stream: BinaryIO) -> tuple[str, int]:
    """Transfer Syntax UID and where the data set begins; guessed for a data set without preamble (PS3.10 7.1)."""
    head = stream.read(132 + 16)
    if head[128:132] != b"DICM":
        return _bare(head)
    stream.seek(132)
    meta = read_dataset(stream, False, True, stop_when=lambda tag, vr, length: int(tag) >> 16 != 2)
    start = stream.tell()
    syntax = str(meta.get("TransferSyntaxUID", "") or "").strip(" \0")
    if syntax:
        return syntax, start
    return _guessed(stream.read(6)), start


def _bare(head: bytes) -> tuple[str, int]:
    """A data set that begins at once, as some devices write files."""
    if len(head) < 132 or head[:2] not in (b"\x08\x00", b"\x00\x08") or head[2:4] not in _FIRST_ELEMENTS:
        raise Refused("这不是 DICOM 文件。", code="not-dicom")
    return _guessed(head[:6]), 0


_FIRST_ELEMENTS = frozenset(struct.pack(o + "H", e) for o in "<>" for e in (0, 1, 5, 8, 0x12, 0x14, 0x16, 0x18))


def _guessed(first: bytes) -> str:
    if first[4:6].isalpha() and first[4:6].isupper():
        return BIG_ENDIAN if first[0] == 0 else EXPLICIT
    return IMPLICIT


def _inflated(stream: BinaryIO) -> tuple[BinaryIO, int]:
    """The beginning of a deflated data set unfolded (PS3.5 A.5), and its size, which is boundless where that was not all."""
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = engine.decompress(stream.read(), _MAX_INFLATED)
    return BytesIO(plain), 1 << 62 if engine.unconsumed_tail else len(plain)


def _complete_sequences(dataset: Dataset, stream: BinaryIO) -> None:
    """Reads the sequences that were passed over for their length, as long values are."""
    for tag, element in list(dataset.items()):
        if isinstance(element, RawDataElement) and element.value is None and element.length:
            known = element.VR or (dictionary_VR(tag) if dictionary_has_tag(tag) else "UN")
            if known == "SQ":
                stream.seek(element.value_tell)
                dataset[tag] = element._replace(value=stream.read(element.length))


def _is_cut(dataset: Dataset, stream: BinaryIO, size: int) -> bool:
    """Whether the file ends inside the last element."""
    if not dataset:
        return True
    last = max(dataset.items())[1]
    if not isinstance(last, RawDataElement) or last.length in (0, 0xFFFFFFFF):
        return False
    if last.value is None:
        return last.value_tell + last.length > size
    return len(last.value) < last.length


def _pixels(dataset: Dataset, syntax: str, stop: _Stop, left: int) -> tuple[int, int, int]:
    """Rows, columns, frames; zeros where there is no image. Refuses what its bytes cannot hold, before anything is allocated."""
    try:
        form = render.describe(dataset)
    except render.LimitExceeded as error:
        raise Refused("声明的像素尺寸超出系统上限，已拒绝。", code="pixel-size") from error
    except render.RenderError:
        return 0, 0, 0
    native = syntax in (IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED, _GE_PRIVATE)
    if stop.stopped and native and stop.length != 0xFFFFFFFF:
        if stop.length > left:
            raise Refused("文件不完整：像素数据没有传完，请重新传输。", code="truncated")
        if (form.stored_frame_bits * form.frames + 7) // 8 > stop.length:
            raise Refused("声明的像素尺寸与实际数据不符，无法显示，已拒绝。", code="pixel-size")
    return form.rows, form.columns, form.frames


def _identity(item: Item) -> dict[str, str]:
    """The UIDs that an instance must have."""
    found = {}
    for name, keyword in (
        ("sop_class_uid", "SOPClassUID"),
        ("sop_instance_uid", "SOPInstanceUID"),
        ("study_instance_uid", "StudyInstanceUID"),
        ("series_instance_uid", "SeriesInstanceUID"),
    ):
        uid = item.text(keyword)
        if not uid:
            raise Refused(f"缺少必需的标识 {keyword}，无法归档。", code="no-uid")
        if len(uid) > 64 or not _UID.fullmatch(uid):
            raise Refused(f"标识 {keyword} 不符合规范（只能由数字和点组成，最长 64 个字符）。", code="bad-uid")
        found[name] = uid
    return found


def _patient(item: Item) -> Patient:
    patient_id = item.text("PatientID")[:64]
    return Patient(
        name=parse_name(item.text("PatientName")[:200]),
        patient_id=patient_id,
        id_number=_id_number(item, patient_id),
        phone=next(filter(None, map(normal_phone, item.texts("PatientTelephoneNumbers"))), ""),
        sex=item.text("PatientSex")[:1].upper(),
        birth_date=_date(item.text("PatientBirthDate")),
    )


def _id_number(item: Item, patient_id: str) -> str:
    candidates = item.texts("OtherPatientIDs")
    candidates += [other.text("PatientID") for other in item.items(0x00101002)]
    # Whether the day of birth lies in the past is the register's to judge: it has a clock.
    return next((normal_id_number(c) for c in [*candidates, patient_id] if is_id_number(c, date.max)), "")


def _date(text: str) -> date | None:
    digits = text.replace(".", "").replace("-", "")[:8]
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])) if len(digits) == 8 else None
    except ValueError:
        return None


def _bounded(number: int | None) -> int | None:
    """What BSON can hold."""
    return number if number is not None and -(1 << 62) < number < 1 << 62 else None
