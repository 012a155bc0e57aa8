"""Frames and instances in Explicit VR Little Endian, made of whatever was stored (PS3.18 8.7.3.3.1, PS3.5 A.2)."""

from __future__ import annotations

import struct
import sys
from io import BytesIO

import numpy as np
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from render import CorruptImage, Image, Limits, RenderError, UnsupportedSyntax, open_image
from render.decode import BIG_ENDIAN, encapsulated_frame
from render.format import PALETTE

_NATIVE_LITTLE = frozenset({ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian})
MAX_TRANSCODED = 1 << 30
"""Largest pixel data that is unfolded in memory, bytes."""


def little_endian_frame(image: Image, index: int) -> bytes:
    """The samples of frame `index` (0 is the first) as Explicit VR Little Endian has them, padded to an even length.

    Native frames come as stored, with their bytes swapped if they were big endian; compressed colour comes as RGB,
    colour by pixel. Raises `RenderError`.
    """
    data = _samples(image, index)
    return data + b"\0" * (len(data) % 2)


def _samples(image: Image, index: int) -> bytes:
    form = image.format
    if not image.encapsulated and form.transfer_syntax_uid != BIG_ENDIAN:
        return image.frame_bytes(index)
    if form.bits_allocated == 1:
        return np.packbits(image.decode(index), bitorder="little").tobytes()
    if form.photometric == PALETTE:
        if not image.encapsulated:
            raise UnsupportedSyntax("big endian palette")
        return encapsulated_frame(image.frame_bytes(index), form, Limits()).tobytes()
    samples = image.decode(index)
    return (samples if sys.byteorder == "little" else samples.byteswap()).tobytes()


def explicit_little(original: bytes) -> bytes:
    """The Part 10 file as Explicit VR Little Endian; lossy losses of before stay told in its header.

    Raises `RenderError` where the pixels cannot be read or would take more than `MAX_TRANSCODED`.
    """
    try:
        return _explicit_little(original)
    except RenderError:
        raise
    except Exception as error:  # pydicom raises nearly anything on elements that it cannot write in another form
        raise CorruptImage(f"the header cannot be written ({type(error).__name__})") from error


def _explicit_little(original: bytes) -> bytes:
    dataset = dcmread(BytesIO(original))
    if "PixelData" in dataset and dataset.file_meta.TransferSyntaxUID not in _NATIVE_LITTLE:
        _unfold(dataset, open_image(original))
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    written = BytesIO()
    dcmwrite(written, dataset, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return written.getvalue()


def _unfold(dataset: Dataset, image: Image) -> None:
    """Puts native little endian pixels in the place of those that are there."""
    form = image.format
    if image.frame_count * form.decoded_frame_bytes > MAX_TRANSCODED:
        raise CorruptImage("too large to be transcoded")
    words = [element.tag for element in dataset if element.VR == "OW" and element.keyword != "PixelData"]
    if words and not image.encapsulated:
        raise UnsupportedSyntax("big endian words beside the pixels")
    if form.bits_allocated == 1:
        # Frames of single bits follow each other without a gap (PS3.5 8.1.1).
        bits = np.concatenate([image.decode(index).reshape(-1) for index in range(image.frame_count)])
        pixels = np.packbits(bits, bitorder="little").tobytes()
    else:
        pixels = b"".join(_samples(image, index) for index in range(image.frame_count))
    if form.samples == 3:
        dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0
    for keyword in ("PixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if keyword in dataset:
            del dataset[keyword]
    dataset.add_new("PixelData", "OW" if form.bits_allocated > 8 else "OB", pixels + b"\0" * (len(pixels) % 2))


def progressive_syntax(codestream_start: bytes) -> str:
    """The transfer syntax that a lossless HTJ2K codestream may claim (PS3.5 10.18): .202 if it is in RPCL order, has a TLM and a
    base resolution of at most 64 pixels, else .201. Raises `RenderError` for what is no such codestream.
    """
    rows, columns, order, levels, has_tlm = _main_header(codestream_start)
    base = min(-(-rows >> levels), -(-columns >> levels))
    return "1.2.840.10008.1.2.4.202" if order == 2 and has_tlm and base <= 64 else "1.2.840.10008.1.2.4.201"


def _main_header(data: bytes) -> tuple[int, int, int, int, bool]:
    """Rows, columns, progression order, decompositions and presence of TLM in the main header (ISO/IEC 15444-1 A.5, A.6)."""
    if data[:4] != b"\xff\x4f\xff\x51" or len(data) < 42:
        raise CorruptImage("no codestream")
    x1, y1, x0, y0 = struct.unpack_from(">IIII", data, 8)
    order = levels = -1
    has_tlm, position = False, 2
    while position + 4 <= len(data) and data[position + 1] != 0x90:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == 0x52:
            order, levels = data[position + 5], data[position + 9]
        has_tlm = has_tlm or marker == 0x55
        position += 2 + length
    if levels < 0:
        raise CorruptImage("no COD")
    return y1 - y0, x1 - x0, order, levels, has_tlm
