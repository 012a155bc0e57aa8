"""R1 over these packages' routes: every route x every principal over real HTTP, each cell as the policy says."""

from __future__ import annotations

import pytest

from backend.access.model import ANONYMOUS, Action, ExamRef, Grade, Kind, Principal, Role
from backend.access.rules import decide
from backend.identity.model import Account
from backend.web.handler import Handler
from backend.web.router import Operation, Route, Rule, UndeclaredRouteError, build, public, requires
from tests.identity.house import Browser
from tests.matrix import cells, wrong_cells
from tests.portal.site import WANG_ID, Site, Study


async def browsers(site: Site, exam: str) -> dict[str, tuple[Principal, Browser, dict[str, str]]]:
    """A signed-in client of every kind."""
    made = {"anonymous": (ANONYMOUS, Browser(site), {})}
    patient = Browser(site)
    await patient.sign_in("13800000001", "张小明", "002X")
    person = (await site.archive.exam_by_public_id(exam)).person
    made["patient"] = (Principal(Kind.PATIENT, "p", persons=frozenset({person})), patient, {})
    link = Browser(site)
    maker = Principal(Kind.STAFF, "d", institution="h1")
    link.cookies[f"yy_link_{exam}"] = (await site.sessions.start_link(exam, maker, Grade.BROWSE)).secret
    made["link"] = (Principal(Kind.LINK, exam, exam=exam), link, {})
    gateway = {"Authorization": "Bearer secret-of-h1"}
    made["gateway"] = (Principal(Kind.GATEWAY, "g", institution="h1"), Browser(site), gateway)
    for role in Role:
        started = await site.sessions.start_staff(Account(role.value, "h1", frozenset({role})))
        bearer = {"Authorization": f"Bearer {started.secret}"}
        made[role.value] = (started.session.principal, Browser(site), bearer)
    return made


async def test_every_route_and_principal(site: Site) -> None:
    exam = await site.receive(Study())
    made = await browsers(site, exam)
    principals = {who: principal for who, (principal, _, _) in made.items()}
    table = [
        cell
        for cell in cells(site.all_routes(), principals, {"exam": [exam], "name": ["x.js"]})
        # A link's cookie counts on the paths of its exam only; signing out would end the others' turn.
        if (cell.who != "link" or exam in cell.path) and cell.method != "DELETE"
    ]

    async def ask(who: str, method: str, path: str) -> int:
        _, browser, headers = made[who]
        return (await browser.ask(method, path, None if method == "GET" else {}, **headers))[0]

    assert await wrong_cells(table, principals, ask) == []
    assert len(table) > 120


@pytest.mark.parametrize("action", [Action.EXAM_VIEW, Action.REPORT_READ, Action.REPORT_WRITE])
async def test_own_and_foreign_exams(site: Site, action: Action) -> None:
    own = await site.receive(Study())
    other = await site.receive(Study(institution="h2", id_number=WANG_ID, name="王^五", phone="13800000002"))
    made = await browsers(site, own)
    method = "PUT" if action is Action.REPORT_WRITE else "GET"
    report = {"findings": "a", "impression": "b", "doctor": "c", "reported_at": "2026-11-02T11:20:00"}
    for who, (principal, browser, headers) in made.items():
        for exam in (own, other):
            path = f"/api/v1/exams/{exam}" + ("" if action is Action.EXAM_VIEW else "/report")
            status, problem = await browser.ask(method, path, report if method == "PUT" else None, **headers)
            found = (await site.archive.exam_by_public_id(exam)).ref
            allowed = decide(principal, action, ExamRef(exam, found.institution, found.person)).allowed
            seen = status == 200 or (problem or {}).get("code") == "no-report"
            assert seen is allowed, (who, exam == own, status, problem)


class Thing(Handler):
    async def get(self) -> None:
        self.answer({})

    async def post(self) -> None:
        self.answer({})


@pytest.mark.parametrize(
    "rules", [{}, {"GET": public("x")}, {"GET": public("x"), "POST": Rule()}, {"GET": public(""), "POST": public("x")}]
)
def test_undeclared_route_stops_the_start(rules: dict[str, Rule]) -> None:
    with pytest.raises(UndeclaredRouteError):
        build([Route("/thing", Thing, rules)])


def test_undescribed_operation_stops_the_start() -> None:
    rules = {"GET": public("x"), "POST": requires(Action.EXAM_VIEW)}
    with pytest.raises(UndeclaredRouteError):
        build([Route("/api/v1/thing", Thing, rules, operations={"GET": Operation("x")})])
    build([Route("/thing", Thing, rules)])
