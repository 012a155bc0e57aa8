"""S9: what a bare loop over each step costs on this machine, and what ours costs above it."""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray

import render
from backend.phantom import PhantomRequest, generate, part10

from .bare import table
from .figures import Figures

_WINDOW = render.Window(-600, 1500)


def s9(figures: Figures, count: int) -> None:
    """Decode, window and encode of one 512x512 CT frame."""
    image = render.open_image(part10(next(generate(PhantomRequest(slices=1)))))
    transform, stored = image.transform(0), image.decode(0)
    packed, ends = render.pack_frame(stored)
    levels = table(-600, 1500)
    shown = cv2.LUT(np.asarray(stored), levels)
    lut = render.grey_lut(transform, _WINDOW, stored.dtype)
    _compare(
        figures, "decode HTJ2K", count, lambda: imagecodecs.htj2k_decode(packed), lambda: render.unpack(packed, ends)
    )
    _compare(
        figures, "encode HTJ2K, verified", count // 4, lambda: _bare_pack(stored), lambda: render.pack_frame(stored)
    )
    _compare(figures, "apply a window", count, lambda: cv2.LUT(stored, levels), lambda: cv2.LUT(stored, lut))
    _compare(
        figures,
        "make a window's table",
        count,
        lambda: np.clip((np.arange(65536) - 1024) * 0.17, 0, 255).astype(np.uint8),
        lambda: render.grey_lut(transform, _WINDOW, stored.dtype),
    )
    jpeg = [cv2.IMWRITE_JPEG_QUALITY, 70]
    _compare(
        figures, "encode JPEG", count, lambda: cv2.imencode(".jpg", shown, jpeg), lambda: render.encode_jpeg(shown, 70)
    )
    _compare(figures, "encode PNG", count // 4, lambda: cv2.imencode(".png", shown), lambda: render.encode_png(shown))


def _bare_pack(stored: NDArray[np.generic]) -> bytes:
    return bytes(imagecodecs.htj2k_encode(stored, reversible=True))


def _compare(figures: Figures, what: str, count: int, bare: Callable[[], object], ours: Callable[[], object]) -> None:
    costs = [_milliseconds(bare, count), _milliseconds(ours, count)]
    figures.tell("S9", what, bare_ms=costs[0], ours_ms=costs[1], ratio=costs[1] / costs[0])


def _milliseconds(one: Callable[[], object], count: int) -> float:
    """CPU time of a call, the least of three rounds."""
    one()
    rounds = []
    for _ in range(3):
        began = time.process_time()
        for _ in range(count):
            one()
        rounds.append(1000 * (time.process_time() - began) / count)
    return min(rounds)
