"""Character sets: the standard's examples byte by byte, real files, names of real people, wrong labels. Bytes are never changed."""

from __future__ import annotations

import asyncio
import tempfile
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pynetdicom import AE

import backend.archive.charset as charset
from backend.access.model import Scope
from backend.archive.dicom_node import TRANSFER_SYNTAXES
from backend.archive.header import read_header
from backend.archive.model import ExamQuery
from tests.archive.conftest import Archive
from tests.archive.samples import CT_CLASS, named
from tests.archive.test_dicom_node import _unread, data_set
from tests.archive.web import multipart, outcome, start_web
from tests.images import shared_dicom

NAMES = ["张三", "李娜", "陈䶮", "李㛃", "王𬱖", "阿依努尔·买买提", "單曉東", "欧阳晓东"]
K2 = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="


def header_of(content: bytes):
    return read_header(BytesIO(content), len(content))


def test_k2_is_read() -> None:
    header = header_of(named(K2, "\\ISO 2022 IR 58"))
    assert header.patient.name.ideographic == "张^小东" and header.patient.name.alphabetic == "Zhang^XiaoDong"
    assert header.character_set_doubt == ""


def test_k2_is_written() -> None:
    dataset = Dataset()
    dataset.SpecificCharacterSet = ["", "ISO 2022 IR 58"]
    dataset.PatientName = "Zhang^XiaoDong=张^小东="
    held = DicomBytesIO()
    held.is_little_endian, held.is_implicit_VR = True, False
    write_dataset(held, dataset)
    assert held.getvalue().endswith(K2.rstrip(b"="))


def test_k3_lines_are_read() -> None:
    """PS3.5 K.3: the escape sequence is repeated on each line, since a line's end resets it."""
    lines = b"The first line includes\x1b$)A\xd6\xd0\xce\xc4.\r\nThe second line includes\x1b$)A\xd6\xd0\xce\xc4, too.\r\nThe third line.\r\n"
    reader = charset.reader_for(["", "ISO 2022 IR 58"], [lines])
    assert (
        reader.text(lines)
        == "The first line includes中文.\r\nThe second line includes中文, too.\r\nThe third line.\r\n"
    )


def test_nothing_is_written_as_a_question_mark() -> None:
    assert charset.encode("陈䶮", "GB18030") == "陈䶮".encode("gb18030")
    with pytest.raises(ValueError, match="not in"):
        charset.encode("陈䶮", "ISO_IR 100")


RIGHT = [("GB18030", "gb18030"), ("GBK", "gbk"), ("ISO_IR 192", "utf-8"), ("GB2312", "gb2312")]
WRONG = [
    (None, "gb18030"), (None, "utf-8"), ("", "gb18030"), ("ISO_IR 6", "utf-8"), ("ISO_IR 100", "gb18030"), ("ISO_IR 100", "utf-8"),
    ("ISO_IR 192", "gb18030"), ("GB18030", "utf-8"), ("GBK", "utf-8"), ("ISO_IR 999", "utf-8"), ("UNKNOWN", "gb18030"),
]  # fmt: skip


def encodings(pairs):
    for label, codec in pairs:
        for name in NAMES:
            try:
                yield pytest.param(label, name.encode(codec), name, id=f"{label}-{codec}-{name}")
            except UnicodeEncodeError:
                continue


@pytest.mark.parametrize(("label", "written", "name"), encodings(RIGHT))
def test_right_labels_are_believed(label: str, written: bytes, name: str) -> None:
    header = header_of(named(written, label))
    assert (header.patient.name.shown, header.character_set_doubt) == (name, "")


@pytest.mark.parametrize(("label", "written", "name"), encodings(WRONG))
def test_wrong_labels_are_found_out(label: str | None, written: bytes, name: str) -> None:
    header = header_of(named(written, label))
    assert header.patient.name.shown == name
    assert header.character_set_doubt and "?" not in header.character_set_doubt


@pytest.mark.parametrize("label", ["ISO_IR_192", "ISO IR 192", "iso_ir 192", "UTF-8", "ISO-IR 192"])
def test_typing_mistakes_in_labels_are_mended(label: str) -> None:
    assert header_of(named("欧阳晓东".encode(), label)).patient.name.shown == "欧阳晓东"


