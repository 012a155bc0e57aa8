"""The raw elements of a data set as pydicom read them, and their texts: tolerant of whatever a device wrote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from io import BytesIO
from typing import BinaryIO, cast

from pydicom.datadict import dictionary_VR, private_dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_sequence

from .charset import ASCII_READER, TextReader, reader_for

TEXT_VRS = frozenset({"SH", "LO", "PN", "ST", "LT", "UT", "UC"})
"""Value representations whose characters follow Specific Character Set (PS3.5 6.1.2.3)."""
CHARACTER_SET = 0x00080005
_AMBIGUOUS = {"US or SS": "US", "US or SS or OW": "US", "US or OW": "OW", "OB or OW": "OW"}


class HeaderTooLarge(Exception):
    """The header has more elements than any that was meant to be read."""


class Meter:
    """Counts reads over all streams of one header: what takes longer is no header but an attack on time."""

    def __init__(self, limit: int) -> None:
        self.left = limit


class Metered:
    """A stream whose reads are counted."""

    def __init__(self, stream: BinaryIO, meter: Meter) -> None:
        self._stream, self._meter = stream, meter
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        """As the stream's own. Raises `HeaderTooLarge` when the limit is reached."""
        self._meter.left -= 1
        if self._meter.left < 0:
            raise HeaderTooLarge
        return self._stream.read(size)


class Item:
    """A data set, or an item of a sequence, with the reader of its texts."""

    def __init__(self, dataset: Dataset, meter: Meter, parent: Item | None = None) -> None:
        self.dataset = dataset
        # Reading a value through pydicom converts the element in place: this keeps what was read.
        self.elements: dict[int, RawDataElement | DataElement] = dict(dataset.items())
        self._meter, self._parent = meter, parent
        self._creators: dict[int, str] = {}
        self._sequences: dict[int, list[Item]] = {}

    @cached_property
    def reader(self) -> TextReader:
        """How the texts here are read: by the own Specific Character Set, else by that of the data set around."""
        if self._parent is not None and CHARACTER_SET not in self.elements:
            return self._parent.reader
        label = self.bytes_of(CHARACTER_SET).decode("latin-1").strip(" \0")
        return reader_for(label.split("\\"), list(self._text_values()))

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
        if tag not in self._sequences:
            self._sequences[tag] = [Item(dataset, self._meter, self) for dataset in self._data_sets(tag)]
        return self._sequences[tag]

    def _data_sets(self, tag: int) -> list[Dataset]:
        element = self.elements.get(tag)
        if element is None or element.value is None:
            return []
        if not isinstance(element, RawDataElement):
            return list(cast(Iterable[Dataset], element.value)) if element.VR == "SQ" else []
        implicit, little = element.is_implicit_VR, element.is_little_endian
        if element.VR == "UN":
            implicit, little = True, True
        stream = cast(BinaryIO, Metered(BytesIO(element.value), self._meter))
        try:
            return list(read_sequence(stream, implicit, little, len(element.value), "iso8859"))
        except (RecursionError, HeaderTooLarge):
            raise
        except Exception:  # pydicom raises nearly anything on broken elements
            return []

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

    def _text_values(self) -> Iterator[bytes]:
        """The bytes of all texts beyond ASCII that follow this character set, those of nested items included."""
        for tag, element in self.elements.items():
            value = element.value
            if isinstance(value, bytes) and value.isascii():
                continue
            vr = self.vr(tag)
            if vr == "SQ":
                for item in self.items(tag):
                    if CHARACTER_SET not in item.elements:
                        yield from item._text_values()
            elif isinstance(value, bytes) and vr in TEXT_VRS:
                yield value
