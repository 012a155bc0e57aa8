"""Forms of pixels that the standard allows and the corpus does not have: made by code, read back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.pixels import apply_color_lut, convert_color_space

import render
from tests.render.made import dataset, file_of

BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 16), st.integers(0, 15), st.booleans(), st.integers(0, 2**32 - 1))
def test_bits_stored_and_high_bit_cut_out_the_value(stored: int, high: int, signed: bool, seed: int) -> None:
    """PS3.5 8.1.1: whatever other bits of the cell hold (overlays once), the value is what Bits Stored says."""
    if high + 1 < stored:
        return
    raw = np.random.default_rng(seed).integers(0, 65536, (7, 9)).astype(np.uint16)
    made = dataset(raw, BitsStored=stored, HighBit=high, PixelRepresentation=int(signed))
    values = (raw.astype(np.int64) >> (high + 1 - stored)) & ((1 << stored) - 1)
    if signed:
        values = np.where(values >= 1 << (stored - 1), values - (1 << stored), values)
    decoded = render.open_image(made).decode(0)
    assert decoded.dtype == (np.int16 if signed else np.uint16)
    assert np.array_equal(decoded, values)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32"])
@pytest.mark.parametrize("big", [False, True])
def test_native_integers_of_every_depth(dtype: str, big: bool) -> None:
    values = np.arange(-45, 46).reshape(7, 13).astype(dtype)
    stored = values.astype(values.dtype.newbyteorder(">")) if big else values
    data = stored.tobytes() + b"\0" * (stored.nbytes % 2)
    if big and values.dtype.itemsize == 1:
        data = np.frombuffer(data, ">u2").astype("<u2").tobytes()  # words of OW, bytes swapped
    made = dataset(values, BIG_ENDIAN if big else "1.2.840.10008.1.2", PixelData=data)
    made["PixelData"].VR = "OW"
    image = render.open_image(made)
    assert image.decode(0).dtype == np.dtype(dtype)
    assert np.array_equal(image.decode(0), values)


def test_frames_of_single_bits_follow_each_other_without_padding() -> None:
    bits = np.random.default_rng(5).integers(0, 2, (4, 5, 7)).astype(np.uint8)
    packed = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    made = dataset(packed + b"\0" * (len(packed) % 2), Rows=5, Columns=7, NumberOfFrames=4, BitsAllocated=1)
    image = render.open_image(made)
    for frame in range(4):
        assert np.array_equal(image.decode(frame), bits[frame])


@pytest.mark.parametrize(("keyword", "dtype"), [("FloatPixelData", "float32"), ("DoubleFloatPixelData", "float64")])
def test_floating_pixels(keyword: str, dtype: str) -> None:
    values = np.linspace(-1, 1, 12).reshape(3, 4).astype(dtype)
    made = dataset(np.zeros((3, 4), np.uint8), BitsAllocated=np.dtype(dtype).itemsize * 8)
    del made.PixelData, made.BitsStored, made.HighBit, made.PixelRepresentation
    assert render.transform_of(made).dtype == dtype
    setattr(made, keyword, values.tobytes())
    for source in (made, file_of(made)):
        image = render.open_image(source)
        assert image.decode(0).dtype == np.dtype(dtype) == np.dtype(image.format.dtype)
        assert np.array_equal(image.decode(0), values)


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize(("dtype", "shift"), [("uint8", 0), ("uint16", 8), ("uint32", 24)])
def test_rgb_in_both_planar_configurations_comes_in_eight_bits(planar: int, dtype: str, shift: int) -> None:
    colours = np.random.default_rng(2).integers(0, 256, (2, 6, 5, 3)).astype(dtype)
    stored = (colours << shift).astype(dtype)
    stored = stored.transpose(0, 3, 1, 2) if planar else stored
    attributes = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": planar}
    made = dataset(colours[0], NumberOfFrames=2, PixelData=np.ascontiguousarray(stored).tobytes(), **attributes)
    image = render.open_image(made)
    for frame in range(2):
        assert image.decode(frame).dtype == np.uint8
        assert np.array_equal(image.decode(frame), colours[frame])


def test_every_ybr_full_triple_equals_the_formula_of_the_standard() -> None:
    """PS3.3 C.7.6.3.1.2 turned round, for every Cb and Cr over the luma in steps of 5.

    pydicom's own conversion, in 32 bit floats, rounds one in a million otherwise.
    """
    axes = np.meshgrid(np.arange(0, 256, 5), np.arange(256), np.arange(256), indexing="ij")
    ybr = np.stack([axis.astype(np.uint8).reshape(-1, 512) for axis in axes], axis=2)
    made = dataset(ybr, SamplesPerPixel=3, PhotometricInterpretation="YBR_FULL", PlanarConfiguration=0)
    decoded = render.open_image(made).decode(0)
    luma, blue, red = (ybr[..., channel].astype(np.float64) - (0, 128, 128)[channel] for channel in range(3))
    green = luma - (0.114 * 1.772 * blue + 0.299 * 1.402 * red) / 0.587
    exact = np.stack([luma + 1.402 * red, green, luma + 1.772 * blue], axis=2)
    assert np.array_equal(decoded, np.clip(np.floor(exact + 0.5), 0, 255))
    assert (decoded != convert_color_space(ybr, "YBR_FULL", "RGB")).mean() < 1e-5


def test_native_ybr_full_422_repeats_its_chroma() -> None:
    stored = np.array([[[10, 20, 100, 150], [30, 40, 200, 50]]], np.uint8)
    made = dataset(stored.reshape(1, 8), Columns=4, SamplesPerPixel=3, PhotometricInterpretation="YBR_FULL_422")
    made.PlanarConfiguration = 0
    whole = np.array([[[10, 100, 150], [20, 100, 150], [30, 200, 50], [40, 200, 50]]], np.uint8)
    assert np.array_equal(render.open_image(made).decode(0), convert_color_space(whole, "YBR_FULL", "RGB"))


@pytest.mark.parametrize("bits", [8, 16])
def test_palettes_of_eight_and_sixteen_bits(bits: int) -> None:
    indices = np.arange(30, dtype=np.uint8).reshape(5, 6)
    made = dataset(indices, PhotometricInterpretation="PALETTE COLOR")
    entries = np.random.default_rng(7).integers(0, 1 << bits, (3, 20)).astype(np.uint8 if bits == 8 else np.uint16)
    for row, name in enumerate(("Red", "Green", "Blue")):
        setattr(made, f"{name}PaletteColorLookupTableDescriptor", [20, 5, bits])
        setattr(made, f"{name}PaletteColorLookupTableData", entries[row].tobytes())
    expected = apply_color_lut(indices, made) >> (bits - 8)
    assert np.array_equal(render.open_image(made).decode(0), expected)


def test_a_sixteen_bit_palette_that_holds_eight_bits_is_not_black() -> None:
    made = dataset(np.array([[0, 1]], np.uint8), PhotometricInterpretation="PALETTE COLOR")
    for name in ("Red", "Green", "Blue"):
        setattr(made, f"{name}PaletteColorLookupTableDescriptor", [2, 0, 16])
        setattr(made, f"{name}PaletteColorLookupTableData", np.array([0, 255], "<u2").tobytes())
    assert render.open_image(made).decode(0).tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_a_palette_without_its_tables_is_refused() -> None:
    made = dataset(np.zeros((2, 2), np.uint8), PhotometricInterpretation="PALETTE COLOR")
    with pytest.raises(render.CorruptImage):
        render.open_image(made).decode(0)


def test_a_deflated_file_reads_like_its_plain_one() -> None:
    values = np.arange(600, dtype=np.int16).reshape(20, 30)
    made = dataset(values, DEFLATED, RescaleSlope="2", RescaleIntercept="-5")
    image = render.open_image(file_of(made))
    assert np.array_equal(image.decode(0), values)
    assert (image.transform().slope, image.transform().intercept) == (2, -5)


def test_a_file_without_preamble_and_meta_is_read() -> None:
    values = np.arange(12, dtype=np.uint16).reshape(3, 4)
    bare = file_of(dataset(values, "1.2.840.10008.1.2"))
    start = bare.index(b"\x08\x00\x16\x00")
    assert np.array_equal(render.open_image(bare[start:]).decode(0), values)


def test_bytes_memoryview_and_data_set_give_the_same() -> None:
    values = np.arange(12, dtype=np.uint16).reshape(3, 4)
    data = file_of(dataset(values))
    for source in (data, memoryview(data), dataset(values)):
        assert np.array_equal(render.open_image(source).decode(0), values)


def test_a_decoded_frame_is_the_callers_own() -> None:
    image = render.open_image(dataset(np.arange(12, dtype=np.uint16).reshape(3, 4)))
    image.decode(0)[:] = 7
    assert image.decode(0)[0, 0] == 0


def test_the_header_alone_serves() -> None:
    made = dataset(np.zeros((3, 4), np.int16), WindowCenter=["40", "50"], WindowWidth=["80", "0"], Modality="CT")
    made.WindowCenterWidthExplanation = ["BRAIN", "broken"]
    made.RescaleSlope, made.RescaleIntercept, made.PixelPaddingValue = "1", "-1024", 63536
    del made.PixelData
    assert render.describe(made).dtype == "int16"
    transform = render.transform_of(made)
    assert transform.windows == (render.Window(40, 80, "BRAIN"),)
    assert transform.padding == (-2000, -2000) and transform.units == "HU"
    with pytest.raises(render.NotAnImage):
        render.open_image(made)


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"Rows": 0}, render.CorruptImage),
        ({"BitsStored": 17}, render.CorruptImage),
        ({"HighBit": 3, "BitsStored": 8}, render.CorruptImage),
        ({"SamplesPerPixel": 3}, render.CorruptImage),
        ({"SamplesPerPixel": 4, "PhotometricInterpretation": "CMYK"}, render.UnsupportedSyntax),
        ({"BitsAllocated": 12, "BitsStored": 12, "HighBit": 11}, render.UnsupportedSyntax),
        ({"NumberOfFrames": -3}, render.CorruptImage),
        ({"NumberOfFrames": 2}, render.CorruptImage),
        ({"Rows": 60000, "Columns": 60000}, render.LimitExceeded),
        ({"NumberOfFrames": 2_000_000_000}, render.LimitExceeded),
    ],
)
def test_contradictions_are_told(attributes: dict[str, object], kind: type[render.RenderError]) -> None:
    with pytest.raises(kind):
        render.open_image(dataset(np.zeros((8, 8), np.uint16), **attributes))


def test_a_frame_beyond_the_last_is_refused() -> None:
    image = render.open_image(dataset(np.zeros((8, 8), np.uint16)))
    for call in (image.decode, image.transform, image.geometry, image.frame_bytes):
        for index in (-1, 1):
            with pytest.raises(render.CorruptImage):
                call(index)
