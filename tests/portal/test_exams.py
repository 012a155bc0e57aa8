"""Lists, exams and reports over real HTTP, with exams that came in through the real ingest."""

from __future__ import annotations

import pytest

from backend.access.model import Role
from backend.identity.model import Account
from tests.identity.house import Browser
from tests.portal.site import WANG_ID, Site, Study

OWN = ("13800000001", "张小明", "002X")
REPORT = {
    "findings": "两肺纹理清晰。\n右肺上叶见直径约 6 mm 结节。",
    "impression": "右肺上叶小结节，建议 3 个月后复查。",
    "doctor": "李医生",
    "reported_at": "2026-11-02T11:20:00",
}
WANG = Study(name="王^五", id_number=WANG_ID, phone="13800000002", patient_id="P002")


async def staff(site: Site, role: Role, institution: str = "h1") -> dict[str, str]:
    started = await site.sessions.start_staff(Account(role, institution, frozenset({role})))
    return {"Authorization": f"Bearer {started.secret}"}


async def test_patient_sees_own_exams_newest_first_and_no_others(site: Site, browser: Browser) -> None:
    old = await site.receive(Study(date="20240301", institution="h2", patient_id="X7", phone=""))
    new = await site.receive(Study())
    await site.receive(WANG)
    await browser.sign_in(*OWN)
    status, page = await browser.ask("GET", "/api/v1/exams")
    assert status == 200 and [item["exam"] for item in page["items"]] == [new, old] and page["next"] is None
    assert page["items"][0] == {
        "exam": new,
        "institution": {"code": "h1", "name": "沈阳市第一人民医院"},
        "patient": "张小明",
        "date": "2026-11-02",
        "time": "09:30",
        "modalities": ["CT"],
        "description": "胸部平扫",
        "body_part": "CHEST",
        "series_count": 2,
        "instance_count": 2,
        "report": None,
        "character_set_doubt": "",
    }
    _, institutions = await browser.ask("GET", "/api/v1/institutions")
    assert sorted(item["code"] for item in institutions["items"]) == ["h1", "h2"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("institution=h2", ["c"]),
        ("from=2026-01-01", ["a", "b"]),
        ("from=20260601&to=2026-12-31", ["a"]),
        ("to=2024-03-01", ["c"]),
        ("modality=MR", ["b"]),
        ("institution=h1&modality=MR&from=2026-03-01&to=2026-03-01", ["b"]),
        ("institution=nowhere", []),
    ],
)
async def test_filters(site: Site, browser: Browser, query: str, found: list[str]) -> None:
    names = {
        await site.receive(Study()): "a",
        await site.receive(Study(date="20260301", modality="MR")): "b",
        await site.receive(Study(date="20240301", institution="h2")): "c",
    }
    await browser.sign_in(*OWN)
    status, page = await browser.ask("GET", f"/api/v1/exams?{query}")
    assert status == 200 and [names[item["exam"]] for item in page["items"]] == found


async def test_paging_shows_each_exam_once(site: Site, browser: Browser) -> None:
    made = [await site.receive(Study(date=f"2026110{n % 3 + 1}", series=("一",))) for n in range(7)]
    await browser.sign_in(*OWN)
    seen, after = [], ""
    while True:
        _, page = await browser.ask("GET", f"/api/v1/exams?limit=2{after}")
        seen += [item["exam"] for item in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert sorted(seen) == sorted(made)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=x",
        "from=2026-02-30",
        "from=yesterday",
        "modality[$ne]=CT",
        "modality=$where",
        "institution=h1&institution=h2",
        "institution=%00",
        "after=x",
        "after=eyIkZ3QiOiIifQ",
        "persons=x",
        "institution=%ff",
    ],
)
async def test_bad_filters_are_told(site: Site, browser: Browser, query: str) -> None:
    await site.receive(Study(series=("一",)))
    await browser.sign_in(*OWN)
    status, problem = await browser.ask("GET", f"/api/v1/exams?{query}")
    assert status == 400 and problem["code"] in ("invalid-field", "unknown-field", "invalid-page"), problem


async def test_exam_with_series_and_foreign_exam_like_none(site: Site, browser: Browser) -> None:
    own, foreign = await site.receive(Study()), await site.receive(WANG)
    await browser.sign_in(*OWN)
    status, exam = await browser.ask("GET", f"/api/v1/exams/{own}")
    assert status == 200 and [s["description"] for s in exam["series"]] == ["定位像", "肺窗 1mm"]
    told = []
    for exam_id in (foreign, "2" * 26):
        for path in ("", "/report"):
            status, problem = await browser.ask("GET", f"/api/v1/exams/{exam_id}{path}")
            told.append((status, problem["code"], problem["detail"]))
    assert len(set(told)) == 1 and told[0][0] == 404


@pytest.mark.parametrize(
    "path", ["/api/v1/exams", "/api/v1/institutions", "/api/v1/exams/{}", "/api/v1/exams/{}/report"]
)
async def test_nothing_before_the_gate(site: Site, browser: Browser, path: str) -> None:
    exam = await site.receive(Study())
    for state in ("anonymous", "code-verified"):
        if state == "code-verified":
            await browser.sign_in(OWN[0])
        status, body = await browser.ask("GET", path.format(exam))
        assert status == 401 if state == "anonymous" else status in (200, 404)
        text = str(body)
        assert exam not in text and "张" not in text and "沈阳" not in text and OWN[0] not in text


