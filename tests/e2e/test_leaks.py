"""Nothing about persons before the gate (R2), nothing on the terminal after a session (R5), nothing in the logs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.viewer_page import CHROMIUM, FLAGS
from tests.e2e.demo_system import Demo
from tests.e2e.people import Patient
from tests.e2e.test_contract import DALIAN, HTML, SHENYANG
from tests.images import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("e2e")]


def personal(demo: Demo) -> list[str]:
    """Whatever belongs to a person or names a record."""
    people = [value for one in demo.info["patients"] for value in one.values()]
    records = [one[key] for one in demo.info["exams"] for key in ("exam", "study_instance_uid")]
    secrets = [one["token"] for one in demo.info["accounts"]] + [demo.info["gateway"]["token"]]
    return [*people, *records, *secrets, "SY0001001", "DL88001"]


def public_answers(demo: Demo) -> Iterator[tuple[str, str]]:
    """(what was asked, everything that came back) for a stranger."""
    exam = demo.exam("CT")["exam"]
    asked = [
        ("GET", path) for path in ("/", "/healthz", "/readyz", "/metrics", "/nowhere", "/robots.txt", "/favicon.ico")
    ]
    asked += [("GET", f"/{kind}/{'A' * 43}") for kind in ("v", "m", "s", "q")]
    asked += [("GET", path.format(exam)) for path in ("/viewer/{}", "/exam/{}", "/?to=/viewer/{}")]
    for path, entry in demo.get("/api/v1/openapi.json").json()["paths"].items():
        address = re.sub(r"\{\w+\}", "0", path.replace("{exam}", exam))
        asked += [(method.upper(), address) for method in entry.keys() - {"parameters"}]
    asked += [("GET", f"/dicom-web/{path}") for path in ("studies", "series", "instances", "studies/1.2/metadata")]
    asked += [("GET", f"/static/{path.relative_to(ROOT / 'backend' / 'static')}") for path in built()]
    for method, path in asked:
        for accept in ("*/*", HTML["Accept"]):
            body = {"json": {}} if method in ("POST", "PUT", "PATCH") else {}
            answer = demo.ask(method, path, headers={"Accept": accept}, **body)
            heads = "".join(f"{name}: {value}\n" for name, value in answer.headers.items())
            yield path, heads + answer.content.decode("utf-8", "replace")


def built() -> list[Path]:
    return [path for path in (ROOT / "backend" / "static" / "assets").iterdir() if path.is_file()]


def test_no_byte_about_persons_before_the_gate(demo: Demo) -> None:
    wanted, answers = personal(demo), 0
    for path, text in public_answers(demo):
        answers += 1
        # An address may come back to whoever sent it, in a redirect to the gate.
        assert not [value for value in wanted if value in text and value not in path], path
    assert answers > 60


def test_nothing_about_persons_in_the_logs(demo: Demo) -> None:
    logs = demo.logs()
    banner = demo.said()
    assert "yunying.web" in logs
    found = [value for value in personal(demo) if value in logs.replace(banner, "")]
    assert not found
    assert demo.traces() == []


def test_nothing_stays_on_the_terminal(demo: Demo, zhang: Patient, chromium: Browser, tmp_path: Path) -> None:
    profile, exam = tmp_path / "profile", demo.exam("CT", SHENYANG)["exam"]
    context = chromium.browser_type.launch_persistent_context(
        str(profile), executable_path=CHROMIUM, args=FLAGS, viewport={"width": 390, "height": 844}, locale="zh-CN"
    )
    context.add_cookies([{"name": name, "value": value, "url": demo.url} for name, value in zhang.cookies.items()])
    page = context.new_page()
    page.goto(demo.url)
    page.locator(f"a[href='/exam/{exam}']").click()
    expect(page.get_by_role("region", name="检查报告")).to_contain_text("双肺纹理清晰")
    page.get_by_role("link", name="查看影像").click()
    page.wait_for_function("() => window.yunying?.state().level === 'final'")
    page.evaluate("yunying.goto(20)")
    page.wait_for_function("() => performance.getEntriesByName('final-image:1').length")
    page.goto(f"{demo.url}/exam/{demo.exam('CR', DALIAN)['exam']}")
    expect(page.get_by_role("link", name="查看影像")).to_be_visible()
    context.close()
    words = ["张晓东", zhang.id_number, zhang.phone, "双肺纹理清晰", "胸部CT平扫", "沈阳浑南示范医院", exam.upper()]
    needles = [word.encode(form) for word in words for form in ("utf-8", "utf-16-le")]
    needles += [name.encode() for name in ('"ticket"', 'id="manifest"', 'id="first"')]
    files = [path for path in profile.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 10, "a profile was written"
    for path in files:
        data = path.read_bytes()
        assert not [needle for needle in needles if needle in data], path
        if "Cache" in path.parts or "Cache_Data" in path.parts or "blob_storage" in path.parts:
            assert b"\xff\xd8\xff\xe0" not in data and b"\x89PNG\r\n" not in data, path
