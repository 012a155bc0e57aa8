"""What the manifest says of a series: read from the header of its lead frame and from the order of its frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydicom.dataset import Dataset

from backend.archive.model import Series
from render import Geometry, Image, Transform, Window, drag_window, presets
from render.header import number, text, texts

_OPPOSITE = {"L": "R", "R": "L", "A": "P", "P": "A", "H": "F", "F": "H"}
_AXES = (("L", "R"), ("P", "A"), ("H", "F"))
_SPACING_FROM = {
    "PixelSpacing": "pixel",
    "ImagerPixelSpacing": "imager",
    "NominalScannedPixelSpacing": "imager",
    "SequenceOfUltrasoundRegions": "ultrasound",
}
# JPEG baseline and extended, near-lossless JPEG-LS, irreversible JPEG 2000 and HTJ2K.
_LOSSY = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 81, 91, 203))
_SLICES_A_SECOND, _CINE_A_SECOND = 10, 15
_OBLIQUE = 0.35
"""Direction cosine from which a second letter is told."""


def entry(
    series: Series, lead: Image, place: Geometry, transform: Transform, *, frames: int, lead_number: int, volume: bool
) -> dict[str, Any]:
    """The manifest's entry of a series that can be shown; `lead` is the instance that holds frame `lead_number`."""
    form, dataset = lead.format, lead.dataset
    return {
        **_series(series),
        "frames": frames,
        "rows": form.rows,
        "columns": form.columns,
        "colour": form.colour,
        "window": _values(None if form.colour else drag_window(transform)),
        "presets": _presets(series, transform),
        "spacing": None if place.pixel_spacing is None else list(place.pixel_spacing),
        "spacing_from": _SPACING_FROM.get(place.spacing_source),
        "value_unit": transform.units,
        "orientation": orientation_letters(place, dataset),
        "fps": _fps(dataset, volume),
        "default_frame": lead_number,
        "lossy": text(dataset, "LossyImageCompression") == "01" or form.transfer_syntax_uid in _LOSSY,
        "monochrome1": transform.inverted,
        "showable": True,
    }


def unshowable(series: Series, reason: str) -> dict[str, Any]:
    """The entry of a series without pictures; `reason` is the sentence that says why."""
    return {
        **_series(series),
        "frames": 0,
        "rows": 0,
        "columns": 0,
        "colour": False,
        "window": None,
        "presets": [],
        "spacing": None,
        "spacing_from": None,
        "value_unit": "",
        "orientation": None,
        "fps": _CINE_A_SECOND,
        "default_frame": 0,
        "lossy": False,
        "monochrome1": False,
        "showable": reason,
    }


def _series(series: Series) -> dict[str, Any]:
    return {"modality": series.modality, "number": series.number, "description": series.description}


def orientation_letters(place: Geometry, dataset: Dataset) -> list[str] | None:
    """Letters at the left, right, top and bottom edge (PS3.3 C.7.6.2.1.1, C.7.6.1.1.1); None where the file does not tell."""
    if place.orientation is not None:
        right, bottom = _letters(place.orientation[:3]), _letters(place.orientation[3:])
    else:
        told = texts(dataset, "PatientOrientation")
        if len(told) != 2 or not all(part and set(part) <= _OPPOSITE.keys() for part in told):
            return None
        right, bottom = told
    return [_opposite(right), right, _opposite(bottom), bottom]


def _letters(direction: Sequence[float]) -> str:
    """The patient's side that a direction points to; two letters where it is oblique."""
    parts = [(abs(value), axis[0] if value > 0 else axis[1]) for value, axis in zip(direction, _AXES, strict=True)]
    parts.sort(reverse=True)
    return parts[0][1] + (parts[1][1] if parts[1][0] >= _OBLIQUE else "")


def _opposite(letters: str) -> str:
    return "".join(_OPPOSITE[letter] for letter in letters)


def _values(window: Window | None) -> list[float] | None:
    return None if window is None else [window.center, window.width]


def _presets(series: Series, transform: Transform) -> list[dict[str, Any]]:
    """The file's own view first, then its other windows, then the usual ones of the modality and body part."""
    if transform.colour:
        return []
    chosen: list[dict[str, Any]] = [{"name": "默认", "window": None}]
    known = {(w.center, w.width) for w in transform.windows[:1]}
    own = [(w.explanation or f"窗 {n}", w) for n, w in enumerate(transform.windows[1:], 2)]
    usual = [(w.explanation, w) for w in presets(series.modality, f"{series.body_part} {series.description}")]
    for name, window in own + (usual if transform.units == "HU" else []):
        if (window.center, window.width) not in known:
            known.add((window.center, window.width))
            chosen.append({"name": name, "window": _values(window)})
    return chosen[:9]


def _fps(dataset: Dataset, volume: bool) -> float:
    """Recommended Display Frame Rate, Cine Rate or Frame Time (PS3.3 C.7.6.5), within what a phone can play."""
    for keyword in ("RecommendedDisplayFrameRate", "CineRate"):
        rate = number(dataset, keyword)
        if rate and rate > 0:
            return min(60.0, max(1.0, rate))
    milliseconds = number(dataset, "FrameTime")
    if milliseconds and milliseconds > 0:
        return round(min(60.0, max(1.0, 1000 / milliseconds)), 2)
    return float(_SLICES_A_SECOND if volume else _CINE_A_SECOND)
