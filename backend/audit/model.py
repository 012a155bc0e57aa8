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
