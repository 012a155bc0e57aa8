"""Levels, tiles, fitted sizes, and the one reference for a shrunk picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import render

SIDE = st.integers(1, 20_000)


@given(SIDE, SIDE)
def test_levels_halve_down_to_at_most_sixty_four(rows: int, columns: int) -> None:
    count = render.level_count(rows, columns)
    assert render.level_size(rows, columns, 0) == (rows, columns)
    assert max(render.level_size(rows, columns, count - 1)) <= 64
    assert count == 1 or max(render.level_size(rows, columns, count - 2)) > 64
    for level in range(count):
        assert render.level_size(rows, columns, level) == (-(-rows // 2**level), -(-columns // 2**level))


@settings(max_examples=30)
@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(0, 5))
def test_tiles_cover_a_level_once(rows: int, columns: int, level: int) -> None:
    height, width = render.level_size(rows, columns, level)
    covered = np.zeros((height, width), np.uint8)
    down, across = render.tile_grid(rows, columns, level)
    for row in range(down):
        for column in range(across):
            rect = render.tile_rect(rows, columns, level, row, column)
            assert 0 < rect.width <= render.TILE and 0 < rect.height <= render.TILE
            rect.cut(covered)[:] += 1
    assert (covered == 1).all()
    with pytest.raises(render.CorruptImage):
        render.tile_rect(rows, columns, level, down, 0)


@given(st.integers(-50, 2500), st.integers(-50, 2500), st.integers(1, 900), st.integers(1, 900))
def test_tiles_in_a_rectangle_are_those_that_touch_it(x: int, y: int, width: int, height: int) -> None:
    rows, columns = 2100, 1700
    seen = render.Rect(x, y, width, height)
    down, across = render.tile_grid(rows, columns, 0)
    expected = []
    for row in range(down):
        for column in range(across):
            tile = render.tile_rect(rows, columns, 0, row, column)
            beside = tile.x >= x + width or tile.x + tile.width <= x
            apart = tile.y >= y + height or tile.y + tile.height <= y
            if not (beside or apart):
                expected.append((row, column))
    assert render.tiles_in(rows, columns, 0, seen) == expected or not expected


def test_the_best_level_has_no_fewer_samples_than_the_screen() -> None:
    assert [render.best_level(3000, 3000, scale) for scale in (1, 0.51, 0.5, 0.26, 0.25, 0.01)] == [0, 0, 1, 1, 2, 6]
    assert render.level_for(3000, 2000, 500, 750) == 2
    assert render.level_for(3000, 2000, 501, 750) == 1
    assert render.level_for(100, 100, 5000, 5000) == 0


@given(st.integers(1, 9000), st.integers(1, 9000), st.integers(1, 4000), st.integers(1, 4000))
def test_a_fitted_frame_keeps_its_proportion_and_is_never_enlarged(rows, columns, width, height) -> None:
    wide, high = render.fit(rows, columns, (width, height))
    assert 1 <= wide <= min(columns, max(width, 1)) and 1 <= high <= min(rows, max(height, 1))
    scale = min(1, width / columns, height / rows)
    assert abs(wide - columns * scale) <= 1 and abs(high - rows * scale) <= 1


def area_average(stored: np.ndarray, width: int, height: int) -> np.ndarray:
    """The mean of the values under each result, by the area covered, in float64."""

    def weights(many: int, few: int) -> np.ndarray:
        edges = np.arange(few + 1) * (many / few)
        cells = np.arange(many)
        covered = np.minimum(cells + 1, edges[1:, None]) - np.maximum(cells, edges[:-1, None])
        return np.clip(covered, 0, None) / (many / few)

    rows, columns = stored.shape
    return weights(rows, height) @ stored.astype(np.float64) @ weights(columns, width).T


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["uint8", "int8", "uint16", "int16", "uint32", "int32"]),
    st.integers(8, 120),
    st.integers(8, 120),
    st.floats(0.05, 1.0),
    st.integers(0, 2**32 - 1),
)
def test_a_shrunk_frame_is_the_area_average(dtype: str, rows: int, columns: int, scale: float, seed: int) -> None:
    info = np.iinfo(dtype)
    stored = np.random.default_rng(seed).integers(info.min, info.max, (rows, columns), endpoint=True).astype(dtype)
    width, height = max(1, int(columns * scale)), max(1, int(rows * scale))
    shrunk = render.reference_fit(stored, width, height)
    exact = area_average(stored, width, height)
    assert shrunk.dtype == stored.dtype and shrunk.shape == (height, width)
    # Half a unit for the rounding, and the precision of OpenCV's weights, which are 32 bit floats.
    assert np.abs(shrunk - exact).max() <= 0.5 + 2e-7 * 256 ** np.dtype(dtype).itemsize


def test_at_its_own_size_a_frame_is_untouched_and_never_enlarged() -> None:
    stored = np.arange(12, dtype=np.int16).reshape(3, 4)
    assert render.shrink(stored, 4, 3) is stored
    with pytest.raises(render.CorruptImage):
        render.shrink(stored, 5, 3)
    assert render.shrink(np.zeros((10, 10, 3), np.uint8), 4, 4).shape == (4, 4, 3)
    assert render.shrink(np.zeros((10, 10), np.float32), 4, 4).dtype == np.float32
