"""Correlated noise, as a reconstruction kernel leaves it: fields are made once and shifted for each slice."""

from __future__ import annotations

import cv2
import numpy as np

from .grid import Plane

_FIELDS = 4
_MARGIN = 97


class Noise:
    """Noise of standard deviation 1 whose correlation reaches `sigma` pixels."""

    def __init__(self, rows: int, columns: int, seed: int, sigma: float) -> None:
        rng = np.random.default_rng((seed, 2, round(sigma * 100)))
        self._shape = (rows, columns)
        self._seed = seed
        fields: list[Plane] = []
        for _ in range(_FIELDS):
            white = rng.standard_normal((rows + _MARGIN, columns + _MARGIN), dtype=np.float32)
            field = np.asarray(cv2.GaussianBlur(white, (0, 0), sigma), dtype=np.float32)
            fields.append(field / field.std())
        self._fields = fields

    def at(self, index: int) -> Plane:
        """The noise of slice `index`, the same each time; float32 (rows, columns), a sum of two shifted fields."""
        rng = np.random.default_rng((self._seed, 3, index))
        first, second = rng.choice(_FIELDS, 2, replace=False).tolist()
        total: Plane = self._piece(first, rng) + self._piece(second, rng)
        total *= np.float32(0.70710678)
        return total

    def _piece(self, which: int, rng: np.random.Generator) -> Plane:
        top, left = rng.integers(0, _MARGIN, 2).tolist()
        return self._fields[which][top : top + self._shape[0], left : left + self._shape[1]]
