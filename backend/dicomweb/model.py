"""A search and a rendering, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Level(StrEnum):
    """Levels of the information model (PS3.4 C.6.2)."""

    STUDY = "study"
    SERIES = "series"
    INSTANCE = "instance"


@dataclass(frozen=True, slots=True)
class Attribute:
    """A data element, or one within an item of a sequence."""

    path: tuple[str, ...]
    """Tags as eight upper-case hexadecimal digits, outermost first: the keys of the DICOM JSON model (PS3.18 F.2)."""
    vr: str
    """Value representation of the last one."""
    keyword: str

    @property
    def tag(self) -> str:
        """Tag of the outermost element."""
        return self.path[0]


@dataclass(frozen=True, slots=True)
class Match:
    """A condition on one attribute (PS3.4 C.2.2.2). Exactly one of the three forms is set."""

    attribute: Attribute
    values: tuple[str, ...] = ()
    """Equal to one of these: single value and list of UID matching."""
    low: str | None = None
    high: str | None = None
    """Range matching, both ends included; an open end is None. Dates are YYYYMMDD, times HHMMSS.FFFFFF."""
    pattern: str = ""
    """Wild card matching, or a name."""


@dataclass(frozen=True, slots=True)
class Search:
    """A QIDO-RS request (PS3.18 10.6)."""

    level: Level
    study: str = ""
    """Study Instance UID of the path; empty if all are searched."""
    series: str = ""
    matches: tuple[Match, ...] = ()
    include: tuple[Attribute, ...] = ()
    include_all: bool = False
    fuzzy: bool = False
    limit: int = 100
    offset: int = 0
    warnings: tuple[str, ...] = ()
    """What was asked and is not done."""


class Function(StrEnum):
    """VOI LUT Function (PS3.3 C.11.2.1.3) as spelled in a URL."""

    LINEAR = "linear"
    LINEAR_EXACT = "linear-exact"
    SIGMOID = "sigmoid"


@dataclass(frozen=True, slots=True)
class Window:
    """A window for rendering (PS3.18 8.3.5.1.4)."""

    center: float
    width: float
    function: Function = Function.LINEAR


@dataclass(frozen=True, slots=True)
class Viewport:
    """Where the picture goes (PS3.18 8.3.5.1.3): size of the screen area and the source region shown in it, in pixels."""

    width: int
    height: int
    x: float = 0.0
    y: float = 0.0
    region_width: float | None = None
    """None: up to the edge of the image. Negative: mirrored."""
    region_height: float | None = None


@dataclass(frozen=True, slots=True)
class Rendering:
    """How pictures are asked for (PS3.18 8.3.5)."""

    window: Window | None = None
    viewport: Viewport | None = None
    quality: int = 90
    warnings: tuple[str, ...] = field(default=())
