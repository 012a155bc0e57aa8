"""What turns stored values into grey levels: the numbers, without pixels (PS3.3 C.11.1, C.11.2)."""

import sys
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from render.errors import CorruptImage
from render.format import GREY, describe
from render.header import functional_group, integer, items, number, numbers, text, texts, value
from render.limits import Limits

_HEADER_ONLY = Limits(max_pixels=1 << 32, max_frames=1 << 31, max_frame_bytes=1 << 40)
"""No pixel is touched here, so only what the attributes themselves can hold is a limit."""
FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


@dataclass(frozen=True)
class Window:
    """A window in units of the modality transform's output (PS3.3 C.11.2.1.2)."""

    center: float
    width: float
    explanation: str = ""
    function: str = "LINEAR"


@dataclass(frozen=True)
class Lut:
    """A look-up table of the Modality LUT or VOI LUT Sequence (PS3.3 C.11.1.1, C.11.2.1.1)."""

    first: int
    """Input value that takes the first entry; inputs beyond the ends take the end entries."""
    bits: int
    """Bits of an entry: outputs go from 0 to 2 ** bits - 1."""
    table: bytes
    """Entries as little endian unsigned 16 bit words."""
    explanation: str = ""

    @property
    def entries(self) -> NDArray[np.uint16]:
        """The entries, (n,) uint16."""
        return np.frombuffer(self.table, dtype="<u2")


@dataclass(frozen=True)
class Transform:
    """All that the display of one frame needs besides its pixels."""

    dtype: str = "uint16"
    """Numpy type of the stored values as `Image.decode` gives them."""
    bits_stored: int = 16
    signed: bool = False
    colour: bool = False
    """True for RGB: no windowing applies."""
    slope: float = 1.0
    intercept: float = 0.0
    modality_lut: Lut | None = None
    """Takes the place of slope and intercept."""
    units: str = ""
    """Unit of the modality transform's output, e.g. "HU"; "" where it is not told."""
    windows: tuple[Window, ...] = ()
    voi_luts: tuple[Lut, ...] = ()
    inverted: bool = False
    """True where the lowest value shows white: MONOCHROME1 or Presentation LUT Shape INVERSE."""
    padding: tuple[int, int] | None = field(default=None)
    """Lowest and highest stored value that is padding and shows black (PS3.3 C.7.5.1.1.2)."""

    def to_dict(self) -> dict[str, Any]:
        """The transform in plain dicts, lists, numbers, strings and bytes."""
        plain = asdict(self)
        for name in ("windows", "voi_luts", "padding"):
            plain[name] = None if plain[name] is None else list(plain[name])
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Transform":
        """The transform that `to_dict` gave."""
        padding = plain["padding"]
        lut = plain["modality_lut"]
        return cls(
            **{
                **plain,
                "modality_lut": None if lut is None else Lut(**lut),
                "windows": tuple(Window(**one) for one in plain["windows"]),
                "voi_luts": tuple(Lut(**one) for one in plain["voi_luts"]),
                "padding": None if padding is None else (int(padding[0]), int(padding[1])),
            }
        )

    @property
    def stored_range(self) -> tuple[int, int]:
        """Lowest and highest stored value that Bits Stored can hold."""
        if self.signed:
            return -(1 << (self.bits_stored - 1)), (1 << (self.bits_stored - 1)) - 1
        return 0, (1 << self.bits_stored) - 1

    def with_window(self, window: Window) -> "Transform":
        """The same transform with `window` as its only view."""
        return replace(self, windows=(window,), voi_luts=())


def transform_of(dataset: Dataset, index: int = 0) -> Transform:
    """Transform of frame `index`, per-frame functional groups included; needs no pixel data.

    Raises what `describe` raises. A malformed window or look-up table counts as absent.
    """
    form = describe(dataset, _HEADER_ONLY)
    base = Transform(dtype=form.dtype, bits_stored=form.bits_stored, signed=form.signed, colour=form.colour)
    if form.photometric not in GREY:
        return replace(base, dtype="uint8", bits_stored=8, signed=False)
    group = functional_group(dataset, index, "PixelValueTransformationSequence")
    rescale = group or dataset
    voi = functional_group(dataset, index, "FrameVOILUTSequence") or dataset
    slope, intercept = number(rescale, "RescaleSlope"), number(rescale, "RescaleIntercept")
    modality_luts = _luts(dataset, "ModalityLUTSequence", signed=form.signed)
    # A table goes before a slope beside it, against the standard as that is, as in pydicom and dcmtk.
    lut = modality_luts[0] if modality_luts and group is None else None
    base = replace(
        base,
        slope=1.0 if slope is None or slope == 0 else slope,
        intercept=intercept or 0.0,
        modality_lut=lut,
        units=_units(dataset, rescale, lut is not None, form.modality),
        windows=_windows(voi),
        inverted=form.photometric == "MONOCHROME1" or text(dataset, "PresentationLUTShape") == "INVERSE",
        padding=_padding(dataset, form.signed, form.bits_allocated),
    )
    lowest = min(base.slope * end + base.intercept for end in base.stored_range)
    return replace(base, voi_luts=_luts(voi, "VOILUTSequence", signed=lut is None and lowest < 0))


