"""Headers: what is indexed, the DICOM JSON model, what is personal, and every kind of broken file."""

from __future__ import annotations

import json
import struct
import time
import tracemalloc
import zlib
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from backend.archive.header import Refused, read_header
from backend.archive.ranges import RangeStream
from tests.archive.samples import ct, element, part10
from tests.images import shared_dicom


def header_of(content: bytes):
    return read_header(BytesIO(content), len(content))


def whole(content: bytes) -> dict:
    header = header_of(content)
    return {**json.loads(header.public), **json.loads(header.personal)}


def test_the_json_model_equals_pydicoms() -> None:
    """Every element of a real CT as pydicom's own writer has it; numbers may differ in form."""
    path = shared_dicom("ct_cmb_crc_chest100", "1-001.dcm")
    ours = whole(path.read_bytes())
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    theirs = dataset.to_json_dict(bulk_data_threshold=1024, bulk_data_element_handler=lambda e: "bulk")
    theirs = {tag: value for tag, value in theirs.items() if not tag.endswith("0000")}
    assert ours.keys() == theirs.keys()
    for tag, value in theirs.items():
        assert ours[tag]["vr"] == value["vr"]
        assert ours[tag].get("Value") == value.get("Value"), tag


def test_bulk_data_says_where_it_is() -> None:
    content = ct(
        {0x00420011: ("OB", bytes(range(256)) * 20), 0x00091010: ("OB", b"\1" * 1024), 0x00090010: ("LO", b"MAKER")}
    )
    found = whole(content)
    offset, length = map(int, found["00420011"]["BulkDataURI"].split("/"))
    assert content[offset : offset + length] == bytes(range(256)) * 20
    assert found["00091010"]["InlineBinary"] and "7FE00010" not in found


def test_bulk_data_inside_sequences_says_where_it_is() -> None:
    inner = element(0x00420011, "OB", bytes(range(256)) * 8)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner
    content = ct({0x00081140: ("SQ", item)})
    offset, length = map(int, whole(content)["00081140"]["Value"][0]["00420011"]["BulkDataURI"].split("/"))
    assert content[offset : offset + length] == bytes(range(256)) * 8
    open_item = (
        struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
        + inner
        + struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    )
    content = content.replace(
        element(0x00081140, "SQ", item), struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF) + open_item
    )
    offset, length = map(int, whole(content)["00081140"]["Value"][0]["00420011"]["BulkDataURI"].split("/"))
    assert content[offset : offset + length] == bytes(range(256)) * 8


def test_long_sequences_are_read_whole() -> None:
    """Per-frame groups with a declared length of more than a long value's."""
    inner = element(0x00189074, "DT", b"20261102083000")
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner
    assert len(whole(ct({0x52009230: ("SQ", item * 5000)}))["52009230"]["Value"]) == 5000


def test_what_names_persons_is_apart() -> None:
    dataset = pydicom.dcmread(BytesIO(ct({0x00090010: ("LO", b"MAKER"), 0x00091001: ("LO", b"Zhang San")})))
    dataset.PatientName, dataset.PatientID, dataset.PatientTelephoneNumbers = "Zhang^San", "P1", "13800000000"
    dataset.ReferringPhysicianName = "Li^Si"
    dataset.StudyDescription = "CHEST"
    item = Dataset()
    item.PersonName = "Wang^Wu"
    dataset.ContentSequence = [item]
    held = BytesIO()
    dataset.save_as(held)
    header = header_of(held.getvalue())
    for name in ("Zhang", "P1", "13800000000", "Li^Si", "Wang"):
        assert name not in header.public and name in header.personal
    assert "CHEST" in header.public and header.patient.phone == "13800000000"


ID_NUMBER = "11010519491231002X"


@pytest.mark.parametrize("place", ["OtherPatientIDs", "OtherPatientIDsSequence", "PatientID"])
def test_the_citizens_number_is_found(place: str) -> None:
    dataset = pydicom.dcmread(BytesIO(ct()))
    dataset.PatientID = "P1"
    if place == "OtherPatientIDsSequence":
        item = Dataset()
        item.PatientID = ID_NUMBER.lower()
        dataset.OtherPatientIDsSequence = [item]
    elif place == "OtherPatientIDs":
        dataset.add_new(0x00101000, "LO", ["0001", ID_NUMBER])
    else:
        dataset.PatientID = ID_NUMBER
    held = BytesIO()
    dataset.save_as(held)
    assert header_of(held.getvalue()).patient.id_number == ID_NUMBER


def test_numbers_and_odd_values_become_json() -> None:
    extra = {
        0x00180050: ("DS", b"abc"),
        0x00180060: ("DS", b"120.50\\ \\1e400"),
        0x00189087: ("FD", struct.pack("<dd", float("nan"), float("-inf"))),
        0x00200032: ("DS", b"-1.5\\2\\+3e1"),
        0x00280009: ("AT", struct.pack("<HH", 0x0018, 0x1063)),
        0x00200013: ("IS", b" 12 "),
    }
    found = whole(ct(extra))
    assert found["00180050"]["Value"] == ["abc"] and found["00180060"]["Value"] == [120.5, None, "1e400"]
    assert found["00189087"]["Value"] == ["NaN", "-Infinity"]
    assert found["00200032"]["Value"] == [-1.5, 2, 30.0] and found["00280009"]["Value"] == ["00181063"]
    assert json.loads(header_of(ct(extra)).public)


