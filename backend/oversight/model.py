"""What is shown of the trail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from backend.audit.model import Link


@dataclass(frozen=True, slots=True)
class Search:
    """What an administrator looks for; empty conditions do not restrict."""

    exam: str = ""
    """Public id, or the id of another thing that entries are about."""
    subject: str = ""
    institution: str = ""
    since: date | None = None
    """First day, in Shanghai."""
    until: date | None = None
    """Last day."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of entries, newest first."""

    items: tuple[Link, ...]
    next: str | None


class Viewer(StrEnum):
    """Who somebody is to the person whose images they opened."""

    SELF = "self"
    STAFF = "staff"
    LINK = "link"
    SHARE = "share"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Visit:
    """What one viewer opened of an exam within a short while."""

    time: datetime
    """Of the first opening."""
    viewer: Viewer
    title: str
    """The viewer, in Chinese."""
    institution: str
    """Name of a member of staff's hospital; empty for others."""
    what: tuple[str, ...]
    """What was opened, in Chinese, each once."""
    address: str
    """Roughly where from: a part of the network address."""


@dataclass(frozen=True, slots=True)
class Visits:
    """A page of visits, newest first."""

    items: tuple[Visit, ...]
    next: str | None
