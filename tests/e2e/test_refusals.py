"""Whatever goes wrong is said in Chinese, with what to do next; nothing is lost and no trace is shown."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymongo
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.viewer_page import Viewer
from tests.e2e.demo_system import Demo, until
from tests.e2e.hospital import chest, study_of, write
from tests.e2e.people import Patient
from tests.e2e.relay import Network
from tests.e2e.test_contract import HTML, SHENYANG, problem

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("e2e")]

TRACES = re.compile(r"Traceback|Error\b|Exception|\.py\b|undefined|\bnull\b|\{\"")


@pytest.fixture
def phone(chromium: Browser) -> Iterator[Viewer]:
    viewer = Viewer(chromium, 390, 844)
    yield viewer
    viewer.context.close()


@pytest.fixture
def network(demo: Demo) -> Iterator[Network]:
    network = Network(demo.port)
    yield network
    network.stop()


@contextmanager
def stopped_database(demo: Demo) -> Iterator[None]:
    """The database neither answers nor ends."""
    pid = demo.database_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: demo.get("/readyz").status_code == 200, 30, "not ready again")


def long_ago(demo: Demo, collection: str, field: str) -> None:
    """Time passes: everything of `collection` has expired."""
    from backend.platform.embedded_address import running_uri

    with pymongo.MongoClient(running_uri(demo.data / "db")) as client:
        past = datetime.now(UTC) - timedelta(seconds=1)
        client["yunying"][collection].update_many({field: {"$exists": True}}, {"$set": {field: past}})


def said(page: Page) -> str:
    """What the page says, which must be Chinese and no trace."""
    text = page.inner_text("body")
    assert re.search(r"[\u4e00-\u9fff]{4}", text) and not TRACES.search(text), text
    return text


def at_name(page: Page, patient: Patient) -> None:
    """Past the code, before the name."""
    page.goto(patient.demo.url)
    page.get_by_label("手机号码").fill(patient.phone)
    page.get_by_role("button", name="获取验证码").click()
    expect(page.get_by_role("status")).to_contain_text("验证码已发送")


def test_wrong_and_expired_codes_and_wrong_names(demo: Demo, phone: Viewer) -> None:
    page, patient = phone.page, Patient(demo, "刘洋")
    at_name(page, patient)
    code = demo.code(patient.phone)
    page.get_by_label("短信验证码").fill("000000" if code != "000000" else "111111")
    page.get_by_role("button", name="下一步").click()
    expect(page.get_by_role("alert")).to_contain_text("验证码不正确或已过期")
    wrong = page.get_by_role("alert").inner_text()
    long_ago(demo, "codes", "expires")
    page.get_by_label("短信验证码").fill(code)
    page.get_by_role("button", name="下一步").click()
    expect(page.get_by_role("button", name="下一步")).to_be_enabled()
    assert page.get_by_role("alert").inner_text() == wrong, "expired and wrong look alike"
    again = patient.post("/codes", phone=patient.phone)
    assert problem(again, 429)["retry_after"] <= 60 and again.headers["Retry-After"]
    said(page)


def test_wrong_names_look_alike_and_are_bounded(demo: Demo) -> None:
    patient = Patient(demo, "阿依努尔·买买提")
    patient.post("/codes", phone=patient.phone)
    patient.cookies = patient.post("/session", phone=patient.phone, code=demo.code(patient.phone)).cookies.get_dict()
    assert patient.get("/api/v1/exams").json()["items"] == [], "a code alone opens nothing"
    other = demo.patient("张晓东")
    answers = [
        problem(patient.post("/session/identity", name=name, id_last4=last), 401)
        for name, last in (
            ("某某某", patient.id_number[-4:]),
            (patient.name, "0000"),
            (other["name"], other["id_number"][-4:]),
        )
    ]
    assert len({(one["code"], one["detail"]) for one in answers}) == 1
    for _ in range(2):
        patient.post("/session/identity", name="某某某", id_last4="0000")
    problem(patient.post("/session/identity", name=patient.name, id_last4=patient.id_number[-4:]), 429)
    unknown = demo.ask("POST", "/api/v1/codes", json={"phone": "13899999999"})
    assert unknown.status_code == 202, "an unknown number is not told apart"


def test_foreign_exams_and_unknown_ones_look_alike(demo: Demo, zhang: Patient, chromium: Browser) -> None:
    foreign, unknown = demo.exam("MR", SHENYANG)["exam"], "0" * 26
    texts = set()
    for exam in (foreign, unknown):
        for below in ("", "/report", "/manifest", "/series/0/frames/0/picture", "/series/0/thumbnail"):
            document = problem(zhang.get(f"/api/v1/exams/{exam}{below}"), 404)
            texts.add((document["code"], document["detail"]))
    assert len(texts) == 1
    viewer = zhang.viewer(chromium)
    for path in (
        f"/viewer/{foreign}",
        f"/exam/{foreign}",
        f"/viewer/{unknown}",
        "/nowhere",
        "/m/abc",
        "/v/" + "A" * 43,
    ):
        viewer.page.goto(demo.url + path)
        expect(viewer.page.locator("body")).to_contain_text(re.compile("没有找到|无法打开|已失效"))
        assert "欧阳" not in said(viewer.page)
        assert viewer.page.get_by_role("link").or_(viewer.page.get_by_role("button")).count(), "a way on"
    viewer.context.close()


def test_strangers_are_sent_to_the_gate_and_back(demo: Demo, phone: Viewer) -> None:
    exam = demo.exam("CT", SHENYANG)["exam"]
    phone.page.goto(f"{demo.url}/viewer/{exam}")
    expect(phone.page.get_by_label("手机号码")).to_be_visible()
    assert phone.page.url == f"{demo.url}/?to=/viewer/{exam}"
    phone.page.goto(f"{demo.url}/?to=//evil.example/viewer/{exam}")
    expect(phone.page.get_by_label("手机号码")).to_be_visible()


def test_a_used_link_and_an_expired_one(demo: Demo, phone: Viewer) -> None:
    exam = demo.exam("US", "210200001")
    token, body = demo.token("clinician", exam["institution"]), {"study_instance_uid": exam["study_instance_uid"]}

    def made() -> str:
        return demo.ask("POST", "/api/v1/viewer-links", token=token, json=body).json()["url"]

    used = made()
    assert demo.get(used, headers=HTML).status_code == 200
    late = made()
    long_ago(demo, "viewer_links", "expires")
    for url in (used, late):
        phone.page.goto(url)
        assert "已使用或已过期" in said(phone.page)


def test_an_ended_session_in_the_open_viewer(demo: Demo, chromium: Browser) -> None:
    patient = Patient(demo, "赵国强").sign_in()
    viewer = patient.viewer(chromium).open(f"{demo.url}/viewer/{patient.exams()[0]['exam']}")
    assert demo.ask("DELETE", "/api/v1/session", cookies=patient.cookies).status_code == 204
    gate = viewer.page.get_by_role("link", name="重新验证")
    expect(gate).to_be_visible(timeout=3000)
    said(viewer.page)
    gate.click()
    expect(viewer.page.get_by_label("手机号码")).to_be_visible()
    problem(patient.get("/api/v1/exams"), 401)
    viewer.context.close()


def test_a_cut_network_in_the_viewer(demo: Demo, zhang: Patient, chromium: Browser, network: Network) -> None:
    viewer = zhang.viewer(chromium).open(f"{network.url}/viewer/{demo.exam('CT', SHENYANG)['exam']}").rest()
    viewer.page.evaluate("window.kept = 1")
    network.cut()
    viewer.goto(viewer.state()["frame"] + 7)
    viewer.until(lambda state: state["frame"] == 57)
    expect(viewer.page.get_by_role("status").filter(has_text=re.compile("网络|重连")).first).to_be_visible(timeout=8000)
    assert viewer.state()["level"] in ("preview", "screen", "none", "final")
    said(viewer.page)
    network.mend()
    viewer.until(lambda state: state["level"] == "final" and not state["pending"], 15)
    assert viewer.state()["frame"] == 57 and viewer.page.evaluate("window.kept") == 1, "without a reload"
    assert viewer.banner() == ""
    viewer.context.close()


def test_a_cut_network_at_the_gate_and_in_the_list(
    demo: Demo, zhang: Patient, chromium: Browser, network: Network
) -> None:
    viewer = zhang.viewer(chromium)
    page = viewer.page
    page.goto(network.url)
    expect(page.locator("a[href^='/exam/']").first).to_be_visible()
    network.cut()
    page.get_by_label("医院").select_option(label="大连滨海示范医院")
    expect(page.get_by_role("alert")).to_be_visible()
    assert "网络" in said(page)
    network.mend()
    page.get_by_role("button", name="重试").click()
    expect(page.locator("a[href^='/exam/']").first).to_be_visible()
    viewer.context.close()


def test_a_dead_database(demo: Demo, zhang: Patient, chromium: Browser, tmp_path: Path) -> None:
    """While browsing and while sending: everybody is told, nobody is told "stored"."""
    folder = write(tmp_path / "late", study_of(zhang, "20251108", chest(2)))
    file = next(folder.iterdir()).read_bytes()
    exam = demo.exam("CT", SHENYANG)["exam"]
    asked: dict[str, Callable[[], Any]] = {
        "list": lambda: zhang.get("/api/v1/exams"),
        "code": lambda: zhang.post("/codes", phone="13899999998"),
        "stow": lambda: demo.stow(demo.info["gateway"]["token"], file),
        "qido": lambda: demo.get("/dicom-web/studies", demo.token("radiologist", SHENYANG)),
        "page": lambda: demo.ask("GET", f"/viewer/{exam}", headers=HTML, cookies=zhang.cookies),
        "ready": lambda: demo.get("/readyz"),
        "store": lambda: demo.storescu(folder, "SYHN_PACS").communicate()[0],
    }
    viewer = zhang.viewer(chromium)
    page = viewer.page
    page.goto(demo.url)
    cards = page.locator("a[href^='/exam/']")
    expect(cards.first).to_be_visible()
    with stopped_database(demo), ThreadPoolExecutor(len(asked)) as pool:
        futures = {name: pool.submit(ask) for name, ask in asked.items()}
        page.get_by_label("医院").select_option(label="大连滨海示范医院")
        expect(page.get_by_role("alert")).to_contain_text("稍后再试", timeout=15_000)
        said(page)
        answers = {name: future.result(30) for name, future in futures.items()}
        assert demo.get("/healthz").status_code == 200
    for name in ("list", "code", "stow", "qido"):
        assert problem(answers[name], 503)["retry_after"] >= 1
    assert answers["page"].status_code == 503 and "暂时不可用" in answers["page"].text
    assert answers["ready"].status_code == 503 and set(answers["ready"].json()["causes"]) == {"database"}
    assert "(Success)" not in answers["store"]
    page.get_by_role("button", name="重试").click()
    expect(cards.first).to_be_visible()
    viewer.context.close()
    assert demo.stow(demo.info["gateway"]["token"], file).status_code == 200
    assert demo.storescu(folder, "SYHN_PACS").communicate()[0].count("(Success)") == 2


def test_a_dead_database_under_the_open_viewer(demo: Demo, zhang: Patient, chromium: Browser) -> None:
    viewer = zhang.viewer(chromium).open(f"{demo.url}/viewer/{demo.exam('CT', SHENYANG)['exam']}").rest()
    with stopped_database(demo):
        viewer.goto(3)
        viewer.until(lambda state: state["frame"] == 3 and state["level"] != "none", 15)
        said(viewer.page)
    viewer.goto(4)
    viewer.until(lambda state: state["frame"] == 4 and state["level"] == "final", 20)
    viewer.context.close()