def _units(dataset: Dataset, rescale: Dataset, by_lut: bool, modality: str) -> str:
    """Rescale Type or Modality LUT Type; CT without either is in HU (PS3.3 C.8.2.1.1.2), PET in Units."""
    lut = items(dataset, "ModalityLUTSequence")
    told = text(lut[0], "ModalityLUTType") if by_lut else text(rescale, "RescaleType")
    if not told and modality == "CT" and number(rescale, "RescaleSlope") is not None:
        told = "HU"
    if not told and modality == "PT":
        told = text(dataset, "Units")
    return "" if told == "US" else told


def _windows(voi: Dataset) -> tuple[Window, ...]:
    """Every window that its function allows: widths from 1 up for LINEAR, above 0 for the others.

    A LINEAR width below 1 is against the standard but common with fractional rescale slopes; it is
    read as LINEAR_EXACT, which is what it can only mean.
    """
    centers, widths = numbers(voi, "WindowCenter"), numbers(voi, "WindowWidth")
    names = texts(voi, "WindowCenterWidthExplanation")
    function = text(voi, "VOILUTFunction", "LINEAR").upper()
    if function not in FUNCTIONS:
        function = "LINEAR"
    found = []
    for number_, (center, width) in enumerate(zip(centers, widths, strict=False)):
        if width <= 0:
            continue
        exact = function == "LINEAR" and width < 1
        name = names[number_] if number_ < len(names) else ""
        found.append(Window(center, width, name, "LINEAR_EXACT" if exact else function))
    return tuple(found)


def _luts(dataset: Dataset, keyword: str, *, signed: bool) -> tuple[Lut, ...]:
    found = (_lut(item, signed) for item in items(dataset, keyword))
    return tuple(lut for lut in found if lut is not None)


def _lut(item: Dataset, signed: bool) -> Lut | None:
    """One look-up table; None where descriptor and data do not fit together."""
    descriptor = numbers(item, "LUTDescriptor")
    if len(descriptor) != 3:
        return None
    count, first, bits = (int(one) for one in descriptor)
    count = count % 65536 or 65536
    # The VR of the descriptor is ambiguous; the sign of the table's input decides (PS3.3 C.11.1.1.1).
    first = first - 65536 if signed and first > 32767 else first
    first = first + 65536 if not signed and first < 0 else first
    entries = _entries(value(item, "LUTData"), count)
    if entries is None or not 1 <= bits <= 16:
        return None
    name = text(item, "LUTExplanation")
    return Lut(first, bits, entries.astype("<u2").tobytes(), name)


def _entries(data: Any, count: int) -> NDArray[np.uint16] | None:
    """`count` entries out of words, or out of bytes that hold one word or one 8 bit entry each."""
    if isinstance(data, bytes):
        if len(data) >= 2 * count:
            return np.frombuffer(data, dtype=f"{'<' if sys.byteorder == 'little' else '>'}u2")[:count]
        return np.frombuffer(data, dtype=np.uint8)[:count].astype(np.uint16) if len(data) >= count else None
    try:
        words = np.atleast_1d(np.asarray(data, dtype=np.int64))
    except (TypeError, ValueError):
        return None
    if len(words) < count and len(words) * 2 >= count:
        # Entries of 8 bits, two to a word, the first in the lower half (PS3.3 C.11.1.1.1).
        return words.astype("<u2").view(np.uint8)[:count].astype(np.uint16)
    return (words[:count] & 0xFFFF).astype(np.uint16) if len(words) >= count else None


def _padding(dataset: Dataset, signed: bool, bits_allocated: int) -> tuple[int, int] | None:
    """Pixel Padding Value and Range Limit as stored values, lower first."""
    first = integer(dataset, "PixelPaddingValue")
    if first is None:
        return None
    last = integer(dataset, "PixelPaddingRangeLimit")
    ends = [_as_stored(end, signed, bits_allocated) for end in (first, first if last is None else last)]
    return min(ends), max(ends)


def _as_stored(number_: int, signed: bool, bits: int) -> int:
    """The value with the sign that the pixels have; the VR may have been read as the other one."""
    pattern = number_ % (1 << max(bits, 8))
    return pattern - (1 << bits) if signed and pattern >= 1 << (bits - 1) else pattern


def check_grey(transform: Transform) -> None:
    """Raise CorruptImage where a grey transform is needed and `transform` is of colour."""
    if transform.colour:
        raise CorruptImage("colour has no grey levels to window")
