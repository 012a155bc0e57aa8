"""Encoded pictures hold the pixels that went in."""

import struct

import cv2
import numpy as np
import pytest

import render


def picture(*shape: int) -> np.ndarray:
    ramp = np.add.outer(np.arange(shape[0]), np.arange(shape[1])) % 256
    grey = ramp.astype(np.uint8)
    return grey if len(shape) == 2 else np.stack([grey, 255 - grey, grey // 2], axis=2)


def png_chunks(data: bytes) -> list[bytes]:
    found, position = [], 8
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        found.append(data[position + 4 : position + 8])
        position += 12 + length
    return found


@pytest.mark.parametrize("shape", [(50, 70), (50, 70, 3), (1, 1)])
def test_png_is_lossless_and_without_gamma_or_profile(shape: tuple[int, ...]) -> None:
    data = render.encode_png(picture(*shape))
    back = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(back if len(shape) == 2 else back[..., ::-1], picture(*shape))
    assert set(png_chunks(data)) == {b"IHDR", b"IDAT", b"IEND"}


@pytest.mark.parametrize(("quality", "mean"), [(50, 4), (85, 2), (95, 1)])
def test_jpeg_is_near_the_picture_and_in_the_right_order_of_channels(quality: int, mean: float) -> None:
    for shape in ((64, 64), (64, 64, 3)):
        wave = np.sin(np.linspace(0, 6, 64)) * 100 + 128
        smooth = np.add.outer(wave, wave).astype(int) // 2
        grey = smooth.astype(np.uint8)
        wanted = grey if len(shape) == 2 else np.stack([grey, np.full_like(grey, 40), 255 - grey], axis=2)
        back = cv2.imdecode(np.frombuffer(render.encode_jpeg(wanted, quality), np.uint8), cv2.IMREAD_UNCHANGED)
        back = back if len(shape) == 2 else back[..., ::-1]
        assert np.abs(back.astype(int) - wanted).mean() < mean


def test_high_quality_keeps_the_chroma_whole() -> None:
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2] = (255, 0, 0)
    stripes[:, 1::2] = (0, 0, 255)
    back = cv2.imdecode(np.frombuffer(render.encode_jpeg(stripes, 95), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(back.astype(int) - stripes).mean() < 12


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint16), np.zeros((4,), np.uint8), np.zeros((0, 4), np.uint8)])
def test_what_is_no_eight_bit_picture_is_refused(wrong: np.ndarray) -> None:
    for encode in (render.encode_png, render.encode_jpeg):
        with pytest.raises(render.CorruptImage):
            encode(wrong)