async def test_report_is_written_by_the_hospital_and_read_by_its_patient(site: Site, browser: Browser) -> None:
    exam = await site.receive(Study())
    gateway = {"Authorization": f"Bearer {await site.organisation.issue_gateway_token('h1')}"}
    site.authenticator._gateways = site.organisation
    path = f"/api/v1/exams/{exam}/report"
    assert (await browser.ask("PUT", path, {**REPORT, "state": "preliminary"}, **gateway))[0] == 200
    status, written = await browser.ask("PUT", path, REPORT, **gateway)
    assert (status, written["version"], written["state"]) == (200, 2, "final")
    assert (await browser.ask("PUT", path, REPORT, **gateway))[1]["version"] == 2
    assert (await browser.ask("PUT", path, {**REPORT, "state": "preliminary"}, **gateway))[0] == 409
    assert (await browser.ask("GET", path, **gateway))[0] == 403
    patient = Browser(site)
    await patient.sign_in(*OWN)
    status, report = await patient.ask("GET", path)
    assert status == 200 and report["findings"] == REPORT["findings"] and report["reported_at"].endswith("+08:00")
    assert (await patient.ask("GET", "/api/v1/exams"))[1]["items"][0]["report"] == "final"
    assert (await patient.ask("PUT", path, REPORT))[0] == 403
    rows = await site.database.collection("reports").find({})
    assert len(rows) == 2 and "结节" not in str(rows) and "李医生" not in str(rows)


async def test_report_of_another_hospital_cannot_be_written(site: Site, browser: Browser) -> None:
    exam = await site.receive(Study())
    path = f"/api/v1/exams/{exam}/report"
    assert (await browser.ask("PUT", path, REPORT, **await staff(site, Role.RADIOLOGIST, "h2")))[0] == 404
    assert (await browser.ask("PUT", path, REPORT, **await staff(site, Role.CLINICIAN)))[0] == 403
    assert (await browser.ask("PUT", path, REPORT, **await staff(site, Role.RADIOLOGIST)))[0] == 200
    status, problem = await browser.ask("GET", path, **await staff(site, Role.CLINICIAN, "h2"))
    assert (status, problem["code"]) == (404, "not-found")


@pytest.mark.parametrize(
    "change",
    [
        {"findings": ""},
        {"findings": {"$ne": ""}},
        {"impression": "x" * 20_001},
        {"doctor": "a\nb"},
        {"reported_at": "yesterday"},
        {"reported_at": "0001-01-01T00:00:00+23:59"},
        {"state": "draft"},
        {"version": 9},
        {"findings": "a\x00b"},
    ],
    ids=str,
)
async def test_bad_report_is_refused_and_loses_nothing(site: Site, browser: Browser, change) -> None:
    exam = await site.receive(Study(series=("一",)))
    doctor = await staff(site, Role.RADIOLOGIST)
    path = f"/api/v1/exams/{exam}/report"
    await browser.ask("PUT", path, REPORT, **doctor)
    assert (await browser.ask("PUT", path, {**REPORT, **change}, **doctor))[0] == 400
    assert (await browser.ask("GET", path, **doctor))[1]["version"] == 1


async def test_staff_see_their_hospital_with_masked_names(site: Site, browser: Browser) -> None:
    here = await site.receive(Study())
    there = await site.receive(Study(institution="h2"))
    _, page = await browser.ask("GET", "/api/v1/exams", **await staff(site, Role.CLINICIAN))
    assert [(i["exam"], i["patient"]) for i in page["items"]] == [(here, "张*")]
    assert (await browser.ask("GET", f"/api/v1/exams/{there}", **await staff(site, Role.CLINICIAN)))[0] == 404
    _, page = await browser.ask("GET", "/api/v1/exams", **await staff(site, Role.PROVINCE_ADMIN, ""))
    assert {i["exam"] for i in page["items"]} == {here, there}
    _, names = await browser.ask("GET", "/api/v1/institutions", **await staff(site, Role.CLINICIAN, "h2"))
    assert names["items"] == [{"code": "h2", "name": "大连医科大学附属第二医院"}]


async def test_every_access_is_recorded(site: Site, browser: Browser) -> None:
    own, foreign = await site.receive(Study()), await site.receive(WANG)
    await browser.sign_in(*OWN)
    await browser.ask("GET", f"/api/v1/exams/{own}")
    await browser.ask("GET", f"/api/v1/exams/{foreign}")
    since = site.clock.now().replace(hour=0)
    (entry,) = await site.audit.of("resource", own, since)
    assert (entry.allowed, entry.scenario, entry.action) == (True, "own-exam", "exam.view")
    assert entry.origin.address == "127.0.0.1" and entry.origin.request_id
    (entry,) = await site.audit.of("resource", foreign, since)
    assert not entry.allowed
    assert "张" not in str(await site.database.collection("audit").find({}))
