"""Small DICOM files written byte by byte, so that a test decides on every byte."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from itertools import count

EXPLICIT = "1.2.840.10008.1.2.1"
CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
_LONG = {"OB", "OW", "SQ", "UN", "UT", "OV", "UC"}
_numbers = count(1)


def element(tag: int, vr: str, value: bytes) -> bytes:
    """One element in explicit VR little endian, padded to even length."""
    value += (b"\0" if vr in ("UI", "OB") else b" ") * (len(value) % 2)
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    length = struct.pack("<HI", 0, len(value)) if vr in _LONG else struct.pack("<H", len(value))
    return head + length + value


def part10(elements: Mapping[int, tuple[str, bytes]], *, syntax: str = EXPLICIT, uid: str = "1.2.3") -> bytes:
    """A Part 10 file of these elements, by ascending tag."""
    data = b"".join(element(tag, *elements[tag]) for tag in sorted(elements))
    meta = element(0x00020001, "OB", b"\0\1")
    meta += element(0x00020002, "UI", CT_CLASS.encode()) + element(0x00020003, "UI", uid.encode())
    meta += element(0x00020010, "UI", syntax.encode()) + element(0x00020012, "UI", b"1.2.3.4")
    return bytes(128) + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(meta))) + meta + data


def ct(
    extra: Mapping[int, tuple[str, bytes]] | None = None, *, study: str = "", series: str = "", side: int = 4
) -> bytes:
    """A CT image with fresh UIDs."""
    number = next(_numbers)
    uid = f"1.2.826.0.1.99.{number}"
    elements: dict[int, tuple[str, bytes]] = {
        0x00080016: ("UI", CT_CLASS.encode()),
        0x00080018: ("UI", uid.encode()),
        0x00080020: ("DA", b"20261102"),
        0x00080030: ("TM", b"083000"),
        0x00080060: ("CS", b"CT"),
        0x0020000D: ("UI", (study or f"{uid}.1").encode()),
        0x0020000E: ("UI", (series or f"{study or uid}.2").encode()),
        0x00200013: ("IS", str(number).encode()),
        0x00280002: ("US", struct.pack("<H", 1)),
        0x00280004: ("CS", b"MONOCHROME2"),
        0x00280010: ("US", struct.pack("<H", side)),
        0x00280011: ("US", struct.pack("<H", side)),
        0x00280100: ("US", struct.pack("<H", 16)),
        0x00280101: ("US", struct.pack("<H", 12)),
        0x00280102: ("US", struct.pack("<H", 11)),
        0x00280103: ("US", struct.pack("<H", 0)),
        0x7FE00010: ("OW", bytes(side * side * 2)),
    }
    return part10({**elements, **(extra or {})}, uid=uid)


def named(name: bytes, character_set: str | None, extra: Mapping[int, tuple[str, bytes]] | None = None) -> bytes:
    """A CT image of a patient of this name, in these bytes, with this Specific Character Set (None: absent)."""
    elements: dict[int, tuple[str, bytes]] = {0x00100010: ("PN", name)}
    if character_set is not None:
        elements[0x00080005] = ("CS", character_set.encode())
    return ct({**elements, **(extra or {})})
