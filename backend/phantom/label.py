"""The mark burnt into every computed picture, so that none is ever taken for a patient's."""

from __future__ import annotations

import cv2
import numpy as np

from .grid import Mask

TEXT = "SYNTHETIC 合成影像"


def label_mask(rows: int, columns: int) -> Mask:
    """Coverage (0 to 255) of the mark in the lower left corner, uint8 (rows, columns); about a third of the picture wide."""
    mask = np.zeros((rows, columns), dtype=np.uint8)
    size = max(6, columns // 34)
    cv2.putText(mask, TEXT, (columns // 64, rows - rows // 64 - size // 4), (255,), cv2.FontFace("uni"), size, 400)
    return mask
