"""Where a frame lies in the patient and how large its pixels are (PS3.3 C.7.6.2, C.7.6.16)."""

from dataclasses import dataclass

from pydicom.dataset import Dataset

from render.header import functional_group, integer, items, number, numbers, text, value


@dataclass(frozen=True)
class Geometry:
    """Place of one frame; lengths in millimetres, axes of the patient (left, posterior, head)."""

    position: tuple[float, float, float] | None
    """Image Position (Patient): centre of the first pixel."""
    orientation: tuple[float, float, float, float, float, float] | None
    """Image Orientation (Patient): direction of a row, then of a column."""
    pixel_spacing: tuple[float, float] | None
    """Between rows, then between columns."""
    spacing_source: str
    """Attribute that the spacing came from: "PixelSpacing", "ImagerPixelSpacing" (at the detector,
    magnified), "NominalScannedPixelSpacing", "SequenceOfUltrasoundRegions" or "" without any."""
    slice_thickness: float | None
    spacing_between_slices: float | None
    frame_of_reference_uid: str
    instance_number: int | None
    temporal_position: int | None
    stack_position: int | None
    stack_id: str

    @property
    def normal(self) -> tuple[float, float, float] | None:
        """Unit-length normal of the frame's plane: row direction x column direction."""
        if self.orientation is None:
            return None
        a, b, c, d, e, f = self.orientation
        return (b * f - c * e, c * d - a * f, a * e - b * d)

    @property
    def distance(self) -> float | None:
        """Place of the plane along its normal, the key by which slices are sorted."""
        normal = self.normal
        if normal is None or self.position is None:
            return None
        return sum(n * p for n, p in zip(normal, self.position, strict=True))


def geometry_of(dataset: Dataset, index: int = 0) -> Geometry:
    """Geometry of frame `index`; what is absent or malformed is None. Needs no pixel data."""
    plane = functional_group(dataset, index, "PlanePositionSequence") or dataset
    turn = functional_group(dataset, index, "PlaneOrientationSequence") or dataset
    measures = functional_group(dataset, index, "PixelMeasuresSequence") or dataset
    content = functional_group(dataset, index, "FrameContentSequence") or dataset
    spacing, source = _spacing(dataset, measures)
    position = numbers(plane, "ImagePositionPatient")
    orientation = numbers(turn, "ImageOrientationPatient")
    return Geometry(
        position=(position[0], position[1], position[2]) if len(position) == 3 else None,
        orientation=_orientation(orientation),
        pixel_spacing=spacing,
        spacing_source=source,
        slice_thickness=number(measures, "SliceThickness"),
        spacing_between_slices=number(measures, "SpacingBetweenSlices"),
        frame_of_reference_uid=text(dataset, "FrameOfReferenceUID"),
        instance_number=integer(dataset, "InstanceNumber"),
        temporal_position=_first(
            integer(content, "TemporalPositionIndex"), integer(dataset, "TemporalPositionIdentifier")
        ),
        stack_position=_first(integer(content, "InStackPositionNumber")),
        stack_id=text(content, "StackID"),
    )


def _first(*candidates: int | None) -> int | None:
    return next((one for one in candidates if one is not None), None)


def _orientation(found: tuple[float, ...]) -> tuple[float, float, float, float, float, float] | None:
    """Six direction cosines; None where they are no pair of directions at all."""
    if len(found) != 6 or not any(found[:3]) or not any(found[3:]):
        return None
    a, b, c, d, e, f = found
    return (a, b, c, d, e, f)


def _spacing(dataset: Dataset, measures: Dataset) -> tuple[tuple[float, float] | None, str]:
    for place, keyword in (
        (measures, "PixelSpacing"),
        (dataset, "PixelSpacing"),
        (dataset, "ImagerPixelSpacing"),
        (dataset, "NominalScannedPixelSpacing"),
    ):
        found = numbers(place, keyword)
        if len(found) == 2 and min(found) > 0:
            return (found[0], found[1]), keyword
    return _ultrasound_spacing(dataset)


def _ultrasound_spacing(dataset: Dataset) -> tuple[tuple[float, float] | None, str]:
    """Spacing of the one calibrated region in centimetres (PS3.3 C.8.5.5); none where regions differ."""
    found = set()
    for region in items(dataset, "SequenceOfUltrasoundRegions"):
        across, down = number(region, "PhysicalDeltaX"), number(region, "PhysicalDeltaY")
        centimetres = value(region, "PhysicalUnitsXDirection") == 3 and value(region, "PhysicalUnitsYDirection") == 3
        if centimetres and across and down:
            found.add((abs(down) * 10, abs(across) * 10))
    return (found.pop(), "SequenceOfUltrasoundRegions") if len(found) == 1 else (None, "")
