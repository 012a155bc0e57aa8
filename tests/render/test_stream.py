"""The stream object: exact at every resolution, refused at every other length, readable by other decoders."""

import imagecodecs
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import pixel_array

import render
from render.stream import expected_shape
from tests.render import corpus

HTJ2K_LOSSLESS_RPCL = "1.2.840.10008.1.2.4.202"
PACKABLE = [e for e in corpus.sample_of_each_form() if str(e["bits"]).split("/")[0] != "32" and e["bytes"] < 4e6]


def noise(shape: tuple[int, ...], dtype: str, seed: int = 1) -> np.ndarray:
    info = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(info.min, info.max + 1, shape).astype(dtype)


@corpus.each(PACKABLE)
def test_every_resolution_of_real_frames_is_exact(entry: corpus.Entry) -> None:
    image = corpus.opened(entry)
    frame = image.frame_count // 2
    stored = image.decode(frame)
    data, ends = render.pack_frame(stored)
    assert ends[-1] == len(data)
    assert np.array_equal(render.unpack(data, ends, 0), stored)
    for reduce in range(len(ends)):
        prefix = data[: ends[len(ends) - 1 - reduce]]
        whole_at_this_level = imagecodecs.htj2k_decode(data, skipres=reduce).astype(np.int64)
        level = render.unpack(prefix, ends, reduce)
        assert level.shape[:2] == render.level_size(*stored.shape[:2], reduce)
        assert level.dtype == stored.dtype
        # The decoder alone lets what rings beyond the type's range wrap.
        limits = np.iinfo(stored.dtype)
        wrapped = level.astype(np.int64) != whole_at_this_level
        assert np.isin(level[wrapped], (limits.min, limits.max)).all()
    assert max(render.unpack(data[: ends[0]], ends, len(ends) - 1).shape[:2]) <= 64


@pytest.mark.parametrize(("dtype", "low", "high"), [("uint16", 0, 3000), ("uint8", 0, 255), ("int16", -32768, 32767)])
def test_lower_resolutions_do_not_wrap_at_sharp_edges(dtype: str, low: int, high: int) -> None:
    y, x = np.mgrid[0:512, 0:512]
    disc = (x - 250) ** 2 + (y - 250) ** 2 < 20000
    data, ends = render.pack_frame(np.where(disc, high, low).astype(dtype))
    for reduce in range(1, len(ends)):
        level = render.unpack(data[: ends[len(ends) - 1 - reduce]], ends, reduce)
        far = ~disc[:: 1 << reduce, :: 1 << reduce]
        far[1:-1, 1:-1] &= far[:-2, 1:-1] & far[2:, 1:-1] & far[1:-1, :-2] & far[1:-1, 2:]
        assert np.abs(level.astype(int) - low)[far].max() < (high - low) // 2


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["uint8", "int8", "uint16", "int16"]),
    st.integers(1, 200),
    st.integers(1, 200),
    st.integers(0, 2**32 - 1),
)
def test_noise_of_any_size_and_type_comes_back(dtype: str, rows: int, columns: int, seed: int) -> None:
    stored = noise((rows, columns), dtype, seed)
    data, ends = render.pack_frame(stored)
    assert np.array_equal(render.unpack(data, ends), stored)
    assert len(ends) == max(2, render.level_count(rows, columns))


def test_another_decoder_reads_the_codestream() -> None:
    """OpenJPEG, which shares no code with the encoder."""
    for stored in (noise((301, 257), "int16"), noise((90, 130, 3), "uint8"), noise((128, 128), "uint8")):
        data, _ = render.pack_frame(stored)
        assert np.array_equal(imagecodecs.jpeg2k_decode(data), stored)


def test_a_dicom_reader_takes_it_as_htj2k_lossless_rpcl() -> None:
    stored = noise((200, 150), "uint16")
    data, _ = render.pack_frame(stored)
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = HTJ2K_LOSSLESS_RPCL
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 200, 150, 1
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation, dataset.PhotometricInterpretation = 15, 0, "MONOCHROME2"
    dataset.PixelData = encapsulate([data])
    assert np.array_equal(pixel_array(dataset), stored)
    assert np.array_equal(render.open_image(dataset).decode(0), stored)


def test_a_prefix_of_any_other_length_is_refused() -> None:
    data, ends = render.pack_frame(noise((300, 280), "uint16"))
    for reduce in range(len(ends)):
        end = ends[len(ends) - 1 - reduce]
        for wrong in {end - 1, end + 1, end - 300, end // 2, 0} - set(ends):
            with pytest.raises(render.CorruptImage):
                render.unpack((data + b"\0")[: max(0, wrong)], ends, reduce)
        if reduce:
            with pytest.raises(render.CorruptImage):
                render.unpack(data[:end], ends, reduce - 1)


def test_an_index_that_does_not_fit_the_codestream_is_refused() -> None:
    data, ends = render.pack_frame(noise((300, 280), "uint16"))
    shifted = (ends[0] + 5, *ends[1:])
    with pytest.raises(render.CorruptImage):
        render.unpack(data[: shifted[0]], shifted, len(ends) - 1)
    with pytest.raises(render.CorruptImage):
        render.resolution_ends(data[:-7])
    with pytest.raises(render.CorruptImage):
        render.resolution_ends(b"\xff\x4f")
    with pytest.raises(render.CorruptImage):
        render.resolution_ends(data.replace(b"\xff\x55", b"\xff\x56", 1))


def test_beyond_the_lowest_resolution_comes_the_lowest() -> None:
    data, ends = render.pack_frame(noise((100, 100), "uint16"))
    assert render.unpack(data[: ends[0]], ends, 99).shape == (50, 50)


@pytest.mark.parametrize("dtype", ["uint32", "int32", "float32", "float64"])
def test_what_cannot_be_derived_says_so(dtype: str) -> None:
    with pytest.raises(render.UnsupportedSyntax):
        render.pack_frame(np.zeros((8, 8), dtype))
    with pytest.raises(render.UnsupportedSyntax):
        render.pack_frame(np.zeros((8, 8, 3), np.uint16))


def test_an_instance_packs_into_one_object_with_an_index() -> None:
    entry = next(e for e in corpus.images() if e["file"].endswith("Siemens/XA10/6_1.dcm"))
    image = corpus.opened(entry)
    packed = render.pack(image)
    index = render.StreamIndex.from_dict(packed.index.to_dict())
    assert index == packed.index and len(index.offsets) == image.frame_count == 6
    for frame in range(image.frame_count):
        for reduce in range(index.levels):
            start, stop = index.span(frame, reduce)
            level = render.unpack(packed.data[start:stop], index.ends[frame], reduce)
            assert level.shape == expected_shape(index, reduce)
        start, stop = index.span(frame)
        assert np.array_equal(render.unpack(packed.data[start:stop], index.ends[frame]), image.decode(frame))


def test_a_floating_instance_is_left_to_its_original() -> None:
    entry = next((e for e in corpus.images() if e["file"].endswith("rtdose.dcm")), corpus.images()[0])
    with pytest.raises(render.UnsupportedSyntax):
        render.pack(corpus.opened(entry))
