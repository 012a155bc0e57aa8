"""Pictures back to pixels."""

from __future__ import annotations

import cv2
import numpy as np


def pixels_of(data: bytes) -> np.ndarray:
    """Grey (rows, columns) or RGB (rows, columns, 3)."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    return pixels if pixels.ndim == 2 else pixels[..., ::-1]
