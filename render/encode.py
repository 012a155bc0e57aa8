"""8 bit pictures to the bytes that a browser shows."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from render.colour import bgr
from render.errors import CorruptImage

_FULL_CHROMA_FROM = 90


def encode_jpeg(pixels: NDArray[Any], quality: int = 85) -> bytes:
    """Baseline JPEG of (rows, columns) grey or (rows, columns, 3) RGB uint8; quality 1 to 100.

    Colour keeps its full chroma resolution from quality 90 up.
    """
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    if pixels.ndim == 3 and quality >= _FULL_CHROMA_FROM:
        settings += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return _encoded(".jpg", pixels, settings)


def encode_png(pixels: NDArray[Any]) -> bytes:
    """Lossless PNG of (rows, columns) grey or (rows, columns, 3) RGB uint8, without gamma or profile.

    Grey takes OpenCV's run-length strategy (half the time of deflate level 1 and fewer bytes). Colour
    here is mostly ultrasound with flat areas and text, which deflate level 1 makes a third smaller.
    """
    deflate = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT]
    return _encoded(".png", pixels, deflate if pixels.ndim == 3 else [])


def _encoded(kind: str, pixels: NDArray[Any], settings: list[int]) -> bytes:
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or not pixels.size:
        raise CorruptImage(f"no picture of 8 bits: {pixels.dtype.name} {pixels.shape}")
    done, data = cv2.imencode(kind, bgr(pixels) if pixels.ndim == 3 else pixels, settings)
    if not done:
        raise CorruptImage("the picture cannot be encoded")
    return bytes(data)
