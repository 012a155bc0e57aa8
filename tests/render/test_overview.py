"""The overview object and contact sheets."""

import numpy as np
import pytest

import render


def frames() -> list[np.ndarray]:
    chance = np.random.default_rng(3)
    return [
        chance.integers(-2000, 3000, (128, 128)).astype(np.int16),
        chance.integers(0, 255, (60, 100, 3)).astype(np.uint8),
        chance.normal(size=(20, 30)).astype(np.float32),
        chance.integers(0, 2**31, (16, 16)).astype(np.uint32),
        np.zeros((1, 1), np.uint8),
    ]


def test_every_frame_comes_back_exactly() -> None:
    reader = render.OverviewReader(render.pack_overview(frames()))
    assert len(reader) == 5
    for index, frame in enumerate(frames()):
        assert reader.frame(index).dtype == frame.dtype
        assert np.array_equal(reader.frame(index), frame)


def test_a_broken_overview_is_refused() -> None:
    data = render.pack_overview(frames())
    for broken in (b"", data[:20], data[:-1], data + b"x", b"ABCDEF" + data[6:]):
        with pytest.raises(render.CorruptImage):
            render.OverviewReader(broken)
    reader = render.OverviewReader(data)
    for index in (-1, 5):
        with pytest.raises(render.CorruptImage):
            reader.frame(index)
    assert len(render.OverviewReader(render.pack_overview([]))) == 0


def test_the_overview_level_is_the_first_of_at_most_128() -> None:
    assert [render.overview_reduce(n, n) for n in (64, 128, 129, 512, 513, 3000)] == [0, 0, 1, 2, 3, 5]


def test_a_sheet_puts_fitted_frames_into_cells_row_by_row() -> None:
    white = np.full((100, 200), 255, np.uint8)
    sheet = render.sheet([white, white, white], (50, 50), 2)
    assert sheet.shape == (100, 100)
    assert sheet[25, 25] == 255 and sheet[5, 25] == 0 and sheet[75, 25] == 255 and sheet[75, 75] == 0


def test_one_colour_frame_makes_a_colour_sheet() -> None:
    red = np.zeros((10, 10, 3), np.uint8)
    red[..., 0] = 200
    sheet = render.sheet([red, np.full((10, 10), 90, np.uint8)], (10, 10), 4)
    assert sheet.shape == (10, 20, 3)
    assert sheet[5, 5].tolist() == [200, 0, 0] and sheet[5, 15].tolist() == [90, 90, 90]
    with pytest.raises(render.CorruptImage):
        render.sheet([], (10, 10), 4)
