"""The table of rights in docs/security.md says what the code does."""

from __future__ import annotations

from pathlib import Path

from backend.access.model import ANONYMOUS, Action, ExamRef, Kind, Principal, Role, SharedExam
from backend.access.rules import actions_of, decide, decide_action, scope_of

PAGE = (Path(__file__).parent.parent / "docs" / "security.md").read_text()
PRINCIPALS = {
    "patient": Principal(Kind.PATIENT, "p", persons=frozenset({"me"})),
    "viewer link": Principal(Kind.LINK, "l", exam="own"),
    "share guest": Principal(Kind.GUEST, "g", shared=(SharedExam("own", "me", report=True),)),
    "gateway": Principal(Kind.GATEWAY, "H1", institution="H1"),
    **{role.value: Principal(Kind.STAFF, role.value, institution="H1", roles=frozenset({role})) for role in Role},
}
OWN = ExamRef("own", "H1", "me")
FOREIGN = ExamRef("foreign", "H2", "somebody")


def _table() -> dict[tuple[str, str], bool]:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")
    ]
    head = next(row for row in rows if row[0] == "action")
    body = [row for row in rows if row[0] in {action.value for action in Action}]
    return {(row[0], who): cell == "✔" for row in body for who, cell in zip(head[1:], row[1:], strict=True)}


def test_the_page_lists_every_action_and_principal() -> None:
    table = _table()
    assert {action for action, _ in table} == {action.value for action in Action}
    assert {who for _, who in table} == set(PRINCIPALS)


def test_every_cell_is_what_the_policy_decides() -> None:
    wrong = [
        (action, who)
        for (action, who), written in _table().items()
        if decide_action(PRINCIPALS[who], Action(action)).allowed is not written
    ]
    assert not wrong


def test_nobody_sees_a_foreign_exam_but_the_province() -> None:
    for who, principal in PRINCIPALS.items():
        for action in Action:
            allowed = decide(principal, action, FOREIGN).allowed
            assert allowed is (who == "province_admin" and action in actions_of(principal)), (who, action)


def test_own_exams_are_open_as_the_table_says() -> None:
    for (action, who), written in _table().items():
        assert decide(PRINCIPALS[who], Action(action), OWN).allowed is written, (who, action)


def test_an_exam_without_a_person_belongs_to_no_patient() -> None:
    nobody = Principal(Kind.PATIENT, "p", persons=frozenset({""}))
    assert not decide(nobody, Action.EXAM_VIEW, ExamRef("x", "H1", "")).allowed


def test_searches_return_what_decisions_allow() -> None:
    for principal in [*PRINCIPALS.values(), ANONYMOUS]:
        scope = scope_of(principal, Action.EXAM_SEARCH)
        for exam in (OWN, FOREIGN):
            inside = scope.everything or exam.institution == scope.institution or exam.person in scope.persons
            inside = inside or exam.exam == scope.exam
            assert inside is decide(principal, Action.EXAM_SEARCH, exam).allowed, (principal.subject, exam.exam)
