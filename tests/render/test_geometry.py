"""Where frames lie, and where their spacing comes from."""

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

import render
from tests.render import corpus, reference
from tests.render.made import dataset


def region(units: int = 3, x: float = 0.05, y: float = 0.04) -> Dataset:
    made = Dataset()
    made.PhysicalUnitsXDirection = made.PhysicalUnitsYDirection = units
    made.PhysicalDeltaX, made.PhysicalDeltaY = x, y
    return made


@pytest.mark.parametrize(
    ("attributes", "spacing", "source"),
    [
        ({"PixelSpacing": [0.5, 0.6], "ImagerPixelSpacing": [1, 1]}, (0.5, 0.6), "PixelSpacing"),
        ({"ImagerPixelSpacing": [0.1, 0.2]}, (0.1, 0.2), "ImagerPixelSpacing"),
        ({"NominalScannedPixelSpacing": [0.3, 0.3]}, (0.3, 0.3), "NominalScannedPixelSpacing"),
        ({"PixelSpacing": [0, 0]}, None, ""),
        ({}, None, ""),
        (
            {"SequenceOfUltrasoundRegions": Sequence([region()])},
            (pytest.approx(0.4), pytest.approx(0.5)),
            "SequenceOfUltrasoundRegions",
        ),
        ({"SequenceOfUltrasoundRegions": Sequence([region(units=4)])}, None, ""),
        ({"SequenceOfUltrasoundRegions": Sequence([region(), region(x=0.07)])}, None, ""),
    ],
)
def test_spacing_says_where_it_comes_from(attributes, spacing, source) -> None:
    geometry = render.geometry_of(dataset(np.zeros((4, 4), np.uint8), **attributes))
    assert (geometry.pixel_spacing, geometry.spacing_source) == (spacing, source)


def test_planes_sort_along_their_normal() -> None:
    made = dataset(np.zeros((4, 4), np.uint8), ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    made.ImagePositionPatient = [7, 8, 9]
    geometry = render.geometry_of(made)
    assert geometry.normal == (-1, 0, 0) and geometry.distance == -7
    made.ImageOrientationPatient = [0, 0, 0, 0, 0, 0]
    assert render.geometry_of(made).orientation is None and render.geometry_of(made).distance is None


@corpus.each([e for e in corpus.images() if e["frames"] not in ("", "1") and e["modality"] == "MR"])
def test_per_frame_groups_of_real_enhanced_objects_are_honoured(entry: corpus.Entry) -> None:
    header, image = corpus.header(entry), corpus.opened(entry)
    for frame in range(image.frame_count):
        geometry = image.geometry(frame)
        place = reference.frame_group(header, frame, "PlanePositionSequence")
        measures = reference.frame_group(header, frame, "PixelMeasuresSequence")
        content = reference.frame_group(header, frame, "FrameContentSequence")
        rescale = reference.frame_group(header, frame, "PixelValueTransformationSequence")
        if place is not None:
            assert geometry.position == tuple(float(number) for number in place.ImagePositionPatient)
        if measures is not None and "PixelSpacing" in measures:
            assert geometry.pixel_spacing == tuple(float(number) for number in measures.PixelSpacing)
        if content is not None and "InStackPositionNumber" in content:
            assert geometry.stack_position == content.InStackPositionNumber
        if rescale is not None:
            assert image.transform(frame).slope == float(rescale.RescaleSlope)


def test_a_ct_series_is_evenly_spaced() -> None:
    chosen = [e for e in corpus.images() if e["file"].startswith("ct_cmb_crc_chest100/")]
    places = sorted(render.geometry_of(corpus.header(entry)).distance for entry in chosen)
    assert np.allclose(np.diff(places), 2.5, atol=1e-3)
