"""What the screen must show, by PS3.3 C.7.6.3.1 and C.11 in float64, and by the rule of exactness for shrunk pictures.

Nothing here is of the product: pydicom reads, numpy computes.
"""

from __future__ import annotations

import numpy as np
import pydicom
from numpy.typing import NDArray

NEAR = 0.011
"""A mean so near to a half may round either way: the documented tolerance of shrinking."""


def levels(dataset: pydicom.Dataset, stored: NDArray, center: float, width: float) -> NDArray[np.uint8]:
    """8 bits of stored values: rescale (C.11.1), LINEAR window (C.11.2.1.2), polarity, padding black."""
    values = stored.astype(np.float64) * float(dataset.get("RescaleSlope") or 1) + float(
        dataset.get("RescaleIntercept") or 0
    )
    shown = np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1) * 255
    picture = np.floor(shown + 0.5).astype(np.uint8)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        picture = 255 - picture
    if "PixelPaddingValue" in dataset:
        padding = np.asarray(dataset.PixelPaddingValue).astype(stored.dtype)
        picture[stored == padding] = 0
    return picture


def fitted(stored: NDArray, width: int, height: int) -> tuple[NDArray, NDArray]:
    """The two candidates of each pixel's stored value at this size; they differ only where a mean is next to a half."""
    mean = _weights(stored.shape[0], height) @ stored.astype(np.float64) @ _weights(stored.shape[1], width).T
    return tuple(np.rint(mean + nudge).astype(stored.dtype) for nudge in (-NEAR, NEAR))  # type: ignore[return-value]


def _weights(source: int, target: int) -> NDArray[np.float64]:
    """(target, source): the share of each source pixel in a target pixel's area."""
    edges = np.arange(target + 1) * (source / target)
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(source)[None, :]
    return np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None) / (source / target)


def assert_shown(picture: NDArray[np.uint8], dataset: pydicom.Dataset, window: tuple[float, float]) -> None:
    """The grey canvas is the whole frame in this window, or the frame fitted to the canvas's size, exactly."""
    stored = dataset.pixel_array
    height, width = picture.shape
    if (height, width) == stored.shape:
        assert np.array_equal(picture, levels(dataset, stored, *window))
        return
    assert height < stored.shape[0] and width < stored.shape[1]
    assert abs(width / height - stored.shape[1] / stored.shape[0]) < 0.01
    low, high = (levels(dataset, one, *window) for one in fitted(stored, width, height))
    wrong = (picture != low) & (picture != high)
    assert not wrong.any(), f"{wrong.sum()} of {wrong.size} pixels"
    assert (low != high).mean() < 0.05
