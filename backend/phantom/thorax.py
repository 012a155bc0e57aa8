"""A computed thorax in Hounsfield units: static fields are made once, each slice is look-ups, a few blends and drawn tubes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bones import Skeleton
from .grid import Balls, Grid, Plane, balls_along, blend, soft
from .tree import grow

HEIGHT = 300.0
"""Millimetres from the lowest plane (z = 0) to the highest."""

_BODY = (165.0, 108.0)
_LUNGS = {"right": -70.0, "left": 68.0}
_LUNG_AXES = (58.0, 82.0)
_HILA = {"right": (-30.0, 8.0, 165.0), "left": (28.0, 10.0, 172.0)}
_DOME_BASE = {"right": 92.0, "left": 78.0}


@dataclass(frozen=True, slots=True)
class Nodule:
    """A ball in a lung, known exactly: centre and diameter in mm in the patient's frame, HU without noise."""

    x: float
    y: float
    z: float
    diameter: float
    hu: float


def nodules(seed: int, count: int) -> tuple[Nodule, ...]:
    """`count` nodules of 4 to 18 mm in the lungs, the same for the same seed."""
    rng = np.random.default_rng((seed, 7))
    found = []
    for index in range(count):
        side = ("right", "left")[index % 2]
        x, y, z = _scatter(side, 1, rng, shrink=0.72)[0].tolist()
        hu = -550.0 if index % 3 == 2 else 35.0
        found.append(Nodule(x, y, z, round(4.0 + 14.0 * (index + 1) / (count + 1), 1), hu))
    return tuple(found)


class Thorax:
    """The anatomy of one seed on one grid; `hu(z)` computes any plane by itself, so slices can be made in any order."""

    def __init__(self, grid: Grid, seed: int, nodule_count: int = 6) -> None:
        self._grid = grid
        self.nodules = nodules(seed, nodule_count)
        rng = np.random.default_rng((seed, 1))
        x, y = grid.axes()
        self._x, self._y = x, y
        radius = (np.abs(x / _BODY[0]) ** 2.3 + np.abs(y / _BODY[1]) ** 2.3) ** (1 / 2.3)
        self._shell = _codes(radius.astype(np.float32))
        self._lung = {side: _ellipse(x - cx, y + 2, *_LUNG_AXES) for side, cx in _LUNGS.items()}
        self._dome = {side: self._dome_height(side) for side in _LUNGS}
        self._parenchyma = np.broadcast_to(-865.0 + 0.45 * y, (grid.rows, grid.columns)).astype(np.float32)
        angle = np.deg2rad(32.0)
        along, across = x - 18, y + 28
        self._heart = _ellipse(
            along * np.cos(angle) + across * np.sin(angle), across * np.cos(angle) - along * np.sin(angle), 54, 42
        )
        self._liver = _ellipse(x + 48, y + 4, 98, 82)
        self._spleen = _ellipse(x - 92, y - 38, 34, 24)
        self._stomach = _ellipse(x - 58, y + 30, 40, 30)
        self._table = soft(2.5 - np.abs(y - 118 - 0.0012 * x * x)) * (np.abs(x) < 175)
        self._vessels = Balls(_vessels(rng))
        self._airways = Balls(_airways(rng))
        self._great = Balls(_great_vessels())
        self._bones = Skeleton(grid)

    def hu(self, z: float) -> Plane:
        """Hounsfield units of the plane at `z` mm above the base, without noise; float32 (rows, columns)."""
        scale = 1.0 - 0.12 * _rise(z, 215.0, HEIGHT)
        values = self._layers(scale)
        blend(values, soft((_cap(z, 60.0) - self._liver) * np.float32(80.0)), 58.0)
        self._lungs_and_heart(values, z)
        self._organs(values, z)
        blend(values, self._great.coverage(self._grid, z), 43.0)
        self._bones.draw(values, z)
        blend(values, self._airways.coverage(self._grid, z, 1.3), 30.0)
        blend(values, self._airways.coverage(self._grid, z), -990.0)
        self._draw_nodules(values, z)
        blend(values, self._table, -350.0)
        return values

    def _layers(self, scale: float) -> Plane:
        """Air, skin, fat, muscle and the fat between the organs, by depth below the skin."""
        depth = (scale - np.arange(_CODES, dtype=np.float32) / _CODE_STEP) * 120.0
        ladder = [-0.5, 0.5, 1.7, 2.7, 11.0, 13.0, 30.0, 34.0]
        table = np.interp(depth, ladder, [-1000.0, 18.0, 18.0, -104.0, -104.0, 55.0, 55.0, -86.0])
        layers: Plane = table.astype(np.float32)[self._shell]
        return layers

    def _organs(self, values: Plane, z: float) -> None:
        """Spleen and stomach with its gas, under the left dome."""
        if z > 70.0:
            return
        blend(values, soft((_cap(z, 28.0) - self._spleen) * np.float32(28.0)), 50.0)
        stomach = (_cap(z, 24.0) - self._stomach) * np.float32(34.0)
        blend(values, soft(stomach), 22.0)
        blend(values, soft(stomach - 3.0) * (self._y < -36), -980.0)

    def _lungs_and_heart(self, values: Plane, z: float) -> None:
        taper = (1.0 - max(0.0, (z - 40.0) / 242.0) ** 4) if z < 282.0 else 0.0
        vessels = self._vessels.coverage(self._grid, z)
        for side, ellipse in self._lung.items():
            above = z - self._dome[side]
            wall = (np.float32(np.sqrt(taper)) - ellipse) * np.float32(66.0)
            below = soft(np.minimum((1.0 - ellipse) * np.float32(66.0), -above))
            blend(values, below, 57.0 if side == "right" else 40.0)
            if taper > 0:
                blend(values, soft(np.minimum(wall, above)), self._parenchyma)
        blend(values, vessels, 42.0)
        span = 1.0 - ((z - 112.0) / 56.0) ** 2
        if span > 0:
            inside = (np.float32(np.sqrt(span)) - self._heart) * np.float32(47.0)
            blend(values, soft(inside + 4.0), -95.0)
            blend(values, soft(inside), 52.0)
            blend(values, soft(inside - 9.0), 40.0)

    def _draw_nodules(self, values: Plane, z: float) -> None:
        for nodule in self.nodules:
            reach = nodule.diameter / 2 + 1
            if abs(nodule.z - z) >= reach:
                continue
            box = self._grid.window(nodule.x - reach, nodule.x + reach, nodule.y - reach, nodule.y + reach)
            x, y = self._x[:, box[1]], self._y[box[0]]
            distance = np.sqrt((x - nodule.x) ** 2 + (y - nodule.y) ** 2 + np.float32((z - nodule.z) ** 2))
            blend(values[box], soft(nodule.diameter / 2 - distance), nodule.hu)

    def _dome_height(self, side: str) -> Plane:
        """Height of the diaphragm, mm, float32 (rows, columns)."""
        x, y = self._x - _LUNGS[side], self._y
        height = _DOME_BASE[side] - 52.0 * ((x / 62) ** 2 + ((y + 12) / 92) ** 2)
        return np.maximum(height, 12.0).astype(np.float32)


