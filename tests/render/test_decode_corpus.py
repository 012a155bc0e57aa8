"""Every image of the corpus against pydicom's decoders, dcmtk's, and the uncompressed originals."""

import hashlib
from pathlib import Path

import numpy as np
import pydicom
import pytest

import render
from tests.images import shared_dicom
from tests.render import corpus, reference

SAME_SAMPLES = [e for e in corpus.images() if e["transfer_syntax"] not in corpus.LOSSY_JPEG]
LOSSY = [e for e in corpus.images() if e["transfer_syntax"] in corpus.LOSSY_JPEG]
NOT_DECODED = [e for e in corpus.entries() if not (e["has_pixels"] and e["decodes"])]
ROUNDED_OTHERWISE = {"large_2d/fo-dicom/VL5_J2KI.dcm": 1}
"""Lossy JPEG 2000 by the irreversible wavelet: builds of OpenJPEG round single samples apart by one level."""

HONEST = {
    "odd_files/pydicom/JPEG2000-embedded-sequence-delimiter.dcm": "corrupt_image",  # a delimiter where SIZ has sizes
    "odd_files/pydicom/MR_truncated.dcm": "corrupt_image",
    "odd_files/pydicom/badVR.dcm": "corrupt_image",  # Number of Frames "1A"
    "odd_files/fo-dicom/GH1146.dcm": "corrupt_image",  # empty pixel data
    "odd_files/fo-dicom/GH177_D_CLUNIE_CT1_IVRLE_BigEndian_undefined_length.dcm": "corrupt_image",
    "odd_files/fo-dicom/GH340.dcm": "unsupported_syntax",  # 12 bits allocated
    "odd_files/fo-dicom/genFile.dcm": "corrupt_image",  # text where the JPEG should be
    "ts_ladder/pydicom-data/liver_deflate.dcm": "unsupported_syntax",
}
DECODED_BEYOND_PYDICOM = {
    "large_2d/wg04/WG04/JPLY/RG2_JPLY",
    "ts_ladder/wg04/WG04/JPLY/NM1_JPLY",
    "ts_ladder/wg04/WG04/JPLY/XA1_JPLY",
    "wsi_tiles/multiframe.dcm",
    "mr_enhanced/pypi_pydicom-data/data_store/data/emri_small_jpeg_2k_lossless_too_short.dcm",
}
"""12 bit JPEG with Se 0, cropped edge tiles; and a file whose header pydicom reads only by force."""

DCMTK_REFUSES = {"odd_files/fo-dicom/GH364.dcm"}
"""Fragments that are not laid out as dcmtk wants them."""


def digest(frames: np.ndarray) -> str:
    return hashlib.sha1(np.ascontiguousarray(frames).tobytes()).hexdigest()[:12]


def by_another_decoder(entry: corpus.Entry, tmp_path: Path) -> np.ndarray:
    """pydicom's array; dcmtk's where pydicom has no decoder without its GPL plug-in (12 bit JPEG, JPEG-LS)."""
    try:
        return pydicom.dcmread(corpus.path_of(entry)).pixel_array
    except RuntimeError:
        tool = "dcmdjpls" if entry["transfer_syntax"] in corpus.JPEG_LS else "dcmdjpeg"
        return reference.dcmtk_stored(corpus.path_of(entry), tmp_path, tool)


@corpus.each(SAME_SAMPLES)
def test_samples_equal_those_of_pydicom(entry: corpus.Entry, tmp_path) -> None:
    frames = reference.frames_of(corpus.opened(entry))
    if digest(frames) == entry["pixel_array_sha1_12"]:
        return
    # The manifest's digest is of pydicom's array: big endian in memory, and indices before the palette.
    dataset = corpus.header(entry)
    expected = by_another_decoder(entry, tmp_path)
    if entry["transfer_syntax"] == corpus.BIG_ENDIAN or entry["photometric"] == "PALETTE COLOR":
        assert digest(expected) == entry["pixel_array_sha1_12"]
    if entry["photometric"] == "PALETTE COLOR":
        expected = reference.palette(expected, dataset)
    allowed = ROUNDED_OTHERWISE.get(entry["file"], 0)
    assert frames.shape == expected.shape
    assert np.abs(frames.astype(np.int64) - expected.astype(np.int64)).max() <= allowed


