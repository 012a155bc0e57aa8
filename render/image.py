"""An opened instance: its form, its frames, and what belongs to each frame."""

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from render.colour import eight_bits, expand_palette, palette_table, rgb_of_ybr
from render.decode import BIG_ENDIAN, NATIVE, SUPPORTED_SYNTAXES, encapsulated_frame
from render.errors import CorruptImage, LimitExceeded, NotAnImage, RenderError, UnsupportedSyntax
from render.format import PALETTE, ImageFormat, describe
from render.fragments import Span, frame_spans, join
from render.geometry import Geometry, geometry_of
from render.limits import Limits
from render.native import native_frame
from render.read import PixelElement, read_source
from render.transform import Transform, transform_of

Array = NDArray[Any]


def open_image(source: bytes | memoryview | Dataset, limits: Limits = Limits()) -> "Image":  # noqa: B008
    """Open the image in the bytes of a DICOM file or in a data set; no pixel is decoded yet.

    Raises NotAnImage (no DICOM, no pixels), UnsupportedSyntax, CorruptImage or LimitExceeded;
    never anything else.
    """
    try:
        dataset, element = read_source(source, limits)
        return Image(dataset, element, limits)
    except RenderError:
        raise
    except Exception as error:  # pydicom raises nearly anything on broken elements
        raise CorruptImage(f"the header cannot be read ({type(error).__name__})") from error


class Image:
    """The frames of one instance. Keeps the source bytes alive, and no decoded pixel."""

    def __init__(self, dataset: Dataset, element: PixelElement | None, limits: Limits) -> None:
        self.dataset = dataset
        floating = None if element is None else element.keyword != "PixelData"
        self.format: ImageFormat = describe(dataset, limits, floating)
        if element is None:
            raise NotAnImage("no pixel data")
        self._limits = limits
        self._element = element
        self._spans: list[list[Span]] = []
        if self.format.transfer_syntax_uid not in SUPPORTED_SYNTAXES:
            raise UnsupportedSyntax(f"transfer syntax {self.format.transfer_syntax_uid[:64]}")
        if self.encapsulated:
            self._spans = frame_spans(element.data, self.format.frames, dataset, limits.max_fragments)
        else:
            self._check_native_size()

    @property
    def encapsulated(self) -> bool:
        """True where the frames are compressed."""
        return self.format.transfer_syntax_uid not in NATIVE

    @property
    def frame_count(self) -> int:
        """Number of frames, at least 1."""
        return self.format.frames

    def frame_bytes(self, index: int) -> bytes:
        """The stored bytes of frame `index` (0 is the first): its codestream, or its native samples."""
        self._check_index(index)
        data = self._element.data
        if self.encapsulated:
            spans = self._spans[index]
            if sum(stop - start for start, stop in spans) > self._limits.max_codestream_bytes:
                raise LimitExceeded("codestream too long")
            return join(data, spans)
        bits = self.format.stored_frame_bits
        return bytes(data[index * bits // 8 : -(-(index + 1) * bits // 8)])

    def decode(self, index: int) -> Array:
        """Stored values of frame `index` (0 is the first), in an array of its own.

        Grey: (rows, columns) of `format.dtype`, cut to Bits Stored and sign-extended. Colour:
        (rows, columns, 3) uint8 RGB. Raises CorruptImage, UnsupportedSyntax or LimitExceeded.
        """
        self._check_index(index)
        try:
            return self._decoded(index)
        except RenderError:
            raise
        except MemoryError as error:
            raise LimitExceeded("not enough memory for the frame") from error
        except Exception as error:  # what the checks above it did not foresee is still no picture
            raise CorruptImage(f"the frame cannot be decoded ({type(error).__name__})") from error

    def _decoded(self, index: int) -> Array:
        form = self.format
        if self.encapsulated:
            raw = encapsulated_frame(self.frame_bytes(index), form, self._limits)
            converted = form.samples == 3
        else:
            big = form.transfer_syntax_uid == BIG_ENDIAN
            raw = native_frame(self._element.data, index, form, self._element.vr, big)
            converted = False
        if form.photometric == PALETTE:
            return expand_palette(_within_bits(raw, form), self._palette)
        if form.samples == 3:
            return np.ascontiguousarray(raw if converted else _native_rgb(raw, form))
        return np.ascontiguousarray(raw if form.floating else _signed(_within_bits(raw, form), form))

    def transform(self, index: int = 0) -> Transform:
        """What turns the stored values of frame `index` into grey levels."""
        self._check_index(index)
        return replace(transform_of(self.dataset, index), dtype=self.format.dtype)

    def geometry(self, index: int = 0) -> Geometry:
        """Where frame `index` lies in the patient."""
        self._check_index(index)
        return geometry_of(self.dataset, index)

    @cached_property
    def _palette(self) -> Array:
        return palette_table(self.dataset, self.format.bits_stored)

    def _check_index(self, index: int) -> None:
        if not 0 <= index < self.format.frames:
            raise CorruptImage(f"frame {index} of {self.format.frames}")

    def _check_native_size(self) -> None:
        if self._element.undefined_length:
            raise CorruptImage("native pixel data of undefined length")
        wanted = -(-self.format.stored_frame_bits * self.format.frames // 8)
        if len(self._element.data) < wanted:
            raise CorruptImage(f"{len(self._element.data)} of {wanted} bytes of pixel data")


def _native_rgb(raw: Array, form: ImageFormat) -> Array:
    samples = eight_bits(raw, form.bits_stored)
    return rgb_of_ybr(samples) if form.photometric.startswith("YBR_FULL") else samples


def _within_bits(raw: Array, form: ImageFormat) -> Array:
    """Unsigned values of Bits Stored bits, in the type of Bits Allocated bits (PS3.5 8.1.1).

    Whatever the decoder took for the sign is undone here: the bit pattern counts.
    """
    width = max(form.bits_allocated, 8) // 8
    pattern = raw.view(f"u{raw.dtype.itemsize}")
    if raw.dtype.itemsize != width:
        pattern = raw.astype(f"u{width}")
    if form.low_bit:
        pattern = pattern >> np.uint8(form.low_bit)
    if form.bits_stored == 8 * width:
        return pattern
    mask = pattern.dtype.type((1 << form.bits_stored) - 1)
    masked: Array = np.bitwise_and(pattern, mask, out=pattern if pattern.flags.writeable else None)
    return masked


def _signed(pattern: Array, form: ImageFormat) -> Array:
    """The two's complement values of `pattern` where Pixel Representation is 1."""
    if not form.signed:
        return pattern
    values = pattern.view(f"i{pattern.dtype.itemsize}")
    spare = 8 * pattern.dtype.itemsize - form.bits_stored
    if not spare:
        return values
    np.left_shift(values, spare, out=values)
    np.right_shift(values, spare, out=values)
    return values
