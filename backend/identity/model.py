"""A hospital's record of a person, sessions and accounts, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from backend.access.model import Grade, Kind, Principal, Role, SharedExam


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """What one hospital recorded of a person."""

    institution: str
    patient_id: str
    names: tuple[str, ...]
    """The name in each of its writings, as the hospital wrote them; the first is shown."""
    id_number: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser, device or link."""

    id: str
    kind: Kind
    subject: str
    institution: str
    roles: frozenset[Role]
    persons: frozenset[str]
    exam: str
    grade: Grade
    maker: str
    """Subject who made the link of a link session; id of the share that a guest came by."""
    device: str
    created: datetime
    seen: datetime
    expires: datetime
    revoked: bool = False
    shared: tuple[SharedExam, ...] = ()
    watermark: str = ""

    def opens(self, place: str) -> bool:
        """Whether this public id (of an exam or a share) is what a link's or guest's session was begun for."""
        if self.kind is Kind.GUEST:
            return place == self.maker or any(place == shared.exam for shared in self.shared)
        return bool(self.exam) and place == self.exam

    @property
    def principal(self) -> Principal:
        """Who acts in this session."""
        return Principal(
            self.kind,
            self.subject,
            self.id,
            self.institution,
            self.roles,
            self.persons,
            self.exam,
            self.grade,
            self.maker if self.kind is Kind.GUEST else "",
            self.shared,
            self.watermark,
        )


@dataclass(frozen=True, slots=True)
class Started:
    """A session that has just begun, with the secret that its holder presents. The secret is kept nowhere else."""

    secret: str
    """Value of the cookie, or the bearer token."""
    session: Session


@dataclass(frozen=True, slots=True)
class Account:
    """A member of staff."""

    name: str
    """What is typed at sign-in, lower case."""
    institution: str
    """Empty for the province."""
    roles: frozenset[Role]
    password_hash: str = ""
    """argon2id; empty: no sign-in by password."""
    disabled: bool = False


class Purpose(StrEnum):
    """What a text message code is for; a code works for nothing else."""

    SIGN_IN = "sign-in"
    SHARE = "share"


@dataclass(frozen=True, slots=True)
class Window:
    """At most `count` in any `seconds`."""

    count: int
    seconds: int


@dataclass(frozen=True, slots=True)
class GateLimits:
    """How often the gate may be tried. The first three windows are what carriers allow a number anyway."""

    code_per_phone: tuple[Window, ...] = (Window(1, 60), Window(5, 3600), Window(10, 86400))
    code_per_address: tuple[Window, ...] = (Window(30, 600), Window(200, 86400))
    """Many phones share one address of a mobile carrier: these bound cost, the windows per phone bound guessing."""
    code_in_all: tuple[Window, ...] = (Window(300, 60), Window(50_000, 86400))
    code_tries: int = 5
    proof_tries: Window = Window(5, 1800)
    """Wrong names or digits for one phone."""
    sign_in_tries: Window = Window(10, 900)
    """Wrong passwords for one account from one address."""
    least_seconds: float = 0.15
    """A refusal takes at least this long, so that its cause cannot be read from the time."""
