"""Computed pictures that are no slices: a radiograph projected through the thorax, and a colour ultrasound sector that moves."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from .grid import Grid, Plane, blend, soft
from .thorax import HEIGHT, Thorax

_FIELD = 360.0
_WATER = 0.0195
"""Linear attenuation of water at chest radiography energies, 1/mm."""


def radiograph(rows: int, columns: int, seed: int) -> NDArray[np.uint16]:
    """A frontal chest radiograph, 12 bits, bright bone (MONOCHROME2), uint16 (rows, columns).

    The attenuation of the thorax is summed from front to back on a coarser grid, then enlarged and given quantum noise at full size.
    """
    grid = Grid(180, min(columns, 1024), _FIELD, _FIELD)
    thorax = Thorax(grid, seed)
    lines = min(rows, 400)
    depth = np.empty((lines, grid.columns), dtype=np.float32)
    for line in range(lines):
        hu = thorax.hu(HEIGHT * (1 - (line + 0.5) / lines))
        hu[grid.window(-180, 180, 100, 180)[0]] = -1000.0
        depth[line] = np.maximum(hu + 1000.0, 0.0).sum(axis=0) * np.float32(_WATER / 1000 * grid.spacing[0])
    full: Plane = np.asarray(cv2.resize(depth, (columns, rows), interpolation=cv2.INTER_CUBIC), dtype=np.float32)
    rng = np.random.default_rng((seed, 5))
    full += rng.standard_normal(full.shape, dtype=np.float32) * np.float32(0.012) * np.exp(full / 4)
    low, high = np.percentile(full[::8, ::8], (2, 99.8))
    return np.asarray(np.clip((full - low) / (high - low) * 3600 + 150, 0, 4095), dtype=np.uint16)


def sector_frames(rows: int, columns: int, count: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    """`count` frames of a beating, partly coloured ultrasound sector; each uint8 (rows, columns, 3), RGB."""
    rng = np.random.default_rng((seed, 6))
    grid = Grid(rows, columns, 200.0, 200.0 * rows / columns)
    x, y = grid.axes()
    top = y + grid.height / 2
    distance = np.sqrt(x**2 + top**2)
    cone = soft(np.minimum((0.72 - np.abs(np.arctan2(x, top + 1e-3))) * distance, grid.height - 14 - distance))
    cone *= soft(distance - 10)
    speckle: Plane = np.asarray(cv2.GaussianBlur(rng.rayleigh(1.0, (rows, columns)), (0, 0), 1.1), dtype=np.float32)
    for index in range(count):
        yield _sector(x, top, cone, speckle, 2 * np.pi * index / max(count, 24))


def _sector(x: Plane, top: Plane, cone: Plane, speckle: Plane, phase: float) -> NDArray[np.uint8]:
    tissue = np.full(cone.shape, 82.0, dtype=np.float32)
    size = 26.0 + 5.0 * np.sin(phase)
    chamber = 1.0 - np.sqrt((x / size) ** 2 + ((top - 78) / (1.3 * size)) ** 2)
    blend(tissue, soft(chamber * 26 + 4), 150.0)
    blend(tissue, soft(chamber * 26), 12.0)
    grey = np.clip(np.roll(speckle, round(6 * np.sin(phase)), axis=0) * tissue * cone, 0, 255)
    picture = np.repeat(grey[:, :, None], 3, axis=2).astype(np.float32)
    flow = soft(8.0 - np.sqrt((x - 6 * np.sin(phase)) ** 2 + ((top - 78) / 2.2) ** 2)) * cone
    colour = (235.0, 60.0, 20.0) if np.cos(phase) > 0 else (30.0, 80.0, 235.0)
    for channel, value in enumerate(colour):
        blend(picture[:, :, channel], flow * np.float32(0.8), value)
    return picture.astype(np.uint8)
