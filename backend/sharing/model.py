"""Shares and their openings, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from backend.access.model import SharedExam


class State(StrEnum):
    """What may be done with a share."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"
    """The patient took it back."""
    USED_UP = "used-up"
    """It was opened as often as it may be: whoever is inside stays until the session ends, nobody else comes in."""
    LOCKED = "locked"
    """Too many wrong tries: dead, for whoever is inside as well."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share as kept. `version` rises with each change, so that of two changes made at once one is made again."""

    id: str
    link: str
    """SHA-256 of the code in the link, hexadecimal."""
    maker: str
    """Subject of the patient."""
    maker_phone: str
    """Who is told of openings; empty if no hospital recorded the number."""
    exams: tuple[SharedExam, ...]
    passcode: str
    """Keyed hash; empty: none is asked for."""
    only_phone: str
    """Blind index of the one number that may open it; empty: any."""
    only_phone_shown: str
    """The same number, masked."""
    limit: int
    """How often it may be opened."""
    created: datetime
    expires: datetime
    opened: int = 0
    wrong: int = 0
    """Wrong tries since it was made, or since the passcode was made anew."""
    revoked: bool = False
    version: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a patient wants to share."""

    exams: Mapping[str, frozenset[str]]
    """Public id of each exam -> Series Instance UIDs; empty: the whole exam."""
    report: bool
    minutes: int
    passcode: bool
    limit: int
    only_phone: str
    """Empty: any."""


@dataclass(frozen=True, slots=True)
class Made:
    """A share with what is shown of it once."""

    share: Share
    passcode: str
    """Six digits, kept nowhere; empty if none is asked for."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Somebody opened a share: what its maker may know of it."""

    share: str
    number: int
    """Counts from 1."""
    time: datetime
    phone: str
    """Masked."""
    address: str
    """Roughly where from: a part of the network address."""
    device: str
    """Kind of device, in Chinese."""
    told: bool = False
    """Whether the text message to the maker was taken for delivery."""


@dataclass(frozen=True, slots=True)
class SharedView:
    """One exam of a share, for its maker or its guest. The name is the guest's view of it: masked."""

    shared: SharedExam
    title: str
    modalities: tuple[str, ...]
    body_part: str
    date: str
    """ISO 8601; empty if the hospital recorded none."""
    institution: str
    patient: str
    series_count: int
    instance_count: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A share with what it shows and its state at this moment."""

    share: Share
    state: State
    exams: tuple[SharedView, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """What is told of a link before its gate: nothing about whose exams it shows."""

    share: str
    passcode: bool
    opened: bool
    """Whether this browser is inside already."""
