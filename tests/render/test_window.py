"""Windowing of every possible stored value, against the standard's formulas written again."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import render
from tests.render import reference

DTYPES = st.sampled_from(["uint8", "int8", "uint16", "int16"])
FINITE = st.floats(-4000, 4000, allow_nan=False).map(lambda number: round(number, 3))


@st.composite
def grey_transforms(draw) -> render.Transform:
    dtype = draw(DTYPES)
    bits = draw(st.integers(2, np.dtype(dtype).itemsize * 8))
    padding = draw(st.none() | st.tuples(st.integers(-100, 300), st.integers(0, 50)))
    return render.Transform(
        dtype=dtype,
        bits_stored=bits,
        signed=dtype.startswith("i"),
        slope=draw(st.sampled_from([1.0, 0.5, 2.0, -1.0, 1.8593, 0.001])),
        intercept=draw(st.sampled_from([0.0, -1024.0, -8192.0, 33.5])),
        inverted=draw(st.booleans()),
        padding=None if padding is None else (padding[0], padding[0] + padding[1]),
    )


@st.composite
def windows(draw) -> render.Window:
    function = draw(st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]))
    width = draw(st.floats(1 if function == "LINEAR" else 0.01, 9000).map(lambda number: round(number, 3)))
    return render.Window(draw(FINITE), width, function=function)


def every_value(dtype: str) -> np.ndarray:
    size = np.dtype(dtype).itemsize
    return np.arange(1 << (8 * size), dtype=f"u{size}").view(dtype)


@settings(max_examples=150, deadline=None)
@given(grey_transforms(), windows())
def test_every_stored_value_gets_the_level_of_the_standard(transform: render.Transform, window: render.Window) -> None:
    stored = every_value(transform.dtype)
    values = stored.astype(np.float64) * transform.slope + transform.intercept
    levels = reference.exact_levels(values, window.center, window.width, window.function)
    expected = reference.rounded(levels).astype(int)
    if transform.inverted:
        expected = 255 - expected
    if transform.padding:
        expected[(stored >= transform.padding[0]) & (stored <= transform.padding[1])] = 0
    lut = render.grey_lut(transform, window, stored.dtype)
    assert len(lut) == len(stored)
    assert np.array_equal(lut, expected)
    assert np.array_equal(render.window_pixels(stored.reshape(-1, 16), transform, window).reshape(-1), expected)


@settings(max_examples=100, deadline=None)
@given(st.integers(-32768, 32767), st.integers(-2000, 2000), st.integers(2, 4000), st.booleans())
def test_linear_levels_equal_exact_arithmetic(stored: int, center: int, width: int, exact: bool) -> None:
    """Fractions have no rounding of their own, so floats cannot hide an error from them."""
    middle, span = (Fraction(center), width) if exact else (Fraction(center) - Fraction(1, 2), width - 1)
    share = (Fraction(stored) - middle) / span + Fraction(1, 2)
    level = min(max(share * 255, Fraction(0)), Fraction(255))
    function = "LINEAR_EXACT" if exact else "LINEAR"
    lut = render.grey_lut(render.Transform(dtype="int16", signed=True), render.Window(center, width, "", function))
    assert abs(int(lut[stored % 65536]) - level) <= Fraction(1, 2) + Fraction(1, 10**9)


def test_width_one_is_a_threshold() -> None:
    """PS3.3 C.11.2.1.2.1: at Window Width 1 values up to center - 0.5 are black, all others white."""
    lut = render.grey_lut(render.Transform(), render.Window(100, 1))
    assert lut[99] == 0 and lut[100] == 255 and set(lut.tolist()) == {0, 255}


@pytest.mark.parametrize("dtype", ["uint32", "int32", "float32", "float64"])
def test_wide_and_floating_pixels_follow_the_same_formulas(dtype: str) -> None:
    stored = np.linspace(0, 100_000, 3000).reshape(50, 60).astype(dtype)
    transform = render.Transform(dtype=dtype, bits_stored=32, slope=0.01, intercept=-100)
    for function in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        window = render.Window(400, 500, function=function)
        values = stored.astype(np.float64) * 0.01 - 100
        expected = reference.rounded(reference.exact_levels(values, 400, 500, function))
        assert np.array_equal(render.window_pixels(stored, transform, window), expected)
    shown = render.window_pixels(stored, transform)
    assert shown.min() == 0 and shown.max() == 255
    with pytest.raises(render.UnsupportedSyntax):
        render.grey_lut(transform, None)


def test_pixels_that_are_no_numbers_are_black() -> None:
    stored = np.array([[np.nan, np.inf, -np.inf, 1.0]], dtype=np.float32)
    transform = render.Transform(dtype="float32", bits_stored=32)
    assert render.window_pixels(stored, transform, render.Window(1, 4)).tolist() == [[0, 255, 0, 170]]
    assert render.window_pixels(stored, transform).shape == (1, 4)


def test_a_voi_lut_maps_its_range_and_clamps_beyond() -> None:
    table = render.Lut(10, 12, np.array([0, 1000, 4095], "<u2").tobytes())
    lut = render.grey_lut(render.Transform(voi_luts=(table,)), None)
    assert lut[[0, 10, 11, 12, 5000]].tolist() == [0, 0, round(1000 * 255 / 4095), 255, 255]


def test_a_modality_lut_takes_the_place_of_slope_and_intercept() -> None:
    table = render.Lut(-2, 16, np.array([5, 50, 500, 5000], "<u2").tobytes())
    transform = render.Transform(dtype="int16", signed=True, slope=7, intercept=7, modality_lut=table)
    stored = np.array([[-9, -2, -1, 0, 1, 9]], np.int16)
    assert render.modality_values(stored, transform).tolist() == [[5, 5, 50, 500, 5000, 5000]]


def test_full_range_of_the_stored_bits_where_nothing_tells_a_window() -> None:
    lut = render.grey_lut(render.Transform(bits_stored=12), None)
    assert lut[0] == 0 and lut[4095] == 255 and lut[2048] == round(2048 * 255 / 4095)
    assert render.grey_lut(render.Transform(bits_stored=12, inverted=True), None)[0] == 255
