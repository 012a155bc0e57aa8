"""Rendered pictures against the pixel library's own windowing."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from backend.dicomweb.model import Function, Rendering, Viewport, Window
from backend.dicomweb.picture import encoded, render_window, thumbnail
from backend.platform.errors import Invalid
from render import Transform, reference_fit, window_pixels

STORED = np.random.default_rng(2).integers(-1000, 2000, (120, 200)).astype("int16")
TRANSFORM = Transform(dtype="int16", signed=True)
WINDOW = Window(40, 400)


def picture(viewport: Viewport | None = None, window: Window = WINDOW) -> NDArray[np.uint8]:
    data = encoded(STORED, TRANSFORM, render_window(window), Rendering(viewport=viewport), "image/png")
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))


@pytest.mark.parametrize("function", list(Function))
def test_png_equals_the_reference(function: Function) -> None:
    window = Window(40, 400, function)
    assert np.array_equal(picture(window=window), window_pixels(STORED, TRANSFORM, render_window(window)))


def test_functions_differ() -> None:
    pictures = [picture(window=Window(40, 40, function)) for function in Function]
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


def test_shrunk_is_the_window_of_the_mean() -> None:
    expected = window_pixels(reference_fit(STORED, 100, 60), TRANSFORM, render_window(WINDOW))
    assert np.array_equal(picture(Viewport(100, 500)), expected)


def test_enlarged_keeps_its_proportion() -> None:
    assert picture(Viewport(400, 400)).shape == (240, 400)


def test_region_and_mirror() -> None:
    whole = picture()
    assert np.array_equal(picture(Viewport(50, 30, 10, 20, 50, 30)), whole[20:50, 10:60])
    assert np.array_equal(picture(Viewport(50, 30, 10, 20, -50, 30)), whole[20:50, 10:60][:, ::-1])
    assert np.array_equal(picture(Viewport(50, 30, 10, 20, 50, -30)), whole[20:50, 10:60][::-1])
    assert np.array_equal(picture(Viewport(20, 20, 180, 100, 500, 500)), whole[100:, 180:])


def test_region_outside_is_refused() -> None:
    with pytest.raises(Invalid) as error:
        picture(Viewport(50, 50, 200, 0, 10, 10))
    assert error.value.details["parameter"] == "viewport"


def test_jpeg_quality_and_thumbnail() -> None:
    high = encoded(STORED, TRANSFORM, None, Rendering(quality=95), "image/jpeg")
    low = encoded(STORED, TRANSFORM, None, Rendering(quality=10), "image/jpeg")
    assert high[:3] == low[:3] == b"\xff\xd8\xff"
    assert len(low) < len(high) / 2
    small = cv2.imdecode(np.frombuffer(thumbnail(STORED, TRANSFORM, None), np.uint8), cv2.IMREAD_UNCHANGED)
    assert small is not None
    assert small.shape == (77, 128)