_CODES = 4096
_CODE_STEP = 1500.0


def _codes(radius: Plane) -> NDArray[np.uint16]:
    """`radius` as an index of look-up tables: 1 / 1500 a step."""
    return np.asarray(np.minimum(radius * _CODE_STEP, _CODES - 1), dtype=np.uint16)


def _ellipse(x: Plane, y: Plane, a: float, b: float) -> Plane:
    """Radius in units of the ellipse with half axes a, b: 1 on its edge."""
    return np.sqrt((x / a) ** 2 + (y / b) ** 2).astype(np.float32)


def _rise(z: float, low: float, high: float) -> float:
    t = min(1.0, max(0.0, (z - low) / (high - low)))
    return t * t * (3 - 2 * t)


def _cap(z: float, top: float) -> np.float32:
    """How wide an organ is at z that is full below `top` and closes 40 mm above it."""
    return np.float32(np.sqrt(max(0.0, 1.0 - max(0.0, (z - top) / 40.0) ** 2)))


def _scatter(side: str, count: int, rng: np.random.Generator, shrink: float = 0.93) -> NDArray[np.float32]:
    """`count` random points (n, 3) inside one lung."""
    found: list[NDArray[np.float64]] = []
    while len(found) < count:
        x, y = rng.uniform(-1, 1, 2)
        z = rng.uniform(30.0, 272.0)
        taper = np.sqrt(1.0 - max(0.0, (z - 40.0) / 242.0) ** 4) * shrink
        cx = _LUNGS[side]
        point = np.array([cx + x * _LUNG_AXES[0], y * _LUNG_AXES[1] - 2, z])
        dome = _DOME_BASE[side] - 52.0 * (((point[0] - cx) / 62) ** 2 + ((point[1] + 12) / 92) ** 2)
        heart = ((point[0] - 18) / 58) ** 2 + ((point[1] + 28) / 50) ** 2 + ((z - 112) / 60) ** 2
        if np.hypot(x, y) < taper and z > max(dome, 12.0) + 6 and heart > 1:
            found.append(point)
    return np.array(found, dtype=np.float32)


def _vessels(rng: np.random.Generator) -> NDArray[np.float32]:
    """Arteries and veins of both lungs."""
    trees = []
    for side, hilum in _HILA.items():
        for shift in (-9.0, 9.0):
            root = np.array(hilum, dtype=np.float32) + np.array([0.0, shift, shift], dtype=np.float32)
            trees.append(grow(root, _scatter(side, 420, rng), 0.62, rng))
    return np.concatenate(trees)


def _airways(rng: np.random.Generator) -> NDArray[np.float32]:
    """Trachea, main bronchi and a bronchial tree; radii are those of the lumen."""
    carina = (0.0, 18.0, 190.0)
    parts = [balls_along(np.array([(0.0, 10.0, 306.0), carina], dtype=np.float32), 8.0, 0.3)]
    for side, hilum in _HILA.items():
        parts.append(balls_along(np.array([carina, hilum], dtype=np.float32), np.array([6.6, 5.2], np.float32), 0.3))
        parts.append(grow(np.array(hilum, dtype=np.float32), _scatter(side, 70, rng, 0.8), 0.95, rng))
    return np.concatenate(parts)


def _great_vessels() -> NDArray[np.float32]:
    """Aorta with its arch, pulmonary trunk and arteries, superior caval vein, oesophagus."""
    turn = np.linspace(0, np.pi, 13)
    arch = np.stack([8 + 10 * (1 - np.cos(turn)), 14 - 32 * np.cos(turn), 200 + 24 * np.sin(turn)], axis=1)
    aorta = np.concatenate([[(6.0, -18.0, 130.0)], arch, [(26.0, 44.0, 120.0), (16.0, 36.0, -4.0)]])
    lines = [
        (aorta, 13.0),
        (np.array([(6, -38, 145), (8, -10, 178), (-30, 8, 168)]), 10.5),
        (np.array([(8, -10, 178), (28, 10, 174)]), 10.0),
        (np.array([(-26, -10, 150), (-24, -14, 292)]), 8.5),
        (np.array([(2, 36, 304), (6, 36, -4)]), 6.0),
    ]
    return np.concatenate([balls_along(line.astype(np.float32), radius, 0.3) for line, radius in lines])