def test_deflated_and_big_endian_headers_are_read() -> None:
    folder = shared_dicom("ts_ladder", "cornerstone3D")
    headers = {}
    for path in folder.glob("*.dcm"):
        header = header_of(path.read_bytes())
        headers[header.transfer_syntax_uid] = header
    assert len(headers) == 15 and {(h.rows, h.columns, h.frames) for h in headers.values()} == {(512, 512, 1)}
    public = json.loads(headers["1.2.840.10008.1.2.1"].public)
    for syntax in ("1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2"):
        other = json.loads(headers[syntax].public)
        # The converter that made these files left private values in little endian.
        standard = {tag for tag in public if not int(tag[:4], 16) & 1}
        assert [other[tag].get("Value") for tag in standard] == [public[tag].get("Value") for tag in standard]


def test_the_pixel_offset_is_that_of_the_element() -> None:
    content = ct()
    offset = header_of(content).pixel_offset
    assert content[offset : offset + 4] == b"\xe0\x7f\x10\x00"


def broken() -> dict[str, tuple[bytes, str]]:
    good = ct()
    nested = element(0x00080018, "UI", b"1.2.3")
    for _ in range(3000):
        nested = element(0x00081140, "SQ", struct.pack("<HHI", 0xFFFE, 0xE000, len(nested)) + nested)
    return {
        "empty": (b"", "not-dicom"),
        "text": (b"hello world" * 50, "not-dicom"),
        "a picture": (b"\xff\xd8\xff\xe0" + bytes(500), "not-dicom"),
        "head only": (good[:140], "transfer-syntax no-uid unreadable truncated"),
        "no uid": (part10({0x00080016: ("UI", b"1.2")}), "no-uid"),
        "letters in a uid": (ct({0x00080018: ("UI", b"1.2.abc")}), "bad-uid"),
        "a long uid": (ct({0x0020000D: ("UI", b"1." + b"2" * 70)}), "bad-uid"),
        "a path as uid": (ct({0x0020000E: ("UI", b"../../etc")}), "bad-uid"),
        "an odd transfer syntax": (part10({}, syntax="1.2.3.4"), "transfer-syntax"),
        "a fuzzed transfer syntax": (part10({}, syntax="1.2.840.x"), "transfer-syntax"),
        "46341 x 46341": (_sized(46341, 46341), "pixel-size"),
        "65535 x 65535": (_sized(65535, 65535), "pixel-size"),
        "too few pixels": (_sized(512, 512), "pixel-size"),
        "cut in the pixels": (ct(side=64)[:-100], "truncated"),
        "cut in the header": (good[:300], "truncated no-uid"),
        "nested too deep": (_deep(), "nested-too-deep"),
        "rows as text": (ct({0x00280010: ("US", b"1A")}), "pixel-size"),
    }


def _sized(rows: int, columns: int) -> bytes:
    return ct({0x00280010: ("US", struct.pack("<H", rows)), 0x00280011: ("US", struct.pack("<H", columns))})


def _deep(levels: int = 5000) -> bytes:
    head = struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    content = part10({0x00080016: ("UI", b"1.2")})
    return content + head * levels


@pytest.mark.parametrize("kind", broken().keys())
def test_broken_files_are_refused_with_their_reason(kind: str) -> None:
    content, codes = broken()[kind]
    with pytest.raises(Refused) as refused:
        header_of(content)
    assert refused.value.code in codes.split() and refused.value.text


def test_a_deflated_bomb_is_not_unfolded() -> None:
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = b"".join(engine.compress(bytes(1 << 20)) for _ in range(200)) + engine.flush()
    content = part10({}, syntax="1.2.840.10008.1.2.1.99") + body
    start = time.process_time()
    with pytest.raises(Refused):
        header_of(content)
    assert time.process_time() - start < 10


@pytest.mark.parametrize("depth", [0, 1])
def test_millions_of_elements_are_not_read_to_the_end(depth: int) -> None:
    zeros = bytes(20 << 20)
    content = part10({0x00081140: ("SQ", struct.pack("<HHI", 0xFFFE, 0xE000, len(zeros)) + zeros)} if depth else {})
    start = time.process_time()
    with pytest.raises(Refused):
        header_of(content if depth else content + zeros)
    assert time.process_time() - start < 10


def corpus() -> list[Path]:
    folder = shared_dicom("odd_files").parent
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".txt", ".json", ".md"))


def test_no_file_of_the_corpus_crashes_and_most_are_read() -> None:
    outcomes: dict[str, int] = {}
    for path in corpus():
        try:
            header = header_of(path.read_bytes())
            json.loads(header.public), json.loads(header.personal)
            code = "read"
        except Refused as error:
            code = error.code
        outcomes[code] = outcomes.get(code, 0) + 1
    assert outcomes["read"] >= 540 and outcomes.get("unreadable", 0) <= 2, outcomes


def test_mutations_are_read_or_refused() -> None:
    """Every byte of a header changed in four ways: never another error than a refusal."""
    content = bytearray(
        ct({0x00081140: ("SQ", struct.pack("<HHI", 0xFFFE, 0xE000, 16) + element(0x00081150, "UI", b"1.2.3.45"))})
    )
    for place in range(128, header_of(bytes(content)).pixel_offset + 12):
        for change in (0x00, 0xFF, content[place] ^ 0x01, content[place] ^ 0x80):
            held, content[place] = content[place], change
            try:
                header_of(bytes(content))
            except Refused:
                pass
            finally:
                content[place] = held


def test_a_header_is_read_through_ranges_with_little_memory() -> None:
    content = ct({0x00420011: ("OB", bytes(40 << 20))})
    fetched = []

    def fetch(start: int, end: int) -> bytes:
        fetched.append((start, end))
        return content[start:end]

    tracemalloc.start()
    header = read_header(RangeStream(fetch, len(content), content[: 1 << 20], 8 << 20), len(content))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert header.rows == 4 and len(fetched) <= 2 and peak < 6 << 20
