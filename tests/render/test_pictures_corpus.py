"""T9: every 8 bit picture of the corpus against PS3.3's formulas, pydicom's functions and dcmtk's pictures."""

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_modality_lut, apply_voi_lut

import render
from tests.render import corpus, reference

GREY = [e for e in corpus.images() if e["photometric"] in ("MONOCHROME1", "MONOCHROME2")]
COLOUR = [e for e in corpus.images() if e["photometric"] not in ("MONOCHROME1", "MONOCHROME2", "")]
FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def middle(image: render.Image) -> int:
    return image.frame_count // 2


def windows_for(transform: render.Transform, values: np.ndarray) -> list[render.Window]:
    """The file's own windows, and one of each function over the middle half of the values."""
    low, high = np.percentile(values, (25, 75))
    made = [
        render.Window(float(low + high) / 2, max(2.0, float(high - low)), function=function) for function in FUNCTIONS
    ]
    return [*transform.windows, *made]


@corpus.each(GREY)
def test_windows_equal_the_formulas_of_the_standard(entry: corpus.Entry) -> None:
    """Every pixel, every window of the file and all three functions, exactly."""
    image = corpus.opened(entry)
    frame = middle(image)
    stored, transform = image.decode(frame), image.transform(frame)
    dataset = corpus.header(entry)
    values = reference.modality(stored, dataset, frame)
    assert np.array_equal(render.modality_values(stored, transform), values)
    for window in windows_for(transform, values):
        levels = reference.exact_levels(values, window.center, window.width, window.function)
        expected = reference.finished(reference.rounded(levels), stored, dataset)
        assert np.array_equal(render.window_pixels(stored, transform, window), expected), window


@corpus.each(GREY)
def test_the_files_windows_are_read_as_pydicom_reads_them(entry: corpus.Entry) -> None:
    image = corpus.opened(entry)
    frame = middle(image)
    dataset = corpus.header(entry)
    holder = reference.frame_group(dataset, frame, "FrameVOILUTSequence") or dataset
    centers = np.atleast_1d(holder.get("WindowCenter") if holder.get("WindowCenter") is not None else [])
    widths = np.atleast_1d(holder.get("WindowWidth") if holder.get("WindowWidth") is not None else [])
    expected = [(float(c), float(w)) for c, w in zip(centers, widths, strict=True) if float(w) > 0]
    assert [(w.center, w.width) for w in image.transform(frame).windows] == expected


@corpus.each([e for e in GREY if e["frames"] in ("", "1")])
def test_views_equal_those_of_pydicom(entry: corpus.Entry) -> None:
    """pydicom's own VOI function, whose output range is that of the stored bits: within half a level of ours."""
    image = corpus.opened(entry)
    stored, transform, dataset = image.decode(0), image.transform(0), corpus.header(entry)
    if stored.dtype.kind not in "iu" or not (transform.windows or transform.voi_luts):
        return
    if any(window.width < 1 for window in transform.windows):
        return  # pydicom refuses these
    shown = apply_voi_lut(apply_modality_lut(stored, dataset), dataset).astype(np.float64)
    low, high = pydicom_range(dataset, transform)
    levels = (shown - low) * (255 / (high - low))
    ours = render.window_pixels(stored, transform).astype(np.float64)
    if transform.inverted:
        ours = 255 - ours
    seen = ~reference.padded(stored, dataset)
    assert np.abs(ours - levels)[seen].max(initial=0) <= 0.5 + 1e-6


def pydicom_range(dataset: pydicom.Dataset, transform: render.Transform) -> tuple[float, float]:
    """The range that `apply_voi_lut` maps to, as its documentation says."""
    if transform.voi_luts:
        return 0.0, float((1 << transform.voi_luts[0].bits) - 1)
    low, high = transform.stored_range
    if "ModalityLUTSequence" in dataset:
        return 0.0, float((1 << transform.modality_lut.bits) - 1) if transform.modality_lut else float(high)
    if "RescaleSlope" in dataset:
        low, high = (end * transform.slope + transform.intercept for end in (low, high))
    return float(low), float(high)


def for_dcmtk(chosen: list[corpus.Entry]) -> list[corpus.Entry]:
    """One of each series is enough for a second tool that starts a process each."""
    kept: dict[tuple[str, ...], corpus.Entry] = {}
    for entry in chosen:
        syntax = str(entry["transfer_syntax"])
        if syntax.startswith("1.2.840.10008.1.2.4.") and syntax.split(".")[-1][0] not in "578":
            continue  # dcmtk has no JPEG 2000
        folder = entry["file"].rsplit("/", 1)[0]
        key = (folder, syntax, entry["photometric"], str(entry["bits"]), str(entry["rows"]))
        kept.setdefault(key, entry)
    return list(kept.values())