@pytest.mark.parametrize(
    ("label", "written", "name"),
    [
        ("ISO_IR 100", "Buc^Jérôme".encode("latin-1"), "Buc Jérôme"),
        ("ISO_IR 100", "Äneas^Rüdiger".encode("latin-1"), "Äneas Rüdiger"),
        ("ISO_IR 144", "Люксембург".encode("iso8859_5"), "Люксембург"),
        ("ISO_IR 100", b"Zhang^San", "Zhang San"),
    ],
)
def test_western_names_are_not_taken_for_chinese(label: str, written: bytes, name: str) -> None:
    header = header_of(named(written, label))
    assert (header.patient.name.shown, header.character_set_doubt) == (name, "")


def test_an_item_may_have_its_own_character_set() -> None:
    """Everything in an item follows its own label (PS3.3 C.12.1.1.2)."""
    dataset = pydicom.dcmread(BytesIO(named("张三".encode("gb18030"), "GB18030")))
    item = Dataset()
    item.SpecificCharacterSet = "ISO_IR 192"
    item.RequestedProcedureDescription = "胸部平扫"
    dataset.RequestAttributesSequence = [item]
    held = BytesIO()
    dataset.save_as(held)
    header = header_of(held.getvalue())
    assert "胸部平扫" in header.public and header.patient.name.shown == "张三" and not header.character_set_doubt


def corpus() -> dict[str, bytes]:
    """All files of the charset corpus, each under UIDs of its own (many share them); no other byte is changed where it had UIDs."""
    found = {}
    for path in sorted(p for p in shared_dicom("charset").rglob("*") if p.is_file() and p.suffix in ("", ".dcm")):
        dataset = pydicom.dcmread(path, force=True)
        uids = [dataset.get(k) for k in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")]
        content = path.read_bytes()
        if all(uids):
            for uid in uids:
                content = content.replace(uid.encode(), f"{uid[:-2]}{len(found) + 10}".encode())
        else:
            uid = f"1.2.826.0.1.77.{len(found)}"
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{uid}.1", f"{uid}.2"
            dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CT_CLASS
            held = BytesIO()
            dataset.save_as(held)
            content = held.getvalue()
        found[path.name] = content
    return found


def generated() -> dict[str, bytes]:
    return {str(p.id): named(p.values[1], p.values[0]) for p in encodings(RIGHT + WRONG)}


async def test_every_name_is_kept_bit_exact_and_found_by_both_doors(archive: Archive, node_port: int) -> None:
    files = {**corpus(), **generated()}
    assert len(files) >= 29 + 60
    web = await start_web(archive)
    # A file whose meta group names another instance cannot be announced rightly over DIMSE.
    half = sorted(files.values(), key=_names_itself)
    split = len(half) // 2
    assert all(map(_names_itself, half[split:]))
    answer = await web.post(multipart(half[:split]))
    assert answer.code == 200, outcome(answer)["failed"] + outcome(answer)["other"]
    statuses = await asyncio.to_thread(_send_all, node_port, half[split:])
    assert set(statuses) == {0}
    for content in half:
        header = header_of(content)
        instance = await archive.store.instance("H1", header.sop_instance_uid)
        assert instance is not None
        assert data_set(await archive.objects.get(instance.original)) == data_set(content)
    everything = Scope(everything=True)
    for name in NAMES:
        page = await archive.store.search_exams(everything, ExamQuery(name=name), 100)
        assert page.items and {exam.patient.name.shown for exam in page.items} == {name}
    doubted = [
        exam
        for exam in (await archive.store.search_exams(everything, ExamQuery(), 500)).items
        if exam.character_set_doubt
    ]
    assert len(doubted) == len(list(encodings(WRONG)))
    web.server.stop()


def _names_itself(content: bytes) -> bool:
    dataset = pydicom.dcmread(BytesIO(content), stop_before_pixels=True)
    return bool(dataset.file_meta.get("MediaStorageSOPInstanceUID") == dataset.SOPInstanceUID)


def _send_all(port: int, files: list[bytes]) -> list[int]:
    entity = AE("CT1")
    classes = {
        pydicom.dcmread(BytesIO(content), stop_before_pixels=True).file_meta.MediaStorageSOPClassUID
        for content in files
    }
    for uid in classes:
        for syntax in TRANSFER_SYNTAXES[:2]:
            entity.add_requested_context(uid, syntax)
    association = entity.associate("127.0.0.1", port)
    statuses = []
    with tempfile.TemporaryDirectory() as folder, _unread():
        for number, content in enumerate(files):
            path = Path(folder, f"{number}.dcm")
            path.write_bytes(content)
            statuses.append(int(association.send_c_store(path).Status))
    association.release()
    return statuses
