"""Branching tubes that fill a lung: vessels and airways grown from a hilum towards scattered end points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .grid import balls_along

Points = NDArray[np.float32]


def grow(root: Points, targets: Points, thickness: float, rng: np.random.Generator) -> Points:
    """Spheres (n, 4) of a tree from `root` (3,) to every one of `targets` (m, 3).

    Each stem goes part of the way to the middle of its targets and splits them across their longest extent. Its radius is
    `thickness` mm times the cube root of their number, as flow divides in nature (Murray's law).
    """
    tubes: list[Points] = []
    waiting = [(root, targets)]
    while waiting:
        start, ends = waiting.pop()
        share = 1.0 if len(ends) == 1 else 0.42
        stop = start + share * (ends.mean(axis=0) - start)
        tubes.append(_stem(start, stop, thickness * len(ends) ** (1 / 3), rng))
        if len(ends) > 1:
            axis = int(np.argmax(np.ptp(ends, axis=0)))
            order = np.argsort(ends[:, axis])
            middle = max(1, int(len(ends) * rng.uniform(0.35, 0.65)))
            waiting += [(stop, ends[order[:middle]]), (stop, ends[order[middle:]])]
    return np.concatenate(tubes)


def _stem(start: Points, stop: Points, radius: float, rng: np.random.Generator) -> Points:
    """A slightly bent tube that narrows by a tenth."""
    bend = rng.normal(0.0, 0.06, 3) * np.linalg.norm(stop - start)
    points = np.stack((start, (start + stop) / 2 + bend, stop)).astype(np.float32)
    return balls_along(points, np.array([radius, radius * 0.95, radius * 0.9], dtype=np.float32))
