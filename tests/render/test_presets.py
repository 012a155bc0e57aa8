"""Windows to begin with and to choose from."""

import numpy as np

import render


def test_the_file_goes_first() -> None:
    own = render.Window(1, 2, "own")
    assert render.default_window(render.Transform(windows=(own, render.Window(3, 4))), None, "CT") == own


def test_a_voi_lut_of_the_file_needs_no_window() -> None:
    table = render.Lut(0, 8, b"\0\0\1\0")
    assert render.default_window(render.Transform(voi_luts=(table,)), np.zeros((4, 4)), "CT") is None
    assert render.drag_window(render.Transform(voi_luts=(table,))) == render.Window(1, 2)


def test_ct_without_a_window_takes_the_usual_one_of_the_body_part() -> None:
    transform = render.Transform(units="HU", dtype="int16", signed=True)
    assert render.default_window(transform, None, "CT", "HEAD").explanation == "脑窗"
    assert render.default_window(transform, None, "CT", "胸部").explanation == "纵隔窗"
    assert {w.explanation for w in render.presets("CT", "CHEST")} >= {"肺窗", "纵隔窗", "骨窗"}
    assert {w.explanation for w in render.presets("CT", "ABDOMEN")} >= {"腹窗", "骨窗"}
    assert render.presets("MR", "HEAD") == ()


def test_other_modalities_take_the_range_of_nearly_all_pixels() -> None:
    pixels = np.full((100, 100), 500, np.uint16)
    pixels[:50] = 300
    pixels[0, 0], pixels[0, 1] = 65535, 0
    window = render.default_window(render.Transform(slope=2), pixels, "MR")
    assert window is not None and (window.center, window.width) == (800, 400)


def test_padding_has_no_say_in_the_window() -> None:
    pixels = np.full((10, 10), -2000, np.int16)
    pixels[0, :5] = 100
    pixels[0, 5:] = 200
    window = render.default_window(render.Transform(dtype="int16", signed=True, padding=(-2000, -2000)), pixels, "MR")
    assert window is not None and window.center == 150


def test_flat_frames_masks_and_colour_have_no_window() -> None:
    assert render.default_window(render.Transform(), np.zeros((8, 8), np.uint16), "MR") is None
    assert render.default_window(render.Transform(bits_stored=1), np.eye(8, dtype=np.uint8), "SEG") is None
    assert render.default_window(render.Transform(colour=True), np.zeros((8, 8, 3), np.uint8), "US") is None
    assert render.default_window(render.Transform(), None, "MR") is None


def test_a_drag_begins_at_what_is_shown() -> None:
    shown = render.Window(5, 6)
    assert render.drag_window(render.Transform(), shown) == shown
    assert render.drag_window(render.Transform(bits_stored=8)) == render.Window(127.5, 255)
