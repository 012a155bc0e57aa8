"""The bones of the computed thorax: cortical shells round trabecular bone, in Hounsfield units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .grid import Balls, Grid, Plane, balls_along, blend, soft

_CORTEX, _MARROW, _DISC = 780.0, 190.0, 85.0
_VERTEBRA = 25.0
"""Height of a vertebra with its disc, mm."""


class Skeleton:
    """Spine, ribs, sternum, clavicles and shoulder blades on one grid."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._ribs = Balls(_ribs())
        wx, wy = grid.axes()
        self._spine = grid.window(-48, 48, 30, 106)
        x, y = wx[:, self._spine[1]], wy[self._spine[0]]
        self._body = (1.0 - np.sqrt((x / 19) ** 2 + ((y - 52) / 15) ** 2)) * np.float32(16.0)
        canal = np.sqrt(x**2 + (y - 76) ** 2)
        self._canal = soft(9.0 - canal)
        self._cord = soft(4.5 - canal)
        self._arch = 2.6 - np.abs(canal - 11.6)
        self._transverse = (1.0 - np.sqrt(((np.abs(x) - 24) / 15) ** 2 + ((y - 74) / 5) ** 2)) * np.float32(7.0)
        self._spinous = (1.0 - np.sqrt((x / 4) ** 2 + ((y - 93) / 8) ** 2)) * np.float32(5.0)
        self._front = grid.window(-24, 24, -100, -74)
        fx, fy = wx[:, self._front[1]], wy[self._front[0]]
        self._sternum = (1.0 - np.sqrt((fx / 17) ** 2 + ((fy + 88) / 6) ** 2)) * np.float32(8.0)
        tilt = np.deg2rad(35.0)
        across, along = np.abs(wx) - 104, wy - 58
        u = across * np.cos(tilt) + along * np.sin(tilt) * -1
        v = across * np.sin(tilt) + along * np.cos(tilt)
        self._scapula = (1.0 - np.sqrt((u / 32) ** 2 + (v / 4.5) ** 2)) * np.float32(7.0)

    def draw(self, values: Plane, z: float) -> None:
        """Blends the bones that cross the plane at `z` into `values` (HU, float32), in place."""
        self._draw_spine(values[self._spine], z)
        if 105.0 < z < 262.0:
            _bone(values[self._front], self._sternum, 1.0)
        if 150.0 < z < 285.0:
            _bone(values, self._scapula, min(1.0, (z - 150) / 8, (285 - z) / 8))
        blend(values, self._ribs.coverage(self._grid, z), _CORTEX)
        blend(values, self._ribs.coverage(self._grid, z, -1.3), _MARROW + 40)

    def _draw_spine(self, values: Plane, z: float) -> None:
        phase = z % _VERTEBRA
        bony = float(np.clip(min(phase - 5.0, _VERTEBRA - phase) + 0.5, 0.0, 1.0))
        endplate = float(np.clip(1.6 - min(abs(phase - 6.0), abs(phase - _VERTEBRA), phase), 0.0, 1.0))
        blend(values, soft(self._body), _DISC)
        _bone(values, self._body, bony)
        blend(values, soft(self._body) * np.float32(endplate * 0.7), _CORTEX)
        posterior = float(np.clip(min(phase - 6.0, 22.0 - phase) / 2, 0.0, 1.0))
        for part in (self._transverse, self._spinous, self._arch):
            _bone(values, part, posterior)
        blend(values, self._canal, 8.0)
        blend(values, self._cord, 36.0)


def _bone(values: Plane, depth: Plane, share: float) -> None:
    """A bone of which `depth` is the distance below its surface in mm, positive inside; `share` of it lies in the plane."""
    if share > 0:
        blend(values, soft(depth) * np.float32(share), _CORTEX)
        blend(values, soft(depth - 1.8) * np.float32(share), _MARROW)


def _ribs() -> NDArray[np.float32]:
    """Twelve pairs of ribs, which fall towards the front, and the clavicles."""
    theta = np.deg2rad(np.linspace(11, 150, 40))
    parts = []
    for index in range(12):
        cage = min(1.0, 0.84 + 0.05 * index)
        reach = theta[: 40 if index < 10 else 24]
        z = 292.0 - 22.0 * index - 74.0 * (1 - np.cos(reach)) / 2
        for side in (-1.0, 1.0):
            line = np.stack([side * 134 * cage * np.sin(reach), 90 * (0.15 + 0.85 * cage) * np.cos(reach), z], axis=1)
            parts.append(balls_along(line.astype(np.float32), 5.4, 0.3))
    for side in (-1.0, 1.0):
        line = np.array([(side * 14, -82, 258), (side * 60, -62, 274), (side * 128, -12, 286)], dtype=np.float32)
        parts.append(balls_along(line, 5.8, 0.3))
    return np.concatenate(parts)
