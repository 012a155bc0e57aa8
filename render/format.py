"""What the pixels of an instance look like, read from the header alone (PS3.3 C.7.6.3)."""

from dataclasses import dataclass

from pydicom.dataset import Dataset

from render.errors import CorruptImage, LimitExceeded, NotAnImage, UnsupportedSyntax
from render.header import integer, present, text
from render.limits import Limits

GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})
COLOUR = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})
PALETTE = "PALETTE COLOR"
RUN_LENGTH = "1.2.840.10008.1.2.5"
_CODESTREAMS = "1.2.840.10008.1.2.4."
WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"


@dataclass(frozen=True)
class ImageFormat:
    """Form of every frame of one instance; names are the DICOM attributes they come from."""

    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str
    rows: int
    columns: int
    frames: int
    samples: int
    """Samples per Pixel as stored: 1 for grey and palette, 3 for colour."""
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str
    planar: bool
    """True where the three colour planes follow each other (Planar Configuration 1)."""
    floating: bool
    """True for Float Pixel Data and Double Float Pixel Data."""

    @property
    def colour(self) -> bool:
        """True where decoding gives RGB: stored colour or a palette."""
        return self.photometric not in GREY

    @property
    def dtype(self) -> str:
        """Numpy name of the type of the decoded values: "uint8" for colour, else as stored."""
        if self.colour:
            return "uint8"
        if self.floating:
            return f"float{self.bits_allocated}"
        return f"{'' if self.signed else 'u'}int{max(self.bits_allocated, 8)}"

    @property
    def low_bit(self) -> int:
        """Lowest bit of the value within its cell; decoders of codestreams give values without cells."""
        codestream = self.transfer_syntax_uid.startswith(_CODESTREAMS)
        return 0 if codestream else self.high_bit + 1 - self.bits_stored

    @property
    def stored_frame_bits(self) -> int:
        """Bits of one uncompressed frame as stored; a frame need not end on a byte where it is 1 bit deep."""
        chroma = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return self.rows * self.columns * chroma * self.bits_allocated

    @property
    def decoded_frame_bytes(self) -> int:
        """Bytes of one frame after decoding."""
        each = 3 if self.colour else max(self.bits_allocated, 8) // 8
        return self.rows * self.columns * each


def describe(
    dataset: Dataset,
    limits: Limits = Limits(),  # noqa: B008  (frozen value)
    floating: bool | None = None,
) -> ImageFormat:
    """Form of the pixels that `dataset` declares; needs no pixel data.

    `floating` tells which pixel data element there is; None has it read from the header, where the
    floating point ones go without Bits Stored (PS3.3 C.7.6.24).
    Raises NotAnImage without Rows and Columns, CorruptImage for contradictions, UnsupportedSyntax
    for a depth or colour model that is not read here, LimitExceeded beyond `limits`.
    """
    rows, columns = integer(dataset, "Rows"), integer(dataset, "Columns")
    if not rows or not columns:
        if present(dataset, "Rows") or present(dataset, "Columns"):
            raise CorruptImage("Rows or Columns cannot be read or are 0")
        raise NotAnImage("no Rows and Columns")
    samples = integer(dataset, "SamplesPerPixel") or 1
    allocated = integer(dataset, "BitsAllocated")
    if allocated is None:
        raise CorruptImage("no Bits Allocated")
    stored = integer(dataset, "BitsStored") or allocated
    high = integer(dataset, "HighBit")
    described = ImageFormat(
        sop_class_uid=text(dataset, "SOPClassUID"),
        transfer_syntax_uid=_transfer_syntax(dataset),
        modality=text(dataset, "Modality"),
        rows=rows,
        columns=columns,
        frames=_frames(dataset),
        samples=samples,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=stored - 1 if high is None else high,
        signed=integer(dataset, "PixelRepresentation") == 1,
        photometric=_photometric(dataset, samples),
        planar=integer(dataset, "PlanarConfiguration") == 1,
        floating=_floating(dataset, allocated) if floating is None else floating,
    )
    _check_form(described)
    _check_limits(described, limits)
    return described


def _transfer_syntax(dataset: Dataset) -> str:
    """Transfer Syntax UID, or the native syntax in which a data set without file meta was read."""
    meta = getattr(dataset, "file_meta", None)
    uid = text(meta, "TransferSyntaxUID") if meta is not None else ""
    if uid:
        return uid
    implicit, little = getattr(dataset, "original_encoding", (None, None))
    if little is False:
        return "1.2.840.10008.1.2.2"
    return "1.2.840.10008.1.2.1" if implicit is False else "1.2.840.10008.1.2"


def _floating(dataset: Dataset, allocated: int) -> bool:
    if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
        return True
    return allocated in (32, 64) and "BitsStored" not in dataset and "PixelData" not in dataset


def _frames(dataset: Dataset) -> int:
    frames = integer(dataset, "NumberOfFrames")
    if frames is None and present(dataset, "NumberOfFrames"):
        raise CorruptImage("Number of Frames cannot be read")
    if frames is not None and frames < 0:
        raise CorruptImage(f"Number of Frames is {frames}")
    return frames or 1


def _photometric(dataset: Dataset, samples: int) -> str:
    return text(dataset, "PhotometricInterpretation", "RGB" if samples == 3 else "MONOCHROME2").upper()


def _check_form(form: ImageFormat) -> None:
    if form.photometric not in GREY | COLOUR | {PALETTE}:
        raise UnsupportedSyntax(f"Photometric Interpretation {form.photometric[:16]!r}")
    if form.samples != (3 if form.photometric in COLOUR else 1):
        raise CorruptImage(f"{form.samples} samples per pixel of {form.photometric}")
    depths = (32, 64) if form.floating else (1, 8, 16, 32)
    if form.bits_allocated not in depths or (form.bits_allocated == 1 and form.colour):
        raise UnsupportedSyntax(f"Bits Allocated {form.bits_allocated}")
    if form.floating and form.colour:
        raise CorruptImage("floating point colour")
    if form.bits_allocated == 32 and form.photometric == PALETTE:
        raise UnsupportedSyntax("palette indices of 32 bits")
    if not form.floating and not 1 <= form.bits_stored <= form.high_bit + 1 <= form.bits_allocated:
        raise CorruptImage(
            f"Bits Allocated {form.bits_allocated}, Bits Stored {form.bits_stored}, High Bit {form.high_bit}"
        )


def _check_limits(form: ImageFormat, limits: Limits) -> None:
    pixels = form.rows * form.columns
    if form.rows < 0 or form.columns < 0:
        raise CorruptImage(f"Rows {form.rows}, Columns {form.columns}")
    if form.rows > limits.max_rows or form.columns > limits.max_columns or pixels > limits.max_pixels:
        raise LimitExceeded(f"{form.rows} x {form.columns} pixels")
    if form.frames > limits.max_frames:
        raise LimitExceeded(f"{form.frames} frames")
    if form.decoded_frame_bytes > limits.max_frame_bytes:
        raise LimitExceeded(f"{form.decoded_frame_bytes} bytes in a frame")
