"""What became of an import."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

STORED, REFUSED, STOPPED = 0, 1, 2
"""Exit statuses: all stored or there already; something refused; wrong usage, credential or connection."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that was not stored."""

    path: Path
    code: str
    """Stable reason."""
    reason: str
    """The reason in Chinese, with what to do."""


@dataclass(slots=True)
class ImportReport:
    """Counts of files, and every one that was not stored."""

    stored: int = 0
    duplicate: int = 0
    """The server had the same bytes already."""
    size: int = 0
    """Bytes of files stored or there already."""
    retries: int = 0
    """Requests that were sent again after a broken connection or a busy server."""
    skipped: list[Path] = field(default_factory=list)
    """Not DICOM files."""
    refused: list[Refusal] = field(default_factory=list)
    stopped: str = ""
    """Why the import ended early, in Chinese; empty if it did not."""

    @property
    def exit_status(self) -> int:
        """`STORED`, `REFUSED` or `STOPPED`."""
        if self.stopped:
            return STOPPED
        return REFUSED if self.refused else STORED
