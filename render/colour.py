"""Colour models to RGB of 8 bits (PS3.3 C.7.6.3.1.2 and C.7.6.3.1.5)."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut

from render.errors import CorruptImage

Array = NDArray[Any]

_STEP = np.arange(256, dtype=np.float32) - 128
_RED_OF_CR = np.float32(1.402) * _STEP
_GREEN_OF_CB = np.float32(-0.114 * 1.772 / 0.587) * _STEP
_GREEN_OF_CR = np.float32(-0.299 * 1.402 / 0.587) * _STEP
_BLUE_OF_CB = np.float32(1.772) * _STEP


def rgb_of_ybr(ybr: Array) -> Array:
    """RGB of YBR_FULL; both (rows, columns, 3) uint8; halves round up, the ends saturate."""
    luma = ybr[..., 0].astype(np.float32) + np.float32(0.5)
    blue, red = ybr[..., 1], ybr[..., 2]
    rgb = np.empty(ybr.shape, dtype=np.uint8)
    for channel, wave in (
        (0, luma + _RED_OF_CR[red]),
        (1, luma + _GREEN_OF_CB[blue] + _GREEN_OF_CR[red]),
        (2, luma + _BLUE_OF_CB[blue]),
    ):
        rgb[..., channel] = np.clip(np.floor(wave), 0, 255)
    return rgb


def ybr_of_422(raw: Array, rows: int, columns: int) -> Array:
    """YBR_FULL of native YBR_FULL_422: Y Y Cb Cr for each pair of columns; the chroma is repeated."""
    if columns % 2:
        raise CorruptImage("YBR_FULL_422 of an odd number of columns")
    pairs = raw.reshape(rows, columns // 2, 4)
    ybr = np.empty((rows, columns // 2, 2, 3), dtype=raw.dtype)
    ybr[..., 0] = pairs[..., :2]
    ybr[..., 1] = pairs[..., 2:3]
    ybr[..., 2] = pairs[..., 3:4]
    return ybr.reshape(rows, columns, 3)


def eight_bits(samples: Array, bits_stored: int) -> Array:
    """The upper 8 of `bits_stored` bits of unsigned samples."""
    if samples.dtype == np.uint8 and bits_stored == 8:
        return samples
    if bits_stored <= 8:
        return np.clip(samples, 0, 255).astype(np.uint8)
    return (samples >> (bits_stored - 8)).astype(np.uint8)


def palette_table(dataset: Dataset, bits_stored: int) -> Array:
    """RGB (2 ** bits_stored, 3) uint8 of every palette index, segmented palettes included.

    Entries of 16 bits lose their lower 8, except where no entry uses the upper 8: such files hold
    8 bit palettes under a descriptor that says 16. Raises CorruptImage without a sound palette.
    """
    try:
        table = apply_color_lut(np.arange(1 << bits_stored, dtype=np.uint16), dataset)
    except Exception as error:  # pydicom raises nearly anything on broken tables
        raise CorruptImage("the palette cannot be read") from error
    if table.dtype != np.uint8 and int(table.max()) > 255:
        table = table >> 8
    return table[:, :3].astype(np.uint8)


def expand_palette(indices: Array, table: Array) -> Array:
    """RGB (rows, columns, 3) uint8 of palette indices."""
    return np.take(table, indices, axis=0, mode="clip")


def bgr(rgb: Array) -> Array:
    """The same picture in the order of channels that OpenCV's encoders want."""
    swapped: Array = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return swapped
