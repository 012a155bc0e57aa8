"""What one image may cost before it is refused."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds that are checked on declared numbers before any memory is taken for pixels.

    A codec call cannot be interrupted, so time is bounded through what decides it: the pixels of a
    frame, the bytes of its codestream, and the number of its tiles.
    """

    max_rows: int = 65535
    """Largest Rows; the attribute is an unsigned short (PS3.3 C.7.6.3.1)."""

    max_columns: int = 65535
    """Largest Columns."""

    max_pixels: int = 200_000_000
    """Largest Rows * Columns of one frame, in pixels."""

    max_frames: int = 100_000
    """Largest Number of Frames."""

    max_frame_bytes: int = 1 << 30
    """Largest decoded frame, in bytes."""

    max_codestream_bytes: int = 1 << 29
    """Largest compressed frame, in bytes."""

    max_inflated_bytes: int = 1 << 29
    """Largest data set that a deflated transfer syntax may unfold to, in bytes."""

    max_fragments: int = 1_000_000
    """Largest number of fragments of all frames."""

    max_tiles: int = 65535
    """Largest number of tiles of one JPEG 2000 codestream (ISO/IEC 15444-1 A.4.2)."""
