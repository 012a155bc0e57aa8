"""Frames out of fragments: empty and filled offset tables, several fragments a frame, damage."""

import struct

import imagecodecs
import numpy as np
import pytest
from pydicom.encaps import encapsulate, encapsulate_extended

import render
from tests.render.made import dataset, file_of, item

JPEG_2000, JPEG_LS, RLE = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.5"
FRAMES = [np.random.default_rng(seed).integers(0, 4096, (40, 30)).astype(np.uint16) for seed in range(5)]
J2K = [imagecodecs.jpeg2k_encode(frame, reversible=True, codecformat="j2k", level=0) for frame in FRAMES]


def opened(pixel_data: bytes, frames: int = len(FRAMES), syntax: str = JPEG_2000, **attributes: object) -> render.Image:
    made = dataset(FRAMES[0], syntax, NumberOfFrames=frames, PixelData=pixel_data, **attributes)
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = True
    return render.open_image(made)


def check(image: render.Image) -> None:
    for frame, expected in enumerate(FRAMES):
        assert np.array_equal(image.decode(frame), expected)


@pytest.mark.parametrize("table", [True, False])
@pytest.mark.parametrize("fragments", [1, 2, 7])
def test_any_number_of_fragments_with_and_without_offsets(table: bool, fragments: int) -> None:
    image = opened(encapsulate(J2K, fragments_per_frame=fragments, has_bot=table))
    check(image)
    check(render.open_image(file_of(image.dataset)))


def test_fragments_of_uneven_number_by_the_end_of_image() -> None:
    items = [item(b"")]
    for number, frame in enumerate(J2K):
        cuts = [i * len(frame) // (number + 1) // 2 * 2 for i in range(number + 2)]
        items += [item(frame[start:stop]) for start, stop in zip(cuts, [*cuts[1:-1], len(frame)], strict=False)]
    check(opened(b"".join(items)))


def test_the_extended_offset_table_goes_first() -> None:
    data, offsets, lengths = encapsulate_extended(J2K)
    check(opened(data, ExtendedOffsetTable=offsets, ExtendedOffsetTableLengths=lengths))


def test_padding_before_the_end_of_a_jpeg_ls_frame_is_forgiven() -> None:
    """WG-04's MR1_JLSL has a zero byte there, which CharLS refuses; and a stream may lack its end."""
    plain = imagecodecs.jpegls_encode(FRAMES[0])
    for stream in (plain, plain[:-2] + b"\0" * 5 + b"\xff\xd9", plain[:-2], plain + b"\0\0"):
        assert np.array_equal(opened(item(b"") + item(stream), 1, JPEG_LS).decode(0), FRAMES[0])


def test_a_codestream_has_no_cells_for_high_bit_to_shift() -> None:
    check(opened(encapsulate(J2K), BitsStored=12, HighBit=15))


def test_filler_before_a_jpeg_is_skipped() -> None:
    stream = b"\0\0" + imagecodecs.jpegls_encode(FRAMES[0])
    assert np.array_equal(opened(item(b"") + item(stream), 1, JPEG_LS).decode(0), FRAMES[0])


@pytest.mark.parametrize(
    "pixel_data",
    [
        b"",
        item(b""),
        b"\1\2\3\4" * 8,
        item(struct.pack("<5I", 0, 7, 8, 9, 10)) + b"".join(item(f) for f in J2K for _ in (0, 1)),
        item(struct.pack("<5I", 4, 3, 2, 1, 0)) + b"".join(item(f[:9]) for f in J2K) + item(b"x"),
        item(b"") + b"".join(item(frame) for frame in J2K[:3]),
    ],
)
def test_items_that_make_no_frames_are_refused(pixel_data: bytes) -> None:
    with pytest.raises(render.CorruptImage):
        opened(pixel_data)


def test_a_codestream_of_another_size_is_refused_before_it_is_decoded() -> None:
    huge = bytearray(J2K[0])
    huge[8:16] = struct.pack(">II", 60_000, 60_000)
    for stream in (bytes(huge), imagecodecs.jpeg2k_encode(FRAMES[0][:20], reversible=True, codecformat="j2k", level=0)):
        with pytest.raises(render.CorruptImage):
            opened(item(b"") + item(stream), 1).decode(0)


def test_run_length_that_ends_early_is_refused() -> None:
    header = struct.pack("<16I", 2, 64, 70, *[0] * 13)
    with pytest.raises(render.CorruptImage):
        opened(item(b"") + item(header + b"\x81\x05\x81\x06" * 5), 1, RLE).decode(0)


def test_too_many_fragments_are_refused() -> None:
    made = dataset(FRAMES[0], JPEG_2000, PixelData=item(b"") + item(b"") * 50)
    with pytest.raises(render.LimitExceeded):
        render.open_image(made, render.Limits(max_fragments=20))
