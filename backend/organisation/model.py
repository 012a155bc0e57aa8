"""An institution and its upload credentials, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """Whether an institution takes part."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    """Its senders are refused; its exams stay."""


@dataclass(frozen=True, slots=True)
class Institution:
    """One hospital."""

    code: str
    """Letters, digits and hyphens, at most 32; part of the keys of all its exams, never changed."""
    name: str
    city: str = ""
    ae_titles: frozenset[str] = frozenset()
    """Calling AE titles of its devices (PS3.5 6.2, AE); each belongs to one institution."""
    state: State = State.ACTIVE


@dataclass(frozen=True, slots=True)
class Credential:
    """An upload credential; the secret itself is known to its holder alone."""

    id: str
    """SHA-256 of the secret, hexadecimal."""
    institution: str
    created: datetime
    revoked: datetime | None = None
