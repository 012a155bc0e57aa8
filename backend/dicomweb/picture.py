"""The picture that rendering parameters ask for, out of stored values (PS3.18 8.3.5, PS3.4 N.2)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.platform.errors import Invalid
from render import Transform, encode_jpeg, encode_png, fit, grey_lut, shrink, window_pixels
from render import Window as RenderWindow

from .media import PNG
from .model import Rendering, Viewport, Window

Array = NDArray[Any]

_FUNCTIONS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}


def render_window(window: Window) -> RenderWindow:
    """The same window in the pixel library's terms."""
    return RenderWindow(window.center, window.width, function=_FUNCTIONS[window.function])


def encoded(stored: Array, transform: Transform, window: RenderWindow | None, asked: Rendering, media: str) -> bytes:
    """JPEG or PNG of one frame's stored values: (rows, columns) of any type, or (rows, columns, 3) RGB uint8.

    Shrinking is done on stored values before the window, so that the picture equals the window of their mean;
    enlarging after it. Raises `Invalid` for a source region outside of the image.
    """
    pixels = _placed(stored, transform, window, asked.viewport)
    return encode_png(pixels) if media == PNG else encode_jpeg(pixels, asked.quality)


def thumbnail(stored: Array, transform: Transform, window: RenderWindow | None, side: int = 128) -> bytes:
    """A JPEG of the frame inside a square of `side` pixels."""
    width, height = fit(stored.shape[0], stored.shape[1], (side, side))
    return encode_jpeg(_grey(shrink(stored, width, height), transform, window), 80)


def _placed(stored: Array, transform: Transform, window: RenderWindow | None, viewport: Viewport | None) -> Array:
    if viewport is None:
        return _grey(stored, transform, window)
    region = _region(stored, viewport)
    rows, columns = region.shape[:2]
    scale = min(viewport.width / columns, viewport.height / rows)
    width, height = max(1, round(columns * scale)), max(1, round(rows * scale))
    if scale <= 1:
        return _grey(shrink(region, width, height), transform, window)
    shown = _grey(np.ascontiguousarray(region), transform, window)
    return np.asarray(cv2.resize(shown, (width, height), interpolation=cv2.INTER_LINEAR))


def _region(stored: Array, viewport: Viewport) -> Array:
    """The source region, mirrored where its width or height is negative."""
    rows, columns = stored.shape[:2]
    width = columns - viewport.x if viewport.region_width is None else viewport.region_width
    height = rows - viewport.y if viewport.region_height is None else viewport.region_height
    left, top = round(viewport.x), round(viewport.y)
    right, bottom = min(columns, round(viewport.x + abs(width))), min(rows, round(viewport.y + abs(height)))
    if left >= right or top >= bottom:
        raise Invalid(
            f"参数 viewport 的区域在影像（{columns} × {rows}）之外，请减小左、上的值。",
            code="invalid-parameter",
            parameter="viewport",
        )
    region = stored[top:bottom, left:right]
    if width < 0:
        region = region[:, ::-1]
    return region[::-1] if height < 0 else region


def _grey(stored: Array, transform: Transform, window: RenderWindow | None) -> Array:
    """8-bit pixels. Tables are kept, since making one costs more than applying it."""
    if transform.colour or stored.ndim == 3 or stored.dtype.kind not in "iu" or stored.dtype.itemsize > 2:
        return window_pixels(stored, transform, window)
    return np.asarray(cv2.LUT(np.ascontiguousarray(stored), _table(transform, window, stored.dtype.str)))


@lru_cache(maxsize=256)
def _table(transform: Transform, window: RenderWindow | None, dtype: str) -> NDArray[np.uint8]:
    return grey_lut(transform, window, np.dtype(dtype))
