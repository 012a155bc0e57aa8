"""The policy. One function decides on one resource, one turns the same rules into the scope of a search."""

from __future__ import annotations

from .model import Action, Decision, ExamRef, Kind, Principal, Role, Scenario, Scope, SharedExam

_READ = frozenset({Action.EXAM_SEARCH, Action.EXAM_VIEW, Action.REPORT_READ, Action.LINK_CREATE, Action.SESSION_MANAGE})

ROLE_ACTIONS: dict[Role, frozenset[Action]] = {
    Role.PROVINCE_ADMIN: _READ | {Action.EXAM_ORIGINAL, Action.IMPORT_REVIEW, Action.AUDIT_READ},
    Role.HOSPITAL_ADMIN: _READ | {Action.EXAM_ORIGINAL, Action.EXAM_UPLOAD, Action.IMPORT_REVIEW, Action.AUDIT_READ},
    Role.RADIOLOGIST: _READ | {Action.EXAM_ORIGINAL, Action.REPORT_WRITE},
    Role.REVIEWER: _READ | {Action.EXAM_ORIGINAL, Action.REPORT_WRITE},
    Role.CLINICIAN: _READ,
    Role.QC_EXPERT: _READ | {Action.EXAM_ORIGINAL},
}
"""What each role may do at all; where, is decided by the scenario."""

PATIENT_ACTIONS = frozenset(
    {
        Action.EXAM_SEARCH,
        Action.EXAM_VIEW,
        Action.REPORT_READ,
        Action.LINK_CREATE,
        Action.SESSION_MANAGE,
        Action.SHARE_CREATE,
        Action.IDENTITY_PROVE,
        Action.AUDIT_OWN,
    }
)
LINK_ACTIONS = frozenset({Action.EXAM_VIEW})
GUEST_ACTIONS = frozenset({Action.SHARE_OPEN, Action.EXAM_VIEW, Action.REPORT_READ})
GATEWAY_ACTIONS = frozenset({Action.EXAM_UPLOAD, Action.REPORT_WRITE})
_DENIED = Decision(False)


def actions_of(principal: Principal) -> frozenset[Action]:
    """Everything that the principal may do somewhere."""
    if principal.kind is Kind.STAFF:
        return frozenset[Action]().union(*(ROLE_ACTIONS[role] for role in principal.roles))
    return {
        Kind.PATIENT: PATIENT_ACTIONS,
        Kind.LINK: LINK_ACTIONS,
        Kind.GUEST: GUEST_ACTIONS,
        Kind.GATEWAY: GATEWAY_ACTIONS,
    }.get(principal.kind, frozenset())


def decide_action(principal: Principal, action: Action) -> Decision:
    """Whether the principal may do this somewhere: what a route declares, before any resource is known."""
    if action not in actions_of(principal):
        return Decision(False, reason="此身份不具备该操作权限")
    return Decision(True, _scenario(principal))


def decide(principal: Principal, action: Action, exam: ExamRef) -> Decision:
    """Whether the principal may do `action` to this exam, and in which scenario."""
    if not decide_action(principal, action).allowed:
        return _DENIED
    if principal.kind is Kind.PATIENT:
        own = bool(exam.person) and exam.person in principal.persons
        return Decision(True, Scenario.OWN_EXAM) if own else _DENIED
    if principal.kind is Kind.LINK:
        return Decision(True, Scenario.VIEWER_LINK) if principal.exam == exam.exam else _DENIED
    if principal.kind is Kind.GUEST:
        shown = any(_shows(shared, action, exam) for shared in principal.shared)
        return Decision(True, Scenario.SHARE_GUEST) if shown else _DENIED
    if principal.kind is Kind.GATEWAY:
        return Decision(True, Scenario.GATEWAY) if principal.institution == exam.institution else _DENIED
    if principal.kind is Kind.STAFF:
        if Role.PROVINCE_ADMIN in principal.roles and action in ROLE_ACTIONS[Role.PROVINCE_ADMIN]:
            return Decision(True, Scenario.PROVINCE)
        if principal.institution and principal.institution == exam.institution:
            return Decision(True, Scenario.OWN_HOSPITAL)
    return _DENIED


def scope_of(principal: Principal, action: Action) -> Scope:
    """The same rules as a filter for searches: what `decide` would allow, and nothing else."""
    if not decide_action(principal, action).allowed:
        return Scope()
    if principal.kind is Kind.PATIENT:
        return Scope(persons=principal.persons)
    if principal.kind is Kind.LINK:
        return Scope(exam=principal.exam)
    if (
        principal.kind is Kind.STAFF
        and Role.PROVINCE_ADMIN in principal.roles
        and action in ROLE_ACTIONS[Role.PROVINCE_ADMIN]
    ):
        return Scope(everything=True)
    return Scope(institution=principal.institution or None)


def _shows(shared: SharedExam, action: Action, exam: ExamRef) -> bool:
    """Whether this part of a share covers the action on the exam, or on one of its series."""
    if shared.exam != exam.exam or not shared.person or shared.person != exam.person:
        return False
    if action is Action.REPORT_READ:
        return shared.report
    return not exam.series or not shared.series or exam.series in shared.series


def _scenario(principal: Principal) -> Scenario:
    if principal.kind is Kind.STAFF:
        return Scenario.PROVINCE if Role.PROVINCE_ADMIN in principal.roles else Scenario.OWN_HOSPITAL
    return {
        Kind.PATIENT: Scenario.SELF,
        Kind.LINK: Scenario.VIEWER_LINK,
        Kind.GUEST: Scenario.SHARE_GUEST,
        Kind.GATEWAY: Scenario.GATEWAY,
    }.get(principal.kind, Scenario.NONE)
