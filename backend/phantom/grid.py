"""The sampling grid of a computed slice, and the tools that draw soft-edged shapes on it. Patient axes: x to the left, y to the back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.floating[Any]]
Mask = NDArray[np.uint8]

_SHIFT = 4
"""Fractional bits of the coordinates given to OpenCV's drawing functions."""


@dataclass(frozen=True, slots=True)
class Grid:
    """`rows` x `columns` pixel centres over a field of `width` x `height` mm, centred on the patient's axis."""

    rows: int
    columns: int
    width: float
    height: float

    @property
    def spacing(self) -> tuple[float, float]:
        """Millimetres (between rows, between columns)."""
        return self.height / self.rows, self.width / self.columns

    def axes(self) -> tuple[Plane, Plane]:
        """x as (1, columns) and y as (rows, 1), mm, float32: they broadcast to the plane."""
        dy, dx = self.spacing
        x = (np.arange(self.columns, dtype=np.float32) + np.float32(0.5 - self.columns / 2)) * np.float32(dx)
        y = (np.arange(self.rows, dtype=np.float32) + np.float32(0.5 - self.rows / 2)) * np.float32(dy)
        return x[None, :], y[:, None]

    def window(self, x0: float, x1: float, y0: float, y1: float) -> tuple[slice, slice]:
        """Rows and columns that cover a rectangle in mm, cut to the grid."""
        dy, dx = self.spacing
        columns = [round(v / dx + self.columns / 2) for v in (x0, x1)]
        rows = [round(v / dy + self.rows / 2) for v in (y0, y1)]
        return slice(max(rows[0], 0), max(rows[1], 0)), slice(max(columns[0], 0), max(columns[1], 0))


@dataclass(frozen=True, slots=True)
class Balls:
    """Spheres along the axes of tubes: columns x, y, z, radius in mm, float32 (n, 4). Their union is the tube."""

    data: NDArray[np.float32]

    def coverage(self, grid: Grid, z: float, extra: float = 0.0) -> Mask:
        """Covered part (0 to 255) of each pixel in the plane at `z`, the radii grown by `extra` mm; uint8 (rows, columns)."""
        mask = np.zeros((grid.rows, grid.columns), dtype=np.uint8)
        radius = self.data[:, 3] + extra
        near = np.abs(self.data[:, 2] - z) < radius
        chosen = self.data[near]
        cut = np.sqrt(radius[near] ** 2 - (chosen[:, 2] - z) ** 2)
        dy, dx = grid.spacing
        one = 1 << _SHIFT
        centre_x = np.rint((chosen[:, 0] / dx + grid.columns / 2 - 0.5) * one).astype(np.int64)
        centre_y = np.rint((chosen[:, 1] / dy + grid.rows / 2 - 0.5) * one).astype(np.int64)
        half_x, half_y = cut / dx, cut / dy
        # What is thinner than a pixel darkens it only in part; it is drawn one pixel wide and fainter.
        grey = np.minimum(255, 255 * np.minimum(half_x, half_y) / 0.6).astype(np.int64)
        axes = np.rint(np.maximum(np.stack((half_x, half_y), axis=1), 0.6) * one).astype(np.int64)
        for x, y, (a, b), value in zip(centre_x.tolist(), centre_y.tolist(), axes.tolist(), grey.tolist(), strict=True):
            if a == b:
                cv2.circle(mask, (x, y), a, value, -1, cv2.LINE_AA, _SHIFT)
            else:
                cv2.ellipse(mask, ((x / one, y / one), (2 * a / one, 2 * b / one), 0.0), value, -1, cv2.LINE_AA)
        return mask


def balls_along(points: Plane, radius: float | Plane, step: float = 0.5) -> NDArray[np.float32]:
    """Spheres along the polyline `points` (n, 3), one each `step` radii; `radius` is one or one a point. float32 (m, 4)."""
    radii = np.broadcast_to(np.asarray(radius, dtype=np.float32), (len(points),))
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    along = np.concatenate(([0.0], np.cumsum(lengths)))
    count = max(2, int(along[-1] / max(step * float(radii.min()), 0.2)) + 1)
    at = np.linspace(0.0, along[-1], count)
    columns = [np.interp(at, along, points[:, i]) for i in range(3)]
    return np.stack([*columns, np.interp(at, along, radii)], axis=1).astype(np.float32)


def soft(inside: Plane) -> Plane:
    """0 to 1 from a signed distance in mm (positive inside): an edge one millimetre wide, as partial volume makes it."""
    return np.asarray(np.clip(inside + np.float32(0.5), 0.0, 1.0))


def blend(values: Plane, weight: Plane | Mask, target: float | Plane) -> None:
    """Moves `values` towards `target` by `weight` (0 to 1, or 0 to 255 as uint8), in place."""
    share = weight.astype(np.float32) * np.float32(1 / 255) if weight.dtype == np.uint8 else weight
    values += (target - values) * share
