"""Pictures, viewing tickets and single-use links, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from backend.access.model import Grade

Size = tuple[int, int]
"""Width and height in pixels."""
WindowValues = tuple[float, float]
"""Centre and width, in units of the modality transform's output."""


class Format(StrEnum):
    """Formats of pictures."""

    JPEG = "jpeg"
    PNG = "png"

    @property
    def media_type(self) -> str:
        """The name that HTTP knows it by."""
        return f"image/{self.value}"


@dataclass(frozen=True, slots=True)
class Picture:
    """Encoded 8-bit pixels of a frame, or of a part of one."""

    data: bytes
    format: Format
    size: Size
    window: WindowValues | None
    """The window that was applied; None for colour."""
    lossless: bool
    """The pixels equal the reference windowing of the full-depth values at this size."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a verified viewing ticket says."""

    subject: str
    """Whom it was given to."""
    session: str
    """It works as long as this session lives."""
    exam: str
    """Public id."""
    grade: Grade
    id: str


@dataclass(frozen=True, slots=True)
class Link:
    """A single-use link to the viewer, as kept: only its holder knows the secret."""

    digest: str
    """SHA-256 of the secret, hexadecimal."""
    exam: str
    """Public id."""
    institution: str
    """The exam's."""
    maker: str
    """Subject of whoever made it."""
    maker_session: str
    """The link works only while this session lives."""
    maker_institution: str
    grade: Grade
    """The maker's."""
    made: datetime
    expires: datetime
