"""A series as a viewer needs it: frames in display order, each with where its values are and how they are shown."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backend.viewing.model import Size
from render import Transform, Window


@dataclass(frozen=True, slots=True)
class FrameRef:
    """One frame of one instance."""

    original: str
    """Object key of the file as received; content-addressed, so that with `frame` it names the values."""
    frame: int
    """Index of the frame within the instance, from 0."""
    rows: int
    columns: int
    stream: str = ""
    """Object key of the stream object; empty while there is none."""
    start: int = 0
    """First byte of the frame in the stream object."""
    ends: tuple[int, ...] = ()
    """Length of the prefix of each resolution, lowest first."""
    overview: tuple[int, int] | None = None
    """First byte and the byte after the last one of the frame's cell in the series' overview object."""
    transform: Transform | None = None
    """None until somebody read the header of the original."""
    problem: str = ""
    """Stable code of why the frame cannot be shown; empty if nothing is known to be wrong."""

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return self.columns, self.rows


@dataclass(frozen=True, slots=True)
class SeriesView:
    """A series ready to be shown."""

    key: str
    entry: Mapping[str, Any]
    """Its entry in the manifest, but for `i`."""
    frames: Sequence[FrameRef]
    """In display order."""
    default_window: Window | None = None
    """For frames that bring none of their own."""
    overview: str = ""
    """Object key of the overview; empty until derived."""
    overview_reduce: int = 0
    """Its cells are 1 / 2**overview_reduce of the frames."""


def with_default(transform: Transform, window: Window | None) -> Transform:
    """The transform with the series' default window where the file brings none: then None means the same to everybody."""
    if transform.colour or transform.windows or transform.voi_luts or window is None:
        return transform
    return replace(transform, windows=(window,))


def order_digest(frames: Sequence[FrameRef]) -> str:
    """Changes whenever a frame number means another picture."""
    whole = hashlib.sha256()
    for ref in frames:
        whole.update(f"{ref.original}#{ref.frame}\n".encode())
    return whole.hexdigest()[:12]
