"""One compressed frame to its stored values, by transfer syntax.

Every codestream's own header is compared with the declared size before a decoder runs, so that a
decoder in C never allocates by what a broken file says.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render import codecs
from render.codestream import Jpeg2000Header, JpegHeader, check_complete, jpeg2000_header, jpeg_header
from render.colour import eight_bits, rgb_of_ybr
from render.errors import CorruptImage, LimitExceeded, RenderError, UnsupportedSyntax
from render.format import RUN_LENGTH, WHOLE_SLIDE, ImageFormat
from render.limits import Limits

Array = NDArray[Any]

NATIVE = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"})
BIG_ENDIAN = "1.2.840.10008.1.2.2"
_JPEG = "1.2.840.10008.1.2.4."
_SAME_COLOUR = {1: None, 3: "RGB"}
"""Colour space to name as both input and output, so that the codec converts nothing."""


def encapsulated_frame(data: bytes, form: ImageFormat, limits: Limits) -> Array:
    """Stored samples of one compressed frame: (rows, columns), or (rows, columns, 3) already RGB.

    Raises UnsupportedSyntax without a decoder for the syntax, CorruptImage where the codestream does
    not match the header or the decoder refuses it, LimitExceeded beyond `limits`.
    """
    decoder = _DECODERS.get(form.transfer_syntax_uid)
    if decoder is None:
        raise UnsupportedSyntax(f"transfer syntax {form.transfer_syntax_uid[:64]}")
    if form.floating:
        raise CorruptImage("floating point pixels in an encapsulated syntax")
    try:
        return _padded(decoder(data, form, limits), form)
    except RenderError:
        raise
    except Exception as error:  # every codec has its own kinds
        raise CorruptImage(f"the decoder refuses the frame ({type(error).__name__})") from error


def _padded(decoded: Array, form: ImageFormat) -> Array:
    """A frame of the declared size; edge tiles of whole slide images may be cropped in the file."""
    if decoded.shape[:2] == (form.rows, form.columns):
        return decoded
    whole = np.full((form.rows, form.columns, *decoded.shape[2:]), 255, dtype=decoded.dtype)
    whole[: decoded.shape[0], : decoded.shape[1]] = decoded
    return whole


def _check_size(rows: int, columns: int, components: int, form: ImageFormat) -> None:
    cropped = form.sop_class_uid == WHOLE_SLIDE and 0 < rows <= form.rows and 0 < columns <= form.columns
    if not cropped and (rows, columns) != (form.rows, form.columns):
        raise CorruptImage(f"the codestream is {rows} x {columns}, the header {form.rows} x {form.columns}")
    if components != form.samples:
        raise CorruptImage(f"the codestream has {components} components, the header {form.samples}")


def _check_density(data: bytes, form: ImageFormat, pixels_per_byte: int) -> None:
    """Refuse a frame that could not hold its pixels even at the coder's best ratio."""
    if len(data) * pixels_per_byte < form.rows * form.columns * form.samples:
        raise CorruptImage(f"{len(data)} bytes cannot hold {form.rows} x {form.columns} pixels")


def _jpeg(data: bytes, form: ImageFormat, limits: Limits) -> Array:
    """Baseline and extended JPEG of 8 or 12 bits; colour comes out as RGB."""
    header = jpeg_header(data)
    _check_size(header.rows, header.columns, header.components, form)
    # A block of 64 coefficients takes at least two Huffman codes of one bit.
    _check_density(data, form, 64 * 4 * (4 if header.subsampled else 1))
    if header.process not in (0xC0, 0xC1):
        raise UnsupportedSyntax(f"JPEG process 0x{header.process:02x}")
    if header.precision > 8 and form.bits_allocated == 8:
        raise CorruptImage(f"JPEG of {header.precision} bits in 8 allocated bits")
    stream = data[header.start :]
    position = header.spectral_end
    if position is not None and data[position] == 0:
        # Some writers leave Se at 0 although a sequential scan holds all 64 coefficients.
        stream = data[header.start : position] + b"\x3f" + data[position + 1 :]
    if header.components == 1:
        return codecs.jpeg(stream)
    stored = "YCBCR" if _luma_and_chroma(header, form) else "RGB"
    return codecs.jpeg(stream, stored, "RGB")


def _luma_and_chroma(header: JpegHeader, form: ImageFormat) -> bool:
    """True where the three components are YCbCr.

    The codestream says so for certain by its component names, its Adobe or JFIF marker or by
    subsampling; only where it is silent does Photometric Interpretation decide (PS3.5 8.2.1).
    """
    if header.component_ids in (b"RGB", b"rgb"):
        return False
    if header.adobe_transform is not None:
        return header.adobe_transform != 0
    return header.jfif or header.subsampled or form.photometric.startswith("YBR")


