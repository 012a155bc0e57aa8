"""Levels, tiles and fitted sizes of a frame: arithmetic, and the one way to shrink.

Level k holds every 2**k-th sample of the frame (ceil(n / 2**k) of n), level 0 is the frame itself.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from render.errors import CorruptImage

TILE = 512
"""Edge of a tile in pixels."""
SMALLEST = 64
"""The lowest level is at most so many pixels long."""


@dataclass(frozen=True)
class Rect:
    """A part of a level in its own pixels: first column and row, width and height."""

    x: int
    y: int
    width: int
    height: int

    def cut(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """The part of `pixels` (rows, columns[, 3]) that lies in this rectangle, as a view."""
        return pixels[self.y : self.y + self.height, self.x : self.x + self.width]


def level_size(rows: int, columns: int, level: int) -> tuple[int, int]:
    """Rows and columns of a level."""
    return -(-rows >> level), -(-columns >> level)


def level_count(rows: int, columns: int) -> int:
    """Number of levels of a frame, the last one at most `SMALLEST` pixels on its long side."""
    level = 0
    while max(level_size(rows, columns, level)) > SMALLEST:
        level += 1
    return level + 1


def tile_grid(rows: int, columns: int, level: int, tile: int = TILE) -> tuple[int, int]:
    """Number of tiles down and across a level."""
    height, width = level_size(rows, columns, level)
    return -(-height // tile), -(-width // tile)


def tile_rect(rows: int, columns: int, level: int, row: int, column: int, tile: int = TILE) -> Rect:
    """The pixels of tile (`row`, `column`) of a level; raises CorruptImage beyond the grid."""
    down, across = tile_grid(rows, columns, level, tile)
    if not (0 <= row < down and 0 <= column < across):
        raise CorruptImage(f"tile {row}, {column} of {down} x {across}")
    height, width = level_size(rows, columns, level)
    x, y = column * tile, row * tile
    return Rect(x, y, min(tile, width - x), min(tile, height - y))


def tiles_in(rows: int, columns: int, level: int, seen: Rect, tile: int = TILE) -> list[tuple[int, int]]:
    """The tiles (row, column) of a level that `seen`, in that level's pixels, touches."""
    down, across = tile_grid(rows, columns, level, tile)
    first_row, last_row = max(0, seen.y // tile), min(down, -(-(seen.y + seen.height) // tile))
    first_column, last_column = max(0, seen.x // tile), min(across, -(-(seen.x + seen.width) // tile))
    return [(row, column) for row in range(first_row, last_row) for column in range(first_column, last_column)]


def best_level(rows: int, columns: int, scale: float) -> int:
    """The smallest level that has at least `scale` screen pixels' worth of samples (1 is full size)."""
    level = 0
    while level + 1 < level_count(rows, columns) and scale * (1 << (level + 1)) <= 1:
        level += 1
    return level


def level_for(rows: int, columns: int, width: int, height: int) -> int:
    """The smallest level with at least `width` x `height` samples.

    The level from which a picture under movement is made; a picture at rest starts from level 0.
    """
    best = 0
    for level in range(level_count(rows, columns)):
        high, wide = level_size(rows, columns, level)
        if wide >= width and high >= height:
            best = level
    return best


def fit(rows: int, columns: int, box: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the frame inside `box` (width, height) in its own proportion; never enlarged."""
    scale = min(1.0, box[0] / columns, box[1] / rows)
    return max(1, round(columns * scale)), max(1, round(rows * scale))


def reference_fit(stored: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """The full-depth values of a frame at `width` x `height`: what "exact at the size shown" means.

    Each result is the mean of the stored values under its pixel, weighted by the area covered
    (OpenCV INTER_AREA from level 0, never from another level), rounded to the nearest stored value
    of the same type. OpenCV's weights are 32 bit floats: a mean so near to a half that 1e-7 of the
    type's range decides (0.01 of a unit for 16 bits) may round either way.
    (rows, columns) or (rows, columns, 3); 1:1 returns the input itself. Never enlarges.
    """
    rows, columns = stored.shape[:2]
    if not (0 < width <= columns and 0 < height <= rows):
        raise CorruptImage(f"{columns} x {rows} cannot be shrunk to {width} x {height}")
    if (width, height) == (columns, rows):
        return stored
    source = np.ascontiguousarray(stored)
    if stored.dtype.kind in "iu" and stored.dtype.itemsize == 4:
        shrunk = cv2.resize(source.astype(np.float64), (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(np.rint(shrunk).astype(stored.dtype))
    if stored.dtype == np.int8:
        shrunk = cv2.resize(source.astype(np.int16), (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(shrunk.astype(np.int8))
    return np.asarray(cv2.resize(source, (width, height), interpolation=cv2.INTER_AREA))


shrink = reference_fit
"""The one way to shrink for a picture at rest."""
