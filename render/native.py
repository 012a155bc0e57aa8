"""Frames of native (uncompressed) pixel data (PS3.5 8.1.1, A.1 to A.3)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.colour import ybr_of_422
from render.errors import CorruptImage
from render.format import ImageFormat

Array = NDArray[Any]


def native_frame(data: memoryview, index: int, form: ImageFormat, vr: str, big: bool) -> Array:
    """Stored samples of frame `index` of native pixel data, in the sample's own width.

    Shape (rows, columns), or (rows, columns, 3) in the colour model of the file. `vr` is that of the
    element: a `big` endian OW holds bytes in swapped pairs.
    """
    if form.bits_allocated == 1:
        return _native_bits(data, index, form, swapped=big and vr == "OW")
    size = form.stored_frame_bits // 8
    if big and vr == "OW" and form.bits_allocated == 8:
        raw = _swapped_bytes(data, index * size, size)
    else:
        kind = "f" if form.floating else "u"
        order = ">" if big else "<"
        width = form.bits_allocated // 8
        raw = np.frombuffer(data, f"{order}{kind}{width}", size // width, index * size)
        raw = raw.astype(raw.dtype.newbyteorder("="))
    if form.photometric == "YBR_FULL_422":
        return ybr_of_422(raw, form.rows, form.columns)
    if form.samples == 1:
        return raw.reshape(form.rows, form.columns)
    if form.planar:
        return np.ascontiguousarray(raw.reshape(form.samples, form.rows, form.columns).transpose(1, 2, 0))
    return raw.reshape(form.rows, form.columns, form.samples)


def _native_bits(data: memoryview, index: int, form: ImageFormat, swapped: bool) -> Array:
    """Samples of one bit, first sample in the least significant bit; frames follow bit by bit (PS3.5 8.1.1)."""
    count = form.rows * form.columns
    first = index * count
    start, stop = first // 8, -(-(first + count) // 8)
    packed = _swapped_bytes(data, start, stop - start) if swapped else np.frombuffer(data[start:stop], np.uint8)
    bits = np.unpackbits(packed, bitorder="little")[first - start * 8 :][:count]
    return bits.reshape(form.rows, form.columns)


def _swapped_bytes(data: memoryview, start: int, size: int) -> Array:
    """Bytes that were written as big endian words, in their own order."""
    even = start - start % 2
    stop = min(start + size + (start + size) % 2, len(data) - len(data) % 2)
    words = np.frombuffer(data[even:stop], ">u2").astype("<u2").view(np.uint8)
    found = words[start - even : start - even + size]
    if len(found) < size:
        raise CorruptImage("big endian words of an odd number of bytes")
    return found.copy()