def _jpeg_lossless(data: bytes, form: ImageFormat, limits: Limits) -> Array:
    header = jpeg_header(data)
    _check_size(header.rows, header.columns, header.components, form)
    _check_density(data, form, 8)
    if header.process != 0xC3:
        raise UnsupportedSyntax(f"JPEG process 0x{header.process:02x} in a lossless syntax")
    same = _SAME_COLOUR.get(header.components)
    decoded = codecs.jpeg(data[header.start :], same, same)
    return _to_rgb(decoded, form, header.components == 3 and _luma_and_chroma(header, form))


def _jpeg_ls(data: bytes, form: ImageFormat, limits: Limits) -> Array:
    header = jpeg_header(data)
    _check_size(header.rows, header.columns, header.components, form)
    if header.process != 0xF7:
        raise UnsupportedSyntax(f"JPEG process 0x{header.process:02x} in a JPEG-LS syntax")
    decoded = codecs.jpeg_ls(data[header.start :])
    return _to_rgb(decoded, form, header.components == 3 and _luma_and_chroma(header, form))


def _jpeg_2000(data: bytes, form: ImageFormat, limits: Limits) -> Array:
    start, header = _jpeg_2000_header(data, form, limits)
    # The boxes of a JP2 file around the codestream, which DICOM has no use for, no decoder gets to see.
    return _conformed(codecs.jpeg_2000(data[start:], form), header, form)


def _jpeg_2000_header(data: bytes, form: ImageFormat, limits: Limits) -> tuple[int, Jpeg2000Header]:
    start, header = jpeg2000_header(data)
    _check_size(header.rows, header.columns, header.components, form)
    if header.tiles > limits.max_tiles:
        raise LimitExceeded(f"{header.tiles} tiles")
    return start, header


def _htj2k(data: bytes, form: ImageFormat, limits: Limits) -> Array:
    start, header = _jpeg_2000_header(data, form, limits)
    if header.reversible:
        return _conformed(codecs.htj2k(data[start:], form), header, form)
    # OpenJPH as bound here lets lossy values that leave the range wrap around; OpenJPEG clips them.
    check_complete(data[start:])
    return _conformed(codecs.jpeg_2000(data[start:], form), header, form)


def _conformed(decoded: Array, header: Jpeg2000Header, form: ImageFormat) -> Array:
    """Samples of a JPEG 2000 decoder: RGB where the codestream has three components.

    The component transformation, where used, has been undone by the decoder, whatever the label says.
    """
    ybr = form.photometric.startswith("YBR_FULL") and not header.component_transform
    return _to_rgb(decoded, form, ybr)


def _to_rgb(decoded: Array, form: ImageFormat, ybr: bool) -> Array:
    """RGB of 8 bits out of three components, `ybr` where they are YCbCr; grey as it is."""
    if form.samples == 1:
        return decoded
    samples = eight_bits(decoded, form.bits_stored)
    return rgb_of_ybr(samples) if ybr else samples


def _run_length(data: bytes, form: ImageFormat, limits: Limits) -> Array:
    """RLE Lossless (PS3.5 annex G): planes of bytes, most significant first."""
    width = form.bits_allocated // 8
    if width == 0:
        raise UnsupportedSyntax("RLE of 1 bit samples")
    _check_density(data, form, 64)
    if int.from_bytes(data[:4], "little") != width * form.samples:
        raise CorruptImage("RLE header of a wrong number of segments")
    planes = codecs.run_length(data, form)
    if form.samples == 1:
        return planes.reshape(form.rows, form.columns)
    ybr = form.photometric.startswith("YBR_FULL")
    return _to_rgb(np.ascontiguousarray(planes.transpose(1, 2, 0)), form, ybr)


_DECODERS: dict[str, Callable[[bytes, ImageFormat, Limits], Array]] = {
    _JPEG + "50": _jpeg,
    _JPEG + "51": _jpeg,
    _JPEG + "57": _jpeg_lossless,
    _JPEG + "70": _jpeg_lossless,
    _JPEG + "80": _jpeg_ls,
    _JPEG + "81": _jpeg_ls,
    _JPEG + "90": _jpeg_2000,
    _JPEG + "91": _jpeg_2000,
    _JPEG + "201": _htj2k,
    _JPEG + "202": _htj2k,
    _JPEG + "203": _htj2k,
    RUN_LENGTH: _run_length,
}

SUPPORTED_SYNTAXES = NATIVE | frozenset(_DECODERS)
"""Transfer Syntax UIDs that decode here."""
