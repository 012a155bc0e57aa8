"""A computed head as a T1-weighted MR sees it: arbitrary units, bright fat and white matter, dark fluid and cortex of the skull."""

from __future__ import annotations

import numpy as np

from .grid import Grid, Plane, blend, soft

HEIGHT = 160.0
"""Millimetres from the lowest plane (z = 0) to the crown."""

_AXES = (72.0, 92.0)


class Head:
    """The anatomy of one seed on one grid; `signal(z)` computes any plane by itself."""

    def __init__(self, grid: Grid, seed: int) -> None:
        x, y = grid.axes()
        rng = np.random.default_rng((seed, 4))
        self._grid = grid
        self._x, self._y = x, y
        self._radius = np.sqrt((x / _AXES[0]) ** 2 + (y / _AXES[1]) ** 2).astype(np.float32)
        angle = np.arctan2(y / _AXES[1], x / _AXES[0])
        self._angle = angle.astype(np.float32)
        self._phases = rng.uniform(0, 2 * np.pi, 6)
        self._coil = (1.0 + 0.12 * np.cos(x / 60) * np.cos(y / 80)).astype(np.float32)

    def signal(self, z: float) -> Plane:
        """Signal of the plane at `z` mm above the lowest, without noise; float32 (rows, columns), about 0 to 1000."""
        size = float(np.sqrt(max(0.02, 1.0 - (max(0.0, z - 62.0) / 98.0) ** 2)))
        depth = (np.float32(size) - self._radius) * np.float32(80.0)
        values = np.zeros(depth.shape, dtype=np.float32)
        for below, signal in ((0.0, 360.0), (1.5, 880.0), (6.0, 60.0), (8.0, 330.0), (10.0, 55.0), (12.5, 130.0)):
            blend(values, soft(depth - below), signal)
        self._brain(values, depth, size, z)
        if 10.0 < z < 40.0:
            self._eyes(values, z)
        values *= self._coil
        return values

    def _brain(self, values: Plane, depth: Plane, size: float, z: float) -> None:
        """Grey matter folded round white matter, the fissure, ventricles and deep nuclei."""
        folds = sum(
            np.sin(count * self._angle + phase + z / 9)
            for count, phase in zip((17, 23, 31), self._phases[:3], strict=True)
        )
        blend(values, soft(depth - 15.0 - 0.6 * folds), 420.0)
        blend(values, soft(depth - 20.0 - 2.2 * folds), 620.0)
        blend(values, soft(1.2 - np.abs(self._x)) * soft(depth - 14.0), 120.0)
        reach = 1.0 - ((z - 88.0) / 34.0) ** 2
        if reach > 0 and size > 0.5:
            for side in (-1.0, 1.0):
                bend = side * (9 + 0.004 * self._y**2)
                tube = 1.0 - np.sqrt(((self._x - bend) / 7) ** 2 + (self._y / 34) ** 2)
                blend(values, soft((tube - 1 + np.float32(np.sqrt(reach))) * 7), 110.0)
                nucleus = 1.0 - np.sqrt(((self._x - side * 22) / 9) ** 2 + ((self._y + 2) / 16) ** 2)
                blend(values, soft((nucleus - 1 + np.float32(np.sqrt(reach))) * 9), 470.0)

    def _eyes(self, values: Plane, z: float) -> None:
        for side in (-1.0, 1.0):
            distance = np.sqrt((self._x - side * 31) ** 2 + (self._y + 70) ** 2 + np.float32((z - 25) ** 2))
            blend(values, soft(12.0 - distance), 90.0)
            blend(values, soft(2.0 - np.abs(distance - 12.0)), 380.0)
