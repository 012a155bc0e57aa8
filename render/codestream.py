"""Reads what a codestream says of itself, before a decoder in C is let near it."""

import struct
from dataclasses import dataclass

from render.errors import CorruptImage, UnsupportedSyntax

_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_FRAME_HEADERS = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xF7})
_TILE_PART = b"\xff\x90"
_END_OF_CODESTREAM = b"\xff\xd9"
_J2K_START = b"\xff\x4f\xff\x51"


@dataclass(frozen=True)
class JpegHeader:
    """Frame header of a JPEG (ISO/IEC 10918-1) or JPEG-LS (14495-1) codestream."""

    start: int
    """Byte of the SOI marker; some writers put filler before it."""
    process: int
    """Second byte of the SOF marker: 0xC0 baseline, 0xC1 extended, 0xC3 lossless, 0xF7 JPEG-LS."""
    rows: int
    columns: int
    components: int
    precision: int
    subsampled: bool
    """True where the components differ in their sampling factors, which only luma and chroma do."""
    component_ids: bytes
    adobe_transform: int | None
    """Colour transform of the APP14 Adobe segment: 0 none, 1 YCbCr; None without the segment."""
    jfif: bool
    spectral_end: int | None
    """Byte position of Se in the first scan header."""


@dataclass(frozen=True)
class Jpeg2000Header:
    """SIZ and COD of a JPEG 2000 or HTJ2K codestream (ISO/IEC 15444-1 A.5.1, A.6.1)."""

    rows: int
    columns: int
    components: int
    precision: int
    signed: bool
    component_transform: bool
    reversible: bool
    """True for the 5-3 wavelet, False for the 9-7 of lossy coding."""
    tiles: int


def jpeg_header(data: bytes) -> JpegHeader:
    """Header of a JPEG or JPEG-LS codestream; raises CorruptImage where there is none."""
    start = data.find(b"\xff\xd8\xff", 0, 512)
    if start < 0:
        raise CorruptImage("no JPEG start of image")
    position = start + 2
    frame: tuple[int, bytes] | None = None
    adobe: int | None = None
    jfif = False
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            raise CorruptImage(f"no JPEG marker at byte {position}")
        code = data[position + 1]
        if code == 0xFF or code in _STANDALONE:
            position += 1 if code == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        body = data[position + 4 : position + 2 + length]
        if length < 2 or len(body) != length - 2:
            raise CorruptImage("a JPEG segment ends after the codestream")
        if code == 0xDA:
            return _jpeg_header(start, frame, adobe, jfif, position + 4, body)
        if (0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC)) or code == 0xF7:
            if frame is not None:
                raise CorruptImage("two JPEG frame headers")
            frame = (code, body)
        elif code == 0xEE and body[:5] == b"Adobe" and len(body) >= 12:
            adobe = body[11]
        elif code == 0xE0 and body[:4] == b"JFIF":
            jfif = True
        position += 2 + length
    raise CorruptImage("no JPEG scan")


def _jpeg_header(
    start: int, frame: tuple[int, bytes] | None, adobe: int | None, jfif: bool, scan_at: int, scan: bytes
) -> JpegHeader:
    if frame is None:
        raise CorruptImage("no JPEG frame header before the scan")
    process, body = frame
    if process not in _FRAME_HEADERS:
        raise UnsupportedSyntax(f"JPEG process 0x{process:02x}")
    if len(body) < 6 or len(body) < 6 + 3 * body[5] or not body[5]:
        raise CorruptImage("JPEG frame header too short")
    precision, rows, columns, components = struct.unpack_from(">BHHB", body)
    sampling = {body[7 + 3 * number] for number in range(components)}
    at = 1 + 2 * scan[0] + 1 if scan else 0
    return JpegHeader(
        start=start,
        process=process,
        rows=rows,
        columns=columns,
        components=components,
        precision=precision,
        subsampled=len(sampling) > 1,
        component_ids=bytes(body[6 + 3 * number] for number in range(components)),
        adobe_transform=adobe,
        jfif=jfif,
        spectral_end=scan_at + at if scan and at < len(scan) else None,
    )


def jpeg2000_header(data: bytes) -> tuple[int, Jpeg2000Header]:
    """Start of the codestream (after the boxes of a JP2 file) and its header.

    Raises CorruptImage without a sound SIZ and COD, UnsupportedSyntax for subsampled components.
    """
    start = 0 if data[:4] == _J2K_START else data.find(_J2K_START, 0, 65536)
    if start < 0 or len(data) < start + 42:
        raise CorruptImage("no JPEG 2000 start of codestream")
    length, _, x1, y1, x0, y0, tile_x, tile_y, off_x, off_y, components = struct.unpack_from(
        ">HHIIIIIIIIH", data, start + 4
    )
    if length != 38 + 3 * components or len(data) < start + 4 + length or not components:
        raise CorruptImage("JPEG 2000 SIZ of a wrong length")
    if x1 <= x0 or y1 <= y0 or not tile_x or not tile_y or off_x > x0 or off_y > y0:
        raise CorruptImage("JPEG 2000 SIZ contradicts itself")
    depths = {data[start + 42 + 3 * number] for number in range(components)}
    steps = {bytes(data[start + 43 + 3 * n : start + 45 + 3 * n]) for n in range(components)}
    if len(depths) > 1 or steps != {b"\1\1"}:
        raise UnsupportedSyntax("JPEG 2000 components of different form")
    (depth,) = depths
    transform, reversible = _coding_style(data, start + 4 + length)
    header = Jpeg2000Header(
        rows=y1 - y0,
        columns=x1 - x0,
        components=components,
        precision=(depth & 0x7F) + 1,
        signed=bool(depth & 0x80),
        component_transform=transform,
        reversible=reversible,
        tiles=-(-(x1 - off_x) // tile_x) * -(-(y1 - off_y) // tile_y),
    )
    return start, header


def _coding_style(data: bytes, position: int) -> tuple[bool, bool]:
    """Whether the COD segment names a component transformation, and the reversible wavelet."""
    while position + 4 <= len(data) and data[position] == 0xFF and data[position + 1] not in (0x90, 0xD9):
        (length,) = struct.unpack_from(">H", data, position + 2)
        if data[position + 1] == 0x52 and position + 14 <= len(data):
            return data[position + 8] != 0, data[position + 13] == 1
        position += 2 + length
    raise CorruptImage("no JPEG 2000 COD")


def check_complete(data: bytes) -> None:
    """Raise CorruptImage where tile-parts do not follow each other up to the end of the codestream."""
    position = data.find(_TILE_PART)
    while position >= 0 and data[position : position + 2] == _TILE_PART and position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position + 6)
        if length == 0:
            position = data.rfind(_END_OF_CODESTREAM)
        elif length < 14:
            break
        else:
            position += length
    if position < 0 or data[position : position + 2] != _END_OF_CODESTREAM:
        raise CorruptImage("the codestream ends early")
