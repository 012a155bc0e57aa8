"""Windows to begin with and to choose from, with the names that a Chinese reader expects."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.image import Image
from render.transform import Transform, Window
from render.window import modality_values

_LUNG = Window(-600, 1500, "肺窗")
_MEDIASTINUM = Window(40, 400, "纵隔窗")
_BONE = Window(400, 1800, "骨窗")
_BRAIN = Window(40, 80, "脑窗")
_STROKE = Window(35, 40, "卒中窗")
_SUBDURAL = Window(75, 215, "硬膜下窗")
_TEMPORAL_BONE = Window(700, 4000, "颞骨窗")
_ABDOMEN = Window(50, 400, "腹窗")
_LIVER = Window(60, 160, "肝窗")
_SOFT_TISSUE = Window(50, 350, "软组织窗")
_SPINE = Window(50, 250, "脊柱软组织窗")
_VESSELS = Window(300, 800, "血管窗")

_CT_BY_BODY_PART: tuple[tuple[tuple[str, ...], tuple[Window, ...]], ...] = (
    (("CHEST", "LUNG", "THORAX", "HEART", "胸", "肺", "心"), (_MEDIASTINUM, _LUNG, _BONE, _VESSELS)),
    (
        ("HEAD", "BRAIN", "SKULL", "头", "颅", "脑"),
        (_BRAIN, _STROKE, _SUBDURAL, _BONE, _TEMPORAL_BONE, _VESSELS),
    ),
    (
        ("ABDOMEN", "LIVER", "PELVIS", "KIDNEY", "腹", "肝", "盆", "肾"),
        (_ABDOMEN, _LIVER, _BONE, _VESSELS, _LUNG),
    ),
    (("SPINE", "脊", "椎"), (_SPINE, _BONE)),
    (("NECK", "颈", "SINUS", "窦", "EAR", "耳"), (_SOFT_TISSUE, _BONE, _TEMPORAL_BONE, _VESSELS)),
)
_CT = (_MEDIASTINUM, _LUNG, _BONE, _ABDOMEN, _BRAIN, _SOFT_TISSUE, _VESSELS)
_PERCENTILES = (0.5, 99.5)


def presets(modality: str, body_part: str = "") -> tuple[Window, ...]:
    """The windows to choose from, the usual one of the body part first.

    Only CT has an absolute scale (Hounsfield units); for other modalities the answer is empty and
    the viewer offers the windows of the file.
    """
    if modality.upper() != "CT":
        return ()
    examined = body_part.upper()
    for names, windows in _CT_BY_BODY_PART:
        if any(name in examined for name in names):
            return windows
    return _CT


def default_window(
    source: Image | Transform, pixels: NDArray[Any] | None = None, modality: str = "", body_part: str = ""
) -> Window | None:
    """The window to begin with; None where `grey_lut(transform, None)` is already right.

    The file goes first: its VOI LUT (None, for `grey_lut` applies it) or its first window. Else a CT
    preset, else the range that holds all but the extreme half percent of `pixels` (stored values of a
    frame). None for colour, and without `pixels`: the full range of Bits Stored is shown then.
    """
    transform = source.transform() if isinstance(source, Image) else source
    if isinstance(source, Image):
        modality = modality or source.format.modality
    if transform.colour or transform.voi_luts or transform.bits_stored == 1:
        return None
    if transform.windows:
        return transform.windows[0]
    if modality.upper() == "CT" and transform.units == "HU":
        return presets("CT", body_part)[0]
    return None if pixels is None else _by_percentiles(pixels, transform)


def drag_window(transform: Transform, shown: Window | None = None) -> Window:
    """The window from which a drag begins: the one shown, the file's first, or the range of its VOI LUT."""
    if shown is not None:
        return shown
    if transform.windows:
        return transform.windows[0]
    if transform.voi_luts:
        lut = transform.voi_luts[0]
        return Window(lut.first + len(lut.entries) / 2, float(len(lut.entries)))
    ends = modality_values(np.array(transform.stored_range), transform)
    return Window(float(ends.mean()), float(max(abs(ends[1] - ends[0]), 1.0)))


def _by_percentiles(pixels: NDArray[Any], transform: Transform) -> Window | None:
    step = max(1, int((pixels.size / 262_144) ** 0.5))
    sample = pixels[::step, ::step]
    sample = sample[np.isfinite(sample)]
    if transform.padding is not None:
        sample = sample[(sample < transform.padding[0]) | (sample > transform.padding[1])]
    if sample.size == 0:
        return None
    low, high = sorted(np.percentile(modality_values(sample, transform), _PERCENTILES))
    if high == low:
        return None
    if high - low < 1:
        return Window(float(low + high) / 2, float(high - low), function="LINEAR_EXACT")
    return Window(float(low + high) / 2, float(high - low))
