"""An entry of the audit trail and where a request came from."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from."""

    address: str = ""
    agent: str = ""
    request_id: str = ""
    entry: str = ""
    """The door: web, stream, dicomweb, dimse, command."""


origin: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039 - frozen
"""Set once where a request enters; read where it is recorded, so that rules need not hand it on."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One recorded access or decision. Holds no personal data: subjects and resources are ids."""

    time: datetime
    subject: str
    kind: str
    action: str
    resource: str
    institution: str
    scenario: str
    allowed: bool
    reason: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Link:
    """An entry in its place in a chain."""

    chain: str
    sequence: int
    """Counts from 0."""
    previous: str
    digest: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class TrailQuery:
    """Which entries are looked for; empty conditions do not restrict."""

    resource: str = ""
    subject: str = ""
    institution: str = ""
    since: datetime = datetime.min
    until: datetime = datetime.max
    """Not included."""
    actions: frozenset[str] = frozenset()
    allowed: bool | None = None


@dataclass(frozen=True, slots=True)
class Anchor:
    """A chain's head as it was written outside the database."""

    chain: str
    sequence: int
    """Of the latest entry at that time."""
    digest: str
    genuine: bool
    """Whether its keyed hash is right."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a chain is broken."""

    chain: str
    sequence: int
    what: str
    """`changed`: content, place or predecessor are not what was written; `missing`: an entry was removed from between; `cut`: this entry
    and what followed were removed, up to the anchored head at least; `rewritten`: the chain is right in itself but is not the one that was
    anchored; `forged-anchor`: the anchors were changed from here on."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of checking all chains."""

    entries: int
    """How many were found right, in each chain up to its fault if there is one."""
    chains: int
    faults: tuple[Fault, ...] = ()
    """At most one a chain, and one a chain's anchors."""
    unanchored: int = 0
    """Chains without any anchor: written before there were anchors, or their anchors were removed."""

    @property
    def fault(self) -> Fault | None:
        """The first fault."""
        return self.faults[0] if self.faults else None
