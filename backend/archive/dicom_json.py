"""The DICOM JSON model (PS3.18 F) of a header, straight from its raw bytes, with what identifies a person apart.

A value that cannot be read as its value representation says is left out: the original keeps it.
"""

from __future__ import annotations

import base64
import math
import struct
from typing import Any

from pydicom.dataelem import DataElement, RawDataElement

from .names import parse_groups
from .texts import TEXT_VRS, Item

Element = dict[str, Any]

BULK_BYTES = 1024
"""Binary values longer than this are named by offset and length."""
_INLINE_BYTES = 64 << 10
_TEXT_BYTES = 256 << 10
_SINGLE = frozenset({"ST", "LT", "UT", "UR"})
_MULTIPLE = frozenset({"AE", "AS", "CS", "DA", "DT", "TM", "UI", "LO", "SH", "UC"})
_BINARY = {"OB": 1, "UN": 1, "OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
_SKIPPED = frozenset({0xFFFCFFFC, 0x00080001})

# Patient Module and what else names a person (PS3.15 E.1 marks these to be removed); names of any person (PN) come in addition.
_PERSONAL = frozenset(
    {
        0x00100010, 0x00100020, 0x00100021, 0x00100024, 0x00100030, 0x00100032, 0x00100050, 0x00100101, 0x00101000, 0x00101001,
        0x00101002, 0x00101005, 0x00101040, 0x00101060, 0x00101080, 0x00101081, 0x00101090, 0x00102150, 0x00102152, 0x00102154,
        0x00102155, 0x00102180, 0x001021B0, 0x001021D0, 0x001021F0, 0x00102297, 0x00102298, 0x00102299, 0x00104000, 0x00081084,
        0x00080082, 0x00080096, 0x00081049, 0x00081052, 0x00081062, 0x00081072, 0x00380010, 0x00380011, 0x00380300, 0x00380400,
        0x00380500, 0x00324000, 0x0040A07C, 0x00321032, 0x00321033, 0x00402016, 0x00402017,
    }
)  # fmt: skip


class JsonWriter:
    """Writes one header. `base` is the file offset of the data set's stream; -1 where offsets mean nothing (deflated)."""

    def __init__(self, little: bool, base: int) -> None:
        self._order = "<" if little else ">"
        self._base = base if little else -1

    def split(self, item: Item) -> tuple[dict[str, Element], dict[str, Element]]:
        """(elements that anybody with the right to the exam may see, elements that identify persons), tags ascending."""
        public: dict[str, Element] = {}
        personal: dict[str, Element] = {}
        for tag in sorted(item.elements):
            if tag in _SKIPPED or not tag & 0xFFFF or tag >> 16 < 0x0008:
                continue
            element = self._element(item, tag, self._base)
            target = personal if tag in _PERSONAL or _names_person(tag, element) else public
            target[f"{tag:08X}"] = element
        return public, personal

    def _element(self, item: Item, tag: int, base: int) -> Element:
        raw, vr = item.raw(tag), item.vr(tag)
        if vr == "SQ":
            return self._sequence(item, tag, raw, base)
        value = raw.value
        length = raw.length if isinstance(raw, RawDataElement) else 0
        if value is None or (isinstance(value, bytes) and not value):
            # A deferred value has a length and no bytes.
            return self._bulk(vr, raw, base) if length and value is None else {"vr": vr}
        if not isinstance(value, bytes):
            return {"vr": vr}
        if vr in _BINARY:
            return self._bulk(vr, raw, base) if len(value) > BULK_BYTES else _inline(vr, value, self._order)
        values = self._values(item, vr, value)
        return {"vr": vr, "Value": values} if any(v is not None for v in values) else {"vr": vr}

    def _sequence(self, item: Item, tag: int, raw: RawDataElement | DataElement, base: int) -> Element:
        # Items of a sequence of defined length are read out of its value: their offsets begin there.
        inner = base
        if isinstance(raw, RawDataElement):
            inner = base + raw.value_tell if base >= 0 else -1
        elif not raw.is_undefined_length:
            inner = base + (raw.file_tell or 0) if base >= 0 else -1
        items = [self._item(nested, inner) for nested in item.items(tag)]
        return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}

    def _item(self, item: Item, base: int) -> dict[str, Element]:
        return {f"{tag:08X}": self._element(item, tag, base) for tag in sorted(item.elements) if tag & 0xFFFF}

    def _bulk(self, vr: str, raw: RawDataElement | DataElement, base: int) -> Element:
        """Where the value is in the file; inline where the file's bytes are not the value's (deflated, big endian)."""
        tell = raw.value_tell if isinstance(raw, RawDataElement) else 0
        length = len(raw.value) if raw.value is not None else getattr(raw, "length", 0)
        if base >= 0 and tell:
            return {"vr": vr, "BulkDataURI": f"{base + tell}/{length}"}
        if isinstance(raw.value, bytes) and length <= _INLINE_BYTES:
            return _inline(vr, raw.value, self._order)
        return {"vr": vr}

    def _values(self, item: Item, vr: str, value: bytes) -> list[Any]:
        if vr in _NUMBERS:
            return _numbers(vr, value, self._order)
        if vr == "AT":
            count = len(value) // 4
            pairs = struct.unpack(f"{self._order}{count * 2}H", value[: count * 4])
            return [f"{group:04X}{element:04X}" for group, element in zip(pairs[::2], pairs[1::2], strict=True)]
        text = item.reader.text(value[:_TEXT_BYTES], name=vr == "PN") if vr in TEXT_VRS else value.decode("latin-1")
        if vr in _SINGLE:
            return [text.rstrip(" \0")]
        parts = [part.strip(" \0") for part in text.split("\\")]
        if vr == "PN":
            return [parse_groups(part) or None for part in parts]
        if vr in ("IS", "DS"):
            return [_decimal(part) for part in parts]
        return [part or None for part in parts]


def _names_person(tag: int, element: Element) -> bool:
    """Names anywhere inside, and texts of private elements, which may hold anything."""
    vr = element["vr"]
    if vr == "PN" or (tag >> 16 & 1 and (vr in TEXT_VRS or (vr == "UN" and "InlineBinary" in element))):
        return "Value" in element or "InlineBinary" in element
    if vr == "SQ":
        return any(
            int(inner, 16) in _PERSONAL or _names_person(int(inner, 16), nested)
            for item in element.get("Value", ())
            for inner, nested in item.items()
        )
    return False


def _inline(vr: str, value: bytes, order: str) -> Element:
    """Binary in little endian, as PS3.18 F.2.7 wants it."""
    width = _BINARY[vr]
    if order == ">" and width > 1:
        swapped = bytearray(len(value))
        for index in range(width):
            swapped[index::width] = (
                value[width - 1 - index :: width] if len(value) % width == 0 else value[index::width]
            )
        value = bytes(swapped)
    return {"vr": vr, "InlineBinary": base64.b64encode(value).decode("ascii")}


def _numbers(vr: str, value: bytes, order: str) -> list[Any]:
    code = _NUMBERS[vr]
    count = len(value) // struct.calcsize(code)
    found = struct.unpack_from(f"{order}{count}{code}", value)
    if vr in ("FL", "FD"):
        return [number if math.isfinite(number) else _not_finite(number) for number in found]
    return list(found)


def _not_finite(number: float) -> str:
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _decimal(text: str) -> int | float | str | None:
    """A number where the text is one (PS3.18 F.2.3.1), else the text."""
    if not text:
        return None
    try:
        return int(text) if len(text) <= 16 else text
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text
