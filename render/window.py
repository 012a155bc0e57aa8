"""Stored values to 8 bit grey: modality transform, VOI, inversion, padding (PS3.3 C.11.1, C.11.2, C.11.6).

The order is the standard's: modality LUT or rescale; VOI LUT or window; Presentation LUT Shape. The
result is in P-Values scaled to 8 bits, for a display calibrated to PS3.14 or a browser's sRGB.
Fractions round half up; inversion is 255 minus the rounded value; padding is black at last.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from render.errors import UnsupportedSyntax
from render.transform import Lut, Transform, Window, check_grey

Array = NDArray[Any]
Levels = NDArray[np.uint8]
Values = NDArray[np.float64]

_CHUNK = 1 << 20


def modality_values(stored: Array, transform: Transform) -> Values:
    """Output of the modality transform (e.g. Hounsfield units), float64, the shape of `stored`."""
    values: Values = stored.astype(np.float64)
    if transform.modality_lut is not None:
        return _looked_up(values, transform.modality_lut)
    values *= transform.slope
    values += transform.intercept
    return values


def grey_lut(transform: Transform, window: Window | None, dtype: Any = None) -> Levels:
    """Grey level of every bit pattern of `dtype`: uint8[65536], or uint8[256] for 8 bit types.

    Made for cv2.LUT, which indexes signed input by its bit pattern. With `window` None the first
    VOI LUT applies, else the first window, else the full range of Bits Stored. Raises
    UnsupportedSyntax for types beyond 16 bits, CorruptImage for colour.
    """
    check_grey(transform)
    kind = np.dtype(transform.dtype if dtype is None else dtype)
    if kind.kind not in "iu" or kind.itemsize > 2:
        raise UnsupportedSyntax(f"no look-up table for {kind.name}")
    patterns = np.arange(1 << (8 * kind.itemsize), dtype=f"u{kind.itemsize}").view(kind)
    return _levels(patterns, transform, window, full_range(transform))


def window_pixels(stored: Array, transform: Transform, window: Window | None = None) -> Levels:
    """The picture of `stored`: (rows, columns) uint8; RGB (rows, columns, 3) passes unchanged.

    Types up to 16 bits go through `grey_lut`, wider and floating ones through the same formulas in
    float64. `window` None means as in `grey_lut`; where nothing tells a range, floating and 32 bit
    pixels show from their lowest to their highest value.
    """
    if transform.colour or stored.ndim == 3:
        return np.asarray(stored, dtype=np.uint8)
    if stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2:
        return np.asarray(cv2.LUT(stored, grey_lut(transform, window, stored.dtype)))
    span = value_range(stored, transform)
    flat = stored.reshape(-1)
    grey = np.empty(flat.shape, dtype=np.uint8)
    for start in range(0, len(flat), _CHUNK):
        part = slice(start, start + _CHUNK)
        grey[part] = _levels(flat[part], transform, window, span)
    return grey.reshape(stored.shape)


def full_range(transform: Transform) -> tuple[float, float]:
    """Lowest and highest modality value that Bits Stored, or the entries of a modality LUT, can hold."""
    if transform.modality_lut is not None:
        entries = transform.modality_lut.entries
        return float(entries.min()), float(entries.max())
    ends = [end * transform.slope + transform.intercept for end in transform.stored_range]
    return min(ends), max(ends)


def value_range(stored: Array, transform: Transform) -> tuple[float, float]:
    """Lowest and highest modality value among the pixels that are finite and no padding."""
    values = stored[np.isfinite(stored) & ~_padded(stored, transform)]
    if values.size == 0:
        return 0.0, 1.0
    ends = modality_values(np.array([values.min(), values.max()]), transform)
    return float(ends.min()), float(ends.max())


def _levels(stored: Array, transform: Transform, window: Window | None, span: tuple[float, float]) -> Levels:
    values = modality_values(stored, transform)
    if window is None and transform.voi_luts:
        lut = transform.voi_luts[0]
        shown = _looked_up(values, lut)
        shown *= 255.0 / ((1 << lut.bits) - 1)
    else:
        chosen = window or next(iter(transform.windows), None)
        shown = _linear_between(values, *span) if chosen is None else windowed(values, chosen)
    if stored.dtype.kind == "f":
        np.nan_to_num(shown, copy=False, nan=0.0)
    np.clip(shown, 0.0, 255.0, out=shown)
    shown += 0.5
    # The values are not negative, so the cast truncates as floor would.
    grey: Levels = shown.astype(np.uint8)
    if transform.inverted:
        np.subtract(255, grey, out=grey)
    if transform.padding is not None:
        grey[_padded(stored, transform)] = 0
    return grey


def windowed(values: Values, window: Window) -> Values:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3 with the output range 0 to 255, neither clipped nor rounded.

    Works in place: `values` are used up.
    """
    center, width = window.center, window.width
    if window.function == "SIGMOID":
        with np.errstate(over="ignore"):
            return np.asarray(255.0 / (1.0 + np.exp(-4.0 * (values - center) / width)))
    if window.function == "LINEAR" and width <= 1:
        return np.where(values <= center - 0.5, 0.0, 255.0)
    exact = window.function == "LINEAR_EXACT"
    values -= center if exact else center - 0.5
    values /= width if exact else width - 1.0
    values += 0.5
    values *= 255.0
    return values


def _linear_between(values: Values, low: float, high: float) -> Values:
    values -= low
    values *= 255.0 / ((high - low) or 1.0)
    return values


def _looked_up(values: Values, lut: Lut) -> Values:
    entries = lut.entries
    places = np.clip(np.floor(np.nan_to_num(values)) - lut.first, 0, len(entries) - 1)
    return np.asarray(entries[places.astype(np.int64)], dtype=np.float64)


def _padded(stored: Array, transform: Transform) -> NDArray[np.bool_]:
    if transform.padding is None:
        return np.zeros(stored.shape, dtype=np.bool_)
    low, high = transform.padding
    return (stored >= low) & (stored <= high)