DCMTK_REFUSES = {
    "odd_files/fo-dicom/GH364.dcm": "fragments that are not laid out as dcmtk wants them",
    "odd_files/fo-dicom/FreezePattern.dcm": "fragments that are not laid out as dcmtk wants them",
    "cine_multiframe/DIRW0007": "an item that is not closed",
    "non_image/pydicom/data/test_files/rtdose_expb.dcm": "32 bit big endian, which dcmtk swaps by 16 bit words",
    "geometry_traps/dicom2nifti/anatomical/002_non_isotropic/001.dcm": "slope 0.001: dcmtk rounds rescaled values to integers",
}


def frame_for_dcmtk(entry: corpus.Entry, image: render.Image) -> int:
    """The middle; the first where no offset table tells dcmtk where the others begin."""
    return 0 if "no_bot" in entry["file"] else middle(image)


def window_for_dcmtk(window: render.Window, transform: render.Transform, dataset: pydicom.Dataset) -> tuple[str, ...]:
    """The option for `window`; in stored values where the rescale is in a per-frame group, which dcmtk ignores."""
    center, width = window.center, window.width
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or [pydicom.Dataset()]
    if "PixelValueTransformationSequence" in per_frame[0]:
        center = (center - 0.5 - transform.intercept) / transform.slope + 0.5
        width = (width - 1) / transform.slope + 1
    return "+Ww", str(center), str(width)


@corpus.each([e for e in for_dcmtk(GREY) if e["file"] not in DCMTK_REFUSES])
def test_pictures_equal_those_of_dcmtk(entry: corpus.Entry, tmp_path) -> None:
    """dcmtk cuts fractions where we round: at most one level apart."""
    image = corpus.opened(entry)
    frame = frame_for_dcmtk(entry, image)
    stored, transform = image.decode(frame), image.transform(frame)
    if stored.dtype.kind == "f":
        return  # dcmtk has no floating pixels
    values = render.modality_values(stored, transform)
    low, high = np.percentile(values, (5, 95))
    # dcmtk takes the function from the data set itself, never from a functional group.
    function = corpus.header(entry).get("VOILUTFunction") or "LINEAR"
    window = render.Window(round(float(low + high) / 2), max(2, round(float(high - low))), function=function)
    options = window_for_dcmtk(window, transform, corpus.header(entry))
    theirs = reference.dcmtk_picture(corpus.path_of(entry), tmp_path, frame, *options).astype(int)
    ours = render.window_pixels(stored, transform, window).astype(int)
    seen = ~reference.padded(stored, corpus.header(entry))
    assert np.abs(ours - theirs)[seen].max(initial=0) <= 1


@corpus.each([e for e in for_dcmtk(COLOUR) if e["file"] not in DCMTK_REFUSES])
def test_colours_equal_those_of_dcmtk(entry: corpus.Entry, tmp_path) -> None:
    image = corpus.opened(entry)
    frame = frame_for_dcmtk(entry, image)
    ours = image.decode(frame).astype(int)
    # GH195 says RGB and holds YCbCr with a JFIF marker: only dcmtk's guess looks at the codestream.
    options = ["--conv-guess"] if "GH195" in entry["file"] else []
    theirs = reference.dcmtk_picture(corpus.path_of(entry), tmp_path, frame, *options).astype(int)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 2


@corpus.each(COLOUR)
def test_colour_passes_the_window_unchanged(entry: corpus.Entry) -> None:
    image = corpus.opened(entry)
    stored, transform = image.decode(0), image.transform(0)
    assert transform.colour and stored.dtype == np.uint8 and stored.shape[2] == 3
    assert np.array_equal(render.window_pixels(stored, transform, render.Window(10, 20)), stored)
    with pytest.raises(render.CorruptImage):
        render.grey_lut(transform, None)


@corpus.each(GREY)
def test_a_transform_survives_its_plain_form(entry: corpus.Entry) -> None:
    transform = corpus.opened(entry).transform(0)
    assert render.Transform.from_dict(transform.to_dict()) == transform
    assert render.transform_of(corpus.header(entry)) == transform
