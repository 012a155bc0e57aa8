"""From the bytes of a DICOM file to its header and a view of its pixel data, without copying pixels."""

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID

from render.errors import CorruptImage, LimitExceeded, NotAnImage
from render.limits import Limits

DEFLATED = "1.2.840.10008.1.2.1.99"
_PIXEL_ELEMENTS = {0x7FE00010: "PixelData", 0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData"}
_UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True)
class PixelElement:
    """The pixel data element, by its keyword, and its value: raw samples, or the items of an encapsulated one."""

    keyword: str
    data: memoryview
    vr: str
    undefined_length: bool


def read_source(source: bytes | memoryview | Dataset, limits: Limits) -> tuple[Dataset, PixelElement | None]:
    """Header and pixel element of a file's bytes or of a data set; None where it has no pixels.

    Raises NotAnImage for what is not DICOM, CorruptImage where pydicom cannot read the header.
    """
    if isinstance(source, Dataset):
        return source, _element_of(source)
    try:
        return _read_bytes(bytes(source), limits)
    except (NotAnImage, CorruptImage, LimitExceeded):
        raise
    except InvalidDicomError as error:
        raise NotAnImage("no DICOM file") from error
    except Exception as error:  # pydicom raises nearly anything on broken files, RecursionError included
        raise CorruptImage(f"the header cannot be read ({type(error).__name__})") from error


def _read_bytes(source: bytes, limits: Limits) -> tuple[Dataset, PixelElement | None]:
    meta_end, syntax = _scan_meta(source)
    if syntax == DEFLATED:
        source = _inflate(source[meta_end:], limits)
        stream = BytesIO(source)
        dataset = _read_inflated(stream)
    else:
        stream = BytesIO(source)
        dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=_bare(source))
    implicit, little = dataset.original_encoding
    return dataset, _element_at(memoryview(source), stream.tell(), implicit is True, little is not False)


def _bare(source: bytes) -> bool:
    """True where a data set begins at once, without preamble: group 0002 or 0008 in little endian."""
    return source[128:132] != b"DICM" and source[:2] in (b"\x02\x00", b"\x08\x00") and source[3:4] == b"\0"


def _scan_meta(source: bytes) -> tuple[int, str]:
    """End of the file meta group and the Transfer Syntax UID in it ("" where there is none)."""
    if source[128:132] != b"DICM":
        return 0, ""
    position, syntax = 132, ""
    while source[position : position + 2] == b"\x02\x00" and position + 8 <= len(source):
        element = source[position + 2 : position + 4]
        if source[position + 4 : position + 6] in (b"OB", b"OW", b"UN", b"SQ", b"UT"):
            (length,) = struct.unpack_from("<I", source, position + 8) if position + 12 <= len(source) else (0,)
            position += 12
        else:
            (length,) = struct.unpack_from("<H", source, position + 6)
            position += 8
        if element == b"\x10\x00":
            syntax = source[position : position + length].rstrip(b" \0").decode("ascii", "replace")
        position += length
    return position, syntax


def _inflate(folded: bytes, limits: Limits) -> bytes:
    """Unfold a deflated data set within the limit; pydicom alone would unfold without one."""
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = engine.decompress(folded, limits.max_inflated_bytes)
    if engine.unconsumed_tail:
        raise LimitExceeded(f"unfolds to more than {limits.max_inflated_bytes} bytes")
    return plain


def _read_inflated(stream: BytesIO) -> Dataset:
    dataset = read_dataset(stream, is_implicit_VR=False, is_little_endian=True, stop_when=_at_pixels)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(DEFLATED)
    dataset.set_original_encoding(False, True)
    return dataset


def _at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
    return int(tag) in _PIXEL_ELEMENTS


def _element_at(view: memoryview, start: int, implicit: bool, little: bool) -> PixelElement | None:
    """The pixel element whose tag begins at `start`; None at the end of the file."""
    order = "<" if little else ">"
    if start + 8 > len(view):
        return None
    group, element = struct.unpack_from(order + "HH", view, start)
    keyword = _PIXEL_ELEMENTS.get(group << 16 | element)
    if keyword is None:
        return None
    vr, after = "OW", start + 8
    if implicit:
        (length,) = struct.unpack_from(order + "I", view, start + 4)
    else:
        vr = bytes(view[start + 4 : start + 6]).decode("ascii", "replace")
        after = start + 12
        if after > len(view):
            raise CorruptImage("the file ends inside the pixel data element")
        (length,) = struct.unpack_from(order + "I", view, start + 8)
    if length == _UNDEFINED:
        return PixelElement(keyword, view[after:], vr, True)
    return PixelElement(keyword, view[after : after + length], vr, False)


def _element_of(dataset: Dataset) -> PixelElement | None:
    """The pixel element of a data set that pydicom has read whole."""
    for keyword in _PIXEL_ELEMENTS.values():
        if keyword not in dataset:
            continue
        try:
            element = dataset[keyword]
            data = element.value
        except Exception as error:  # pydicom raises nearly anything on broken elements
            raise CorruptImage(f"{keyword} cannot be read") from error
        if not isinstance(data, bytes | bytearray | memoryview):
            raise CorruptImage(f"{keyword} is not held as bytes")
        return PixelElement(keyword, memoryview(data), str(element.VR), bool(element.is_undefined_length))
    return None
