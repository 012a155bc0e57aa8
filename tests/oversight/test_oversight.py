"""The trail over real HTTP: administrators find what they may, patients see who opened their exam and nothing of others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.access.model import Action, Decision, Grade, Kind, Principal, Role, Scenario, SharedExam
from backend.identity.model import Account
from backend.platform.database import Database
from tests.identity.house import Browser
from tests.portal.site import WANG_ID, Site, Study

OWN = ("13800000001", "张小明", "002X")
WANG = Study(name="王^五", id_number=WANG_ID, phone="13800000002", patient_id="P002", institution="h2")


class Watched(Site):
    """The site, and people who open exams."""

    async def bearer(self, role: Role, institution: str = "h1", name: str = "") -> dict[str, str]:
        started = await self.sessions.start_staff(Account(name or role.value, institution, frozenset({role})))
        return {"Authorization": f"Bearer {started.secret}"}

    async def opened(self, who: Principal, exam: str, action: Action = Action.EXAM_VIEW, **later: float) -> None:
        """One opening by the policy, and time passes."""
        found = await self.archive.exam_by_public_id(exam)
        await self.guard.require(who, action, found.ref)
        self.clock.advance(**(later or {"seconds": 1}))


@pytest.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[Watched]:
    built = Watched(database, tmp_path)
    await built.begin()
    yield built
    await built.end()


@pytest.fixture
async def patient(site: Watched) -> Browser:
    browser = Browser(site, "203.0.113.7")
    site.exam = await site.receive(Study(series=("一",)))
    await browser.sign_in(*OWN)
    return browser


async def test_the_patient_sees_each_kind_of_viewer(site: Watched, patient: Browser) -> None:
    exam = (await site.archive.exam_by_public_id(site.exam)).ref
    doctor = Principal(Kind.STAFF, "wang", institution="h1", roles=frozenset({Role.RADIOLOGIST}))
    await site.opened(doctor, exam.exam)
    await site.opened(doctor, exam.exam, Action.EXAM_ORIGINAL)
    await site.opened(doctor, exam.exam, Action.REPORT_READ, hours=1)
    await site.opened(Principal(Kind.STAFF, "p", institution="", roles=frozenset({Role.PROVINCE_ADMIN})), exam.exam)
    await site.opened(Principal(Kind.LINK, "l", exam=exam.exam, grade=Grade.BROWSE), exam.exam)
    shared = (SharedExam(exam.exam, exam.person),)
    await site.opened(Principal(Kind.GUEST, "guest:x", share="s", shared=shared), exam.exam)
    await patient.ask("GET", f"/api/v1/exams/{exam.exam}")
    site.clock.advance(seconds=2)
    status, page = await patient.ask("GET", f"/api/v1/exams/{exam.exam}/openings")
    assert status == 200 and page["next"] is None
    assert [(v["kind"], v["viewer"], v["institution"]) for v in page["items"]] == [
        ("self", "本人", ""),
        ("share", "您分享的人", ""),
        ("link", "查看链接", ""),
        ("staff", "省平台管理员", ""),
        ("staff", "医生", "沈阳市第一人民医院"),
    ]
    assert page["items"][-1]["what"] == ["查看影像", "调取原始影像", "查看报告"]
    assert page["items"][0]["address"] == "203.0.*.*" and page["items"][0]["time"].endswith("+08:00")
    told = str(page)
    assert "203.0.113" not in told and "wang" not in told and "guest:" not in told


async def test_looking_who_looked_is_no_opening_and_refusals_are_none(site: Watched, patient: Browser) -> None:
    stranger = await site.bearer(Role.CLINICIAN, "h2")
    assert (await Browser(site).ask("GET", f"/api/v1/exams/{site.exam}", **stranger))[0] == 404
    for _ in range(2):
        _, page = await patient.ask("GET", f"/api/v1/exams/{site.exam}/openings")
        assert page["items"] == []
    entries = await site.audit.of("resource", site.exam, site.clock.now().replace(hour=0))
    assert [e.action for e in entries].count("audit.own") == 2, "but it is recorded"


async def test_openings_of_foreign_and_unknown_exams_look_alike(site: Watched, patient: Browser) -> None:
    foreign = await site.receive(WANG)
    told = set()
    for exam in (foreign, "2" * 26):
        status, problem = await patient.ask("GET", f"/api/v1/exams/{exam}/openings")
        told.add((status, problem["code"], problem["detail"]))
    assert len(told) == 1 and told.pop()[0] == 404
    for role in Role:
        status, _ = await Browser(site).ask("GET", f"/api/v1/exams/{site.exam}/openings", **await site.bearer(role))
        assert status == 403, role
    assert (await Browser(site).ask("GET", f"/api/v1/exams/{site.exam}/openings"))[0] == 401


async def test_visits_are_paged_newest_first_each_once(site: Watched, patient: Browser) -> None:
    for number in range(7):
        who = Principal(Kind.STAFF, f"doctor{number}", institution="h1", roles=frozenset({Role.CLINICIAN}))
        await site.opened(who, site.exam, minutes=1)
    times, after = [], ""
    while True:
        status, page = await patient.ask("GET", f"/api/v1/exams/{site.exam}/openings?limit=3{after}")
        assert status == 200
        times += [visit["time"] for visit in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert len(times) == 7 and times == sorted(times, reverse=True)


async def test_the_same_viewer_after_half_an_hour_is_another_visit(site: Watched, patient: Browser) -> None:
    who = Principal(Kind.STAFF, "d", institution="h1", roles=frozenset({Role.CLINICIAN}))
    for pause in (10, 10, 40, 1):
        await site.opened(who, site.exam, minutes=pause)
    _, page = await patient.ask("GET", f"/api/v1/exams/{site.exam}/openings")
    assert len(page["items"]) == 2


async def found(site: Watched, headers: dict[str, str], query: str = "") -> list[dict]:
    status, page = await Browser(site).ask("GET", f"/api/v1/audit?limit=200{query}", **headers)
    assert status == 200, page
    return page["items"]


async def test_administrators_search_within_their_rights(site: Watched, patient: Browser) -> None:
    other = await site.receive(WANG)
    for institution, exam in (("h1", site.exam), ("h2", other)):
        who = Principal(Kind.STAFF, f"d-{institution}", institution=institution, roles=frozenset({Role.CLINICIAN}))
        await site.opened(who, exam)
    province, hospital = await site.bearer(Role.PROVINCE_ADMIN, ""), await site.bearer(Role.HOSPITAL_ADMIN)
    assert {e["institution"] for e in await found(site, province)} >= {"h1", "h2"}
    assert {e["institution"] for e in await found(site, hospital)} == {"h1"}
    assert {e["resource"] for e in await found(site, province, f"&exam={other}")} == {other}
    assert await found(site, hospital, f"&exam={other}") == [] and await found(site, hospital, "&subject=d-h2") == []
    assert {e["subject"] for e in await found(site, province, "&subject=d-h2")} == {"d-h2"}
    assert {e["institution"] for e in await found(site, province, "&institution=h2")} == {"h2"}
    (entry,) = await found(site, hospital, f"&exam={site.exam}&subject=d-h1&institution=h1")
    assert (entry["action"], entry["scenario"], entry["allowed"]) == ("exam.view", "own-hospital", True)
    assert len(entry["hash"]) == 64
    status, problem = await Browser(site).ask("GET", "/api/v1/audit?institution=h2", **hospital)
    assert (status, problem["code"]) == (403, "forbidden")
    nowhere = await site.bearer(Role.HOSPITAL_ADMIN, "")
    assert (await Browser(site).ask("GET", "/api/v1/audit", **nowhere))[0] == 403


async def test_periods_are_days_of_shanghai(site: Watched) -> None:
    who = Principal(Kind.STAFF, "night", institution="h1")
    decision = Decision(True, Scenario.OWN_HOSPITAL)
    # 23:30 and 00:30 in Shanghai.
    site.clock.advance(hours=7, minutes=30)
    await site.guard.note(who, Action.EXAM_VIEW, "late", decision)
    site.clock.advance(hours=1)
    await site.guard.note(who, Action.EXAM_VIEW, "early", decision)
    site.clock.advance(days=50)
    admin = await site.bearer(Role.PROVINCE_ADMIN, "")
    about = "&subject=night"
    assert [e["resource"] for e in await found(site, admin, about + "&from=2026-11-25&to=2026-11-25")] == ["early"]
    assert [e["resource"] for e in await found(site, admin, about + "&to=2026-11-24")] == ["late"]
    assert [e["resource"] for e in await found(site, admin, about)] == ["early", "late"]
    assert "late" not in {e["resource"] for e in await found(site, admin)}, "a month back, unless asked for more"


async def test_pages_show_each_entry_once(site: Watched) -> None:
    admin, who = await site.bearer(Role.PROVINCE_ADMIN, ""), Principal(Kind.STAFF, "d", institution="h1")
    for number in range(9):
        # Several in one millisecond.
        await site.guard.note(who, Action.EXAM_VIEW, f"r{number}", Decision(True, Scenario.OWN_HOSPITAL))
    seen, after = [], ""
    while True:
        _, page = await Browser(site).ask("GET", f"/api/v1/audit?subject=d&limit=4{after}", **admin)
        seen += [entry["resource"] for entry in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert sorted(seen) == [f"r{n}" for n in range(9)]


@pytest.mark.parametrize(
    "query",
    [
        "exam[$ne]=x",
        "exam=%24ne",
        "subject=a%00",
        "from=2026-02-30",
        "from=2026-11-25&to=2026-11-24",
        "limit=0",
        "limit=201",
        "after=x",
        "exam=a&exam=b",
        "allowed=1",
    ],
)
async def test_bad_searches_are_told(site: Watched, query: str) -> None:
    admin = await site.bearer(Role.PROVINCE_ADMIN, "")
    status, problem = await Browser(site).ask("GET", f"/api/v1/audit?{query}", **admin)
    assert status == 400 and problem["code"] in ("invalid-field", "unknown-field", "invalid-page"), problem
