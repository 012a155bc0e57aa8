"""The raw elements of a data set as pydicom read them, and their texts: tolerant of whatever a device wrote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydicom.datadict import dictionary_VR, private_dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

from .charset import ASCII_READER, TextReader, reader_for

TEXT_VRS = frozenset({"SH", "LO", "PN", "ST", "LT", "UT", "UC"})
"""Value representations whose characters follow Specific Character Set (PS3.5 6.1.2.3)."""
CHARACTER_SET = 0x00080005
_AMBIGUOUS = {"US or SS": "US", "US or SS or OW": "US", "US or OW": "OW", "OB or OW": "OW"}


class Item:
    """A data set, or an item of a sequence, with the reader of its texts."""

    def __init__(self, dataset: Dataset, parent: TextReader | None = None) -> None:
        self.dataset = dataset
        # Reading a value through pydicom converts the element in place: this keeps what was read.
        self.elements: dict[int, RawDataElement | DataElement] = dict(dataset.items())
        self._creators: dict[int, str] = {}
        own = CHARACTER_SET in self.elements
        self.reader = parent if parent is not None and not own else self._own_reader()

    def raw(self, tag: int) -> RawDataElement | DataElement:
        """The element as it was read, unconverted. Raises KeyError."""
        return self.elements[tag]

    def bytes_of(self, tag: int) -> bytes:
        """The value's bytes; empty where it is absent, deferred, or no longer raw."""
        try:
            value = self.raw(tag).value
        except KeyError:
            return b""
        return value if isinstance(value, bytes) else b""

    def text(self, keyword: str) -> str:
        """First value of a text attribute, padding removed; empty where there is none."""
        tag = tag_for_keyword(keyword) or 0
        vr = self.vr(tag) if tag in self.elements else ""
        value = self.reader if vr in TEXT_VRS else ASCII_READER
        whole = value.text(self.bytes_of(tag), name=vr == "PN")
        if vr not in ("ST", "LT", "UT"):
            whole = whole.split("\\", 1)[0]
        return whole.strip(" \0\r\n\t")

    def texts(self, keyword: str) -> list[str]:
        """All values of a text attribute, padding removed, empty ones left out."""
        tag = tag_for_keyword(keyword) or 0
        return [v for v in (p.strip(" \0") for p in self.reader.text(self.bytes_of(tag)).split("\\")) if v]

    def number(self, keyword: str) -> int | None:
        """First value of a numeric or integer-string attribute; None where it is absent or cannot be read."""
        try:
            value = self.dataset.get(keyword)
            first = value if isinstance(value, str | int | float) or value is None else value[0]
            return None if first is None else int(float(first))
        except Exception:  # pydicom converts lazily and raises nearly anything on broken elements
            return None

    def items(self, tag: int) -> list[Item]:
        """The items of a sequence; none where it is absent or broken."""
        try:
            value = self.dataset[tag].value
        except RecursionError:
            raise
        except Exception:  # as above
            return []
        return (
            [Item(item, self.reader) for item in value]
            if isinstance(value, list | tuple) or _is_sequence(value)
            else []
        )

    def vr(self, tag: int) -> str:
        """The value representation: as written, else from the dictionaries (PS3.6, private ones), else UN."""
        element = self.raw(tag)
        written = element.VR
        if written and written != "UN":
            return self._settled(str(written))
        try:
            if tag >> 16 & 1:
                return self._settled(private_dictionary_VR(tag, self._creator(tag)))
            return self._settled(dictionary_VR(tag))
        except KeyError:
            return "UN"

    def _settled(self, vr: str) -> str:
        settled = _AMBIGUOUS.get(vr, vr)
        if settled == "US" and vr != "US" and self.number("PixelRepresentation") == 1:
            return "SS"
        return settled

    def _creator(self, tag: int) -> str:
        place = tag & 0xFFFF0000 | (tag >> 8 & 0xFF)
        if place not in self._creators:
            self._creators[place] = self.bytes_of(place).decode("latin-1").strip(" \0")
        return self._creators[place]

    def _own_reader(self) -> TextReader:
        label = self.bytes_of(CHARACTER_SET).decode("latin-1").strip(" \0")
        return reader_for(label.split("\\"), list(_text_values(self.dataset)))


def _is_sequence(value: Any) -> bool:
    return hasattr(value, "__iter__") and hasattr(value, "__getitem__") and not isinstance(value, str | bytes)


def _text_values(dataset: Dataset, depth: int = 0) -> Iterator[bytes]:
    """The bytes of all texts that follow the data set's own character set, those of nested items included."""
    for tag, element in list(dataset.items()):
        value = element.value
        if isinstance(value, bytes):
            if value.isascii():
                continue
            vr = _vr(element)
            if vr in TEXT_VRS:
                yield value
            elif vr == "SQ" and depth < 8:
                yield from _nested_values(dataset, tag, depth)
        elif element.VR == "SQ" and depth < 8 and value is not None:
            yield from _nested_values(dataset, tag, depth)


def _nested_values(dataset: Dataset, tag: int, depth: int) -> Iterator[bytes]:
    try:
        items = list(dataset[tag].value)
    except RecursionError:
        raise
    except Exception:  # pydicom raises nearly anything on broken elements
        return
    for item in items:
        if CHARACTER_SET not in item:
            yield from _text_values(item, depth + 1)


def _vr(element: RawDataElement | DataElement) -> str:
    if element.VR and element.VR != "UN":
        return str(element.VR)
    try:
        return str(dictionary_VR(element.tag))
    except KeyError:
        return "UN"
