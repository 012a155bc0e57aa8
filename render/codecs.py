"""Calls of the decoders in C, each kept from the habits that it was found to have.

imagecodecs goes first, for its decoders release the interpreter lock; for JPEG 2000 and HTJ2K
pydicom's pylibjpeg plug-in (openjpeg, MIT), which holds it, is the fallback. The rle plug-in is none:
on broken frames it panics past `except Exception`. The caller has compared the codestream's size
with the declared one before.
"""

import random
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from render.codestream import check_complete
from render.errors import CorruptImage
from render.format import ImageFormat

Array = NDArray[Any]

_END_OF_IMAGE = b"\xff\xd9"
_FILLER = bytes(random.Random(1).choices(range(1, 255), k=4096))  # noqa: S311  (no secret, only no pattern)
"""Entropy-coded data that means nothing in particular."""


def jpeg(stream: bytes, stored: str | None = None, wanted: str | None = None) -> Array:
    """Sequential and lossless JPEG by libjpeg-turbo, from colour space `stored` to `wanted`.

    libjpeg fills what a cut stream lacks with grey and does not tell. So a stream without EOI is
    decoded a second time with other bytes behind it: where the pictures differ, it was cut.
    """
    decoded = np.asarray(imagecodecs.jpeg8_decode(stream, colorspace=stored, outcolorspace=wanted))
    if _END_OF_IMAGE in stream[-64:]:
        return decoded
    other = imagecodecs.jpeg8_decode(stream + _FILLER + _END_OF_IMAGE, colorspace=stored, outcolorspace=wanted)
    if not np.array_equal(decoded, other):
        raise CorruptImage("the JPEG frame ends early")
    return decoded


def jpeg_ls(stream: bytes) -> Array:
    """JPEG-LS by CharLS.

    At the end of a stream without EOI it counts zero bits for seconds: so there is always an EOI. It
    refuses zero bytes between the last scan and EOI, which WG-04's own samples have: so a refused
    stream is tried once more without them.
    """
    end = stream.rfind(_END_OF_IMAGE)
    body = stream if end < 0 else stream[:end]
    try:
        return np.asarray(imagecodecs.jpegls_decode(body + _END_OF_IMAGE))
    except RuntimeError:
        if not body.endswith(b"\0"):
            raise
        return np.asarray(imagecodecs.jpegls_decode(body.rstrip(b"\0") + _END_OF_IMAGE))


def jpeg_2000(stream: bytes, form: ImageFormat) -> Array:
    """JPEG 2000 and HTJ2K by OpenJPEG."""
    try:
        return np.asarray(imagecodecs.jpeg2k_decode(stream, numthreads=1))
    except RuntimeError:
        return _by_pylibjpeg(stream, form)


def htj2k(stream: bytes, form: ImageFormat) -> Array:
    """Reversible HTJ2K by OpenJPH, which decodes a cut codestream to wrong pixels: so it must be whole."""
    check_complete(stream)
    try:
        return np.asarray(imagecodecs.htj2k_decode(stream))
    except RuntimeError:
        return _by_pylibjpeg(stream, form)


def run_length(data: bytes, form: ImageFormat) -> Array:
    """Planes (samples, rows, columns) of an RLE frame."""
    planes: Array = np.empty((form.samples, form.rows, form.columns), dtype=f"<u{form.bits_allocated // 8}")
    room = planes.reshape(-1).view(np.uint8).data
    filled = len(imagecodecs.dicomrle_decode(data, dtype=planes.dtype, out=room))
    if filled < planes.nbytes:
        raise CorruptImage("the RLE frame ends early")
    return planes


def _by_pylibjpeg(data: bytes, form: ImageFormat) -> Array:
    """Stored samples by pydicom's pylibjpeg plug-in, colour by pixel."""
    options: Any = {
        "pixel_keyword": "PixelData",
        "number_of_frames": 1,
        "rows": form.rows,
        "columns": form.columns,
        "samples_per_pixel": form.samples,
        "bits_allocated": form.bits_allocated,
        "bits_stored": form.bits_stored,
        "pixel_representation": int(form.signed),
        "photometric_interpretation": form.photometric,
        "planar_configuration": 0,
    }
    decoder = get_decoder(UID(form.transfer_syntax_uid))
    decoded, _ = decoder.as_array(encapsulate([data]), index=0, raw=True, decoding_plugin="pylibjpeg", **options)
    return np.asarray(decoded)