@corpus.each(LOSSY)
def test_lossy_jpeg_is_within_two_levels_of_another_decoder(entry: corpus.Entry, tmp_path) -> None:
    """Inverse transforms may differ by rounding; chroma is up-sampled and converted in integers or floats."""
    frames = reference.frames_of(corpus.opened(entry))
    if digest(frames) == entry["pixel_array_sha1_12"]:
        return
    expected = by_another_decoder(entry, tmp_path)
    assert frames.shape == expected.shape
    assert np.abs(frames.astype(np.int64) - expected.astype(np.int64)).max() <= 2


@corpus.each([e for e in corpus.images() if e["transfer_syntax"] in corpus.DCMTK_JPEG | corpus.JPEG_LS])
def test_stored_values_equal_those_of_dcmtk(entry: corpus.Entry, tmp_path) -> None:
    if "mr_siemens_frag" in entry["file"] and not entry["file"].endswith("01.dcm"):
        return  # one of a hundred like slices is enough for a second decoder
    if entry["photometric"] not in ("MONOCHROME1", "MONOCHROME2") or entry["file"] in DCMTK_REFUSES:
        return  # dcmtk converts colour by its own rules; the picture test covers it
    tool = "dcmdjpls" if entry["transfer_syntax"] in corpus.JPEG_LS else "dcmdjpeg"
    expected = reference.dcmtk_stored(corpus.path_of(entry), tmp_path, tool)
    frames = reference.frames_of(corpus.opened(entry))
    allowed = 1 if entry["transfer_syntax"] in corpus.LOSSY_JPEG else 0
    assert np.abs(frames.astype(np.int64) - expected.astype(np.int64)).max() <= allowed


@corpus.each(NOT_DECODED)
def test_what_cannot_be_shown_says_why(entry: corpus.Entry) -> None:
    if entry["file"] in DECODED_BEYOND_PYDICOM:
        assert reference.frames_of(corpus.opened(entry)).size
        return
    syntax = str(entry["transfer_syntax"])
    unsupported = syntax.endswith((".4.53", ".4.55"))
    expected = HONEST.get(entry["file"], "unsupported_syntax" if unsupported else "not_an_image")
    with pytest.raises(render.RenderError) as caught:
        corpus.opened(entry).decode(0)
    assert caught.value.code == expected


WG04 = [e for e in corpus.entries() if "/WG04/" in e["file"] and "/REF/" not in e["file"]]
WG04_WITH_ORIGINAL = [e for e in WG04 if e["file"].startswith("ts_ladder")]


@corpus.each(WG04_WITH_ORIGINAL or corpus.entries()[:1])
def test_wg04_encodings_give_back_their_original(entry: corpus.Entry) -> None:
    """NEMA's own compression samples: lossless bit for bit, near-lossless within 4, lossy near in the mean."""
    folder, name = entry["file"].rsplit("/", 1)
    image, encoding = name.split("_")
    original = render.open_image(shared_dicom(folder.rsplit("/", 1)[0], "REF", f"{image}_UNC").read_bytes())
    error = np.abs(reference.frames_of(corpus.opened(entry)).astype(np.int64) - reference.frames_of(original))
    if encoding in ("RLE", "JPLL", "JLSL", "J2KR"):
        assert error.max() == 0
    elif encoding == "JLSN":
        assert error.max() <= 4
    else:
        assert error.mean() < (12 if encoding == "JPLY" else 30)


def test_wrapped_htj2k_gives_back_its_original() -> None:
    for name in ("CT1", "NM1", "XA1"):
        original = render.open_image(shared_dicom("ts_ladder/wg04/WG04/REF", f"{name}_UNC").read_bytes())
        wrapped = render.open_image(shared_dicom("ts_ladder/derived_htj2k", f"{name}_HTJ2K.dcm").read_bytes())
        assert np.array_equal(wrapped.decode(0), original.decode(0))


def test_se_of_zero_in_a_twelve_bit_scan_is_read_as_sixty_three() -> None:
    """README trap 1: the picture must be like its lossless brother, not a grid of flat blocks."""
    lossy = render.open_image(shared_dicom("large_2d/wg04/WG04/JPLY/RG2_JPLY").read_bytes()).decode(0)
    exact = render.open_image(shared_dicom("large_2d/wg04/WG04/JPLL/RG2_JPLL").read_bytes()).decode(0)
    assert np.abs(lossy.astype(int) - exact).mean() < 12


def test_cropped_edge_tiles_of_whole_slide_images_are_padded() -> None:
    image = render.open_image(shared_dicom("wsi_tiles/multiframe.dcm").read_bytes())
    shapes = {image.decode(frame).shape for frame in range(image.frame_count)}
    assert shapes == {(240, 240, 3)}
