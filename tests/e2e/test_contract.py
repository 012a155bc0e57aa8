"""What is promised to whoever stands outside: demo.json, health, the API's description, links, DICOMweb, error documents."""

from __future__ import annotations

import re

import pytest
from dicomweb_client.api import DICOMwebClient
from dicomweb_client.session_utils import create_session

from tests.e2e.demo_system import PROBLEM, Demo, read
from tests.e2e.people import Patient

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("e2e")]

SHENYANG, DALIAN = "210100001", "210200001"
ROLES = {"province_admin", "hospital_admin", "radiologist", "reviewer", "clinician", "qc_expert"}
HTML = {"Accept": "text/html,application/xhtml+xml"}


def problem(answer, status: int) -> dict:
    """The error document of an answer: RFC 9457, Chinese, without a trace."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].startswith(PROBLEM)
    document = answer.json()
    assert {"type", "title", "status", "detail", "code", "request_id"} <= document.keys()
    assert document["status"] == status
    assert re.search(r"[\u4e00-\u9fff]", document["title"]) and re.search(r"[\u4e00-\u9fff]", document["detail"])
    assert "Traceback" not in answer.text and ".py" not in answer.text
    return document


def test_demo_json_tells_everything(demo: Demo) -> None:
    info = demo.info
    assert set(info) == {"base_url", "dicom", "outbox", "gateway", "accounts", "patients", "exams"}
    assert set(info["dicom"]) == {"host", "port", "ae_title"} and set(info["gateway"]) == {"institution", "token"}
    assert {one["role"] for one in info["accounts"]} >= ROLES
    hospitals = {one["institution"] for one in info["accounts"]} - {""}
    assert len(hospitals) == 2 == len({one["institution"] for one in info["exams"]})
    for account in info["accounts"]:
        assert set(account) == {"role", "institution", "username", "password", "token"}
        me = demo.get("/api/v1/session", account["token"]).json()
        assert (me["state"], me["roles"], me["institution"]) == ("staff", [account["role"]], account["institution"])
    for patient in info["patients"]:
        assert set(patient) == {"name", "id_number", "phone"}
        assert re.fullmatch(r"\d{17}[\dX]", patient["id_number"]) and re.fullmatch(r"1\d{10}", patient["phone"])
    for exam in info["exams"]:
        assert set(exam) == {"exam", "study_instance_uid", "institution", "patient", "modality", "frames"}
        assert exam["frames"] >= 1 and re.fullmatch(r"[a-z0-9]{20,40}", exam["exam"])
    assert {one["modality"] for one in info["exams"]} >= {"CT", "MR", "CR", "US"}


def test_health_readiness_and_metrics(demo: Demo) -> None:
    assert demo.get("/healthz").json() == {"status": "ok"}
    assert demo.get("/readyz").json() == {"status": "ok", "causes": {}}
    metrics = demo.get("/metrics")
    assert metrics.headers["Content-Type"].startswith("text/plain") and "process_cpu_seconds_total" in metrics.text


def test_description_says_which_operations_are_public(demo: Demo) -> None:
    document = demo.get("/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    seen = set()
    for path, entry in document["paths"].items():
        for method in entry.keys() - {"parameters"}:
            operation = entry[method]
            address = re.sub(r"\{\w+\}", "0", re.sub(r"\{(exam|share)\}", "0" * 26, path))
            answer = demo.ask(method.upper(), address, json={} if method != "get" else None)
            public = operation.get("x-public") is True
            seen.add(public)
            assert (answer.status_code == 401) is not public, (method, path, answer.status_code)
            if answer.status_code >= 400:
                problem(answer, answer.status_code)
    assert seen == {True, False}


def test_staff_sign_in_with_the_printed_password(demo: Demo) -> None:
    account = demo.info["accounts"][2]
    body = {"username": account["username"], "password": account["password"]}
    begun = demo.ask("POST", "/api/v1/session", json=body)
    assert begun.status_code == 201
    assert demo.get("/api/v1/exams", begun.json()["token"]).json()["items"]
    problem(demo.ask("POST", "/api/v1/session", json={**body, "password": "wrong"}), 401)


def test_links_are_single_use_and_tell_nothing(demo: Demo) -> None:
    exam = demo.exam("MR", SHENYANG)
    body = {"study_instance_uid": exam["study_instance_uid"]}
    made = demo.ask("POST", "/api/v1/viewer-links", token=demo.token("clinician", SHENYANG), json=body)
    assert made.status_code == 201 and set(made.json()) == {"url"}
    url = made.json()["url"]
    assert url.startswith(demo.url) and re.fullmatch(r"/v/[\w-]{43}", url.removeprefix(demo.url))
    personal = [exam["exam"], exam["study_instance_uid"], exam["patient"], exam["institution"]]
    assert not [value for value in personal if value in url]
    opened = demo.get(url, headers=HTML)
    assert opened.status_code == 200 and '"first"' in opened.text and exam["study_instance_uid"] not in opened.text
    cookies = opened.cookies.get_dict()
    again = demo.get(url, headers=HTML)
    assert again.status_code in (404, 410) and "链接" in again.text and 'id="manifest"' not in again.text
    picture = f"/api/v1/exams/{exam['exam']}/series/0/frames/0/picture"
    assert demo.ask("GET", picture, cookies=cookies).headers["Content-Type"] == "image/jpeg"
    other = demo.exam("CT", SHENYANG)["exam"]
    problem(demo.ask("GET", f"/api/v1/exams/{other}/manifest", cookies=cookies), 401)
    problem(demo.ask("POST", "/api/v1/viewer-links", cookies=cookies, json=body), 401)


def test_links_need_the_right(demo: Demo, zhang: Patient) -> None:
    own = {"study_instance_uid": demo.exam("CT", SHENYANG)["study_instance_uid"]}
    foreign = {"study_instance_uid": demo.exam("MR", SHENYANG)["study_instance_uid"]}
    path = "/api/v1/viewer-links"
    problem(demo.ask("POST", path, json=own), 401)
    problem(demo.ask("POST", path, token=demo.info["gateway"]["token"], json=own), 403)
    problem(demo.ask("POST", path, token=demo.token("clinician", DALIAN), json=own), 404)
    problem(zhang.post("/viewer-links", **foreign), 404)
    problem(demo.ask("POST", path, token=demo.token("clinician", SHENYANG), json={"study_instance_uid": "1;{}"}), 400)
    assert zhang.post("/viewer-links", **own).status_code == 201


def test_dicomweb_by_a_client_that_others_wrote(demo: Demo) -> None:
    token, exam = demo.token("radiologist", SHENYANG), demo.exam("CT", SHENYANG)
    session = create_session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {token}"
    client = DICOMwebClient(f"{demo.url}/dicom-web", session=session)
    study = exam["study_instance_uid"]
    found = client.search_for_studies(search_filters={"StudyInstanceUID": study})
    assert [one["0020000D"]["Value"] for one in found] == [[study]]
    assert found[0]["00201208"]["Value"] == [exam["frames"]]
    name = found[0]["00100010"]["Value"][0]
    assert name["Ideographic"] == "张^晓东"
    for words in ("张晓东", "zhangxiaodong", "zxd"):
        hits = client.search_for_studies(fuzzymatching=True, search_filters={"PatientName": words})
        assert study in {one["0020000D"]["Value"][0] for one in hits}, words
    paged = [client.search_for_studies(limit=1, offset=at)[0]["0020000D"]["Value"][0] for at in range(3)]
    assert len(set(paged)) == 3
    headers = client.retrieve_study_metadata(study)
    assert len(headers) == exam["frames"] and "7FE00010" in headers[0]
    series = headers[0]["0020000E"]["Value"][0]
    instance = headers[0]["00080018"]["Value"][0]
    dataset = client.retrieve_instance(study, series, instance)
    frames = client.retrieve_instance_frames(study, series, instance, [1])
    assert frames[0] == dataset.PixelData
    rendered = f"/dicom-web/studies/{study}/series/{series}/instances/{instance}/rendered"
    picture = demo.get(rendered + "?window=40,400,linear&viewport=256,256&quality=80", token)
    assert picture.headers["Content-Type"] == "image/jpeg" and picture.content.startswith(b"\xff\xd8")
    assert demo.get(rendered.replace("rendered", "thumbnail"), token).content.startswith(b"\xff\xd8")


def test_originals_leave_for_those_who_may_only(demo: Demo, zhang: Patient) -> None:
    study = demo.exam("CR", DALIAN)["study_instance_uid"]
    (file,) = demo.originals(study, demo.token("radiologist", DALIAN))
    assert read(file).StudyInstanceUID == study
    path = f"/dicom-web/studies/{study}"
    problem(demo.get(path), 401)
    problem(demo.get(path, demo.token("clinician", DALIAN)), 403)
    problem(demo.get(path, demo.token("radiologist", SHENYANG)), 404)
    problem(demo.get(path, demo.info["gateway"]["token"]), 403)
    assert zhang.get(path).status_code in (401, 403, 404)


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1/nowhere", "/dicom-web/nowhere", "/viewer/", "/../etc/passwd"])
def test_unknown_paths_are_said(demo: Demo, path: str) -> None:
    problem(demo.get(path), 404)
    page = demo.get(path, headers=HTML)
    assert page.status_code == 404 and "没有" in page.text and "Traceback" not in page.text


def test_bad_credentials_are_said(demo: Demo) -> None:
    for token in ("x", "a.b.c", demo.token("clinician")[:-4] + "AAAA"):
        problem(demo.get("/api/v1/exams", token), 401)
    for query in ("limit=0", "from=yesterday", "limit=1&limit=2", "institution[$ne]=1", "after=%00"):
        problem(demo.get(f"/api/v1/exams?{query}", demo.token("clinician")), 400)


def test_a_wrong_character_set_is_flagged_and_the_name_shown_all_the_same(demo: Demo) -> None:
    """One exam of the demo comes in GB18030 that its file does not declare."""
    listed = demo.get("/api/v1/exams?limit=50", demo.token("province_admin")).json()["items"]
    doubted = {item["exam"]: item["character_set_doubt"] for item in listed if item["character_set_doubt"]}
    (expected,) = [one["exam"] for one in demo.info["exams"] if one["patient"] == "赵国强"]
    assert list(doubted) == [expected]
    assert "GB18030" in doubted[expected]
    study = next(one["study_instance_uid"] for one in demo.info["exams"] if one["exam"] == expected)
    found = demo.get(f"/dicom-web/studies?StudyInstanceUID={study}", demo.token("province_admin")).json()
    assert found[0]["00100010"]["Value"][0]["Ideographic"] == "赵^国强"
