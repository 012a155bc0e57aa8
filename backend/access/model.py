"""Subjects, actions, resources and decisions, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Grade(StrEnum):
    """What quality may leave for this viewer (clause B6)."""

    BROWSE = "browse"
    """8-bit pictures only."""
    DIAGNOSTIC = "diagnostic"
    """Full depth, originals included."""


class Kind(StrEnum):
    """What a principal is."""

    ANONYMOUS = "anonymous"
    PATIENT = "patient"
    STAFF = "staff"
    GATEWAY = "gateway"
    LINK = "link"
    """The holder of a single-use viewer link: one exam, the maker's right and grade, for a short while."""
    GUEST = "guest"
    """Whom a patient's share was opened for: its exams, whole or some series, pictures only, until the share ends."""


class Role(StrEnum):
    """Roles of staff. A role is a set of actions; see `rules.ROLE_ACTIONS`."""

    PROVINCE_ADMIN = "province_admin"
    HOSPITAL_ADMIN = "hospital_admin"
    RADIOLOGIST = "radiologist"
    REVIEWER = "reviewer"
    CLINICIAN = "clinician"
    QC_EXPERT = "qc_expert"


class Action(StrEnum):
    """What can be done. Routes declare one; the policy decides on it with the resource."""

    EXAM_SEARCH = "exam.search"
    EXAM_VIEW = "exam.view"
    """See pictures, rendered to 8 bits."""
    EXAM_ORIGINAL = "exam.original"
    """Receive original or full-depth data (DICOMweb instances, frames, bulk data)."""
    EXAM_UPLOAD = "exam.upload"
    REPORT_READ = "report.read"
    REPORT_WRITE = "report.write"
    LINK_CREATE = "link.create"
    IMPORT_REVIEW = "import.review"
    """See what was kept aside at ingest."""
    SESSION_MANAGE = "session.manage"
    """Look at and end one's own session."""
    SHARE_CREATE = "share.create"
    """Share one's own exams, look at one's shares and end them."""
    SHARE_OPEN = "share.open"
    """Open a share, after its gate."""
    IDENTITY_PROVE = "identity.prove"
    """Add proof of identity to one's own session."""
    AUDIT_READ = "audit.read"
    """Search the audit trail: of the province, or of the own institution."""
    AUDIT_OWN = "audit.own"
    """See who opened one's own exams."""


class Scenario(StrEnum):
    """Why a decision was taken; recorded with every access."""

    OWN_EXAM = "own-exam"
    OWN_HOSPITAL = "own-hospital"
    PROVINCE = "province"
    VIEWER_LINK = "viewer-link"
    SHARE_GUEST = "share-guest"
    GATEWAY = "gateway"
    SELF = "self"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class SharedExam:
    """An exam as a share shows it."""

    exam: str
    """Public id."""
    person: str
    """Blind key of the person whose exam it was when it was shared: an exam that turns out to be another's is shared no more."""
    series: frozenset[str] = frozenset()
    """Series Instance UIDs; empty: all series, later ones included."""
    report: bool = False


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts. Holds no personal data: persons appear by blind keys."""

    kind: Kind
    subject: str
    """Stable id: account name, patient account id, institution code, or exam id of a link."""
    session: str = ""
    institution: str = ""
    roles: frozenset[Role] = frozenset()
    persons: frozenset[str] = frozenset()
    """Blind keys of the persons whose identity was proved in this session."""
    exam: str = ""
    """Public exam id that a link is bound to."""
    grade: Grade = Grade.BROWSE
    share: str = ""
    """Id of the share that a guest came by."""
    shared: tuple[SharedExam, ...] = ()
    """What a guest may see; nothing before the gate is passed."""
    watermark: str = ""
    """What stands across the pictures: the guest's masked phone number and the time of the opening."""


ANONYMOUS = Principal(Kind.ANONYMOUS, "anonymous")


@dataclass(frozen=True, slots=True)
class ExamRef:
    """What the policy must know of an exam."""

    exam: str
    """Public id."""
    institution: str
    person: str
    """Blind key of the person examined; empty if the hospital recorded no identity."""
    study_instance_uid: str = ""
    series: str = ""
    """Series Instance UID when the decision is about one series; empty for the exam."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome, with its scenario."""

    allowed: bool
    scenario: Scenario = Scenario.NONE
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a search may return: the policy as a filter. All None with `everything` False finds nothing."""

    everything: bool = False
    institution: str | None = None
    persons: frozenset[str] = field(default_factory=frozenset)
    exam: str | None = None
