"""A patient with a phone, and one at a desk: gate, list, exam, viewer, by fingers and mouse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.viewer_page import Viewer
from tests.e2e.demo_system import Demo, until
from tests.e2e.people import Patient
from tests.e2e.test_contract import DALIAN, SHENYANG

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("e2e")]

SECRETS = "[document.cookie, localStorage.length, sessionStorage.length].join()"
_BOXES = """() => {
  const shown = e => e.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const named = (selector, name) => [...document.querySelectorAll(selector)].filter(shown).map(e => {
    const r = e.getBoundingClientRect();
    return [name(e), r.left, r.top, r.right, r.bottom];
  });
  const text = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walk.nextNode());) {
    const e = node.parentElement;
    if (!node.data.trim() || !shown(e) || e.closest("script,style,.unseen")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const r = range.getBoundingClientRect();
    const clip = e.getBoundingClientRect();
    text.push([node.data, Math.max(r.left, clip.left), r.top, Math.min(r.right, clip.right), r.bottom]);
  }
  return { controls: named("button, a, input, select, [role=slider]", e => e.title || e.textContent || e.id), text,
           wide: document.documentElement.scrollWidth };
}"""


def overlapping(boxes: list[list]) -> list[tuple]:
    """Pairs of boxes that cover each other by more than half a pixel."""
    return [
        (a, b)
        for n, a in enumerate(boxes)
        for b in boxes[n + 1 :]
        if min(a[3], b[3]) - max(a[1], b[1]) > 0.5 and min(a[4], b[4]) - max(a[2], b[2]) > 0.5
    ]


def nothing_overlaps(page: Page, width: int) -> None:
    boxes = page.evaluate(_BOXES)
    assert boxes["wide"] <= width
    assert not overlapping(boxes["controls"]), overlapping(boxes["controls"])
    assert not overlapping(boxes["text"]), overlapping(boxes["text"])


def enter_by_page(page: Page, patient: Patient) -> None:
    """Through the gate as people do, with the code from the outbox."""
    page.goto(patient.demo.url)
    page.get_by_label("手机号码").fill(patient.phone)
    page.get_by_role("button", name="获取验证码").click()
    expect(page.get_by_role("status")).to_contain_text("验证码已发送")
    page.get_by_label("短信验证码").fill(patient.demo.code(patient.phone))
    page.get_by_role("button", name="下一步").click()
    page.get_by_label("姓名").fill(patient.name)
    page.get_by_label("身份证号码后四位").fill(patient.id_number[-4:])
    page.get_by_role("button", name="查看检查").click()
    expect(page.get_by_role("heading", name="我的检查")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "phone", "size"), [("欧阳雪梅", True, (390, 844)), ("王䶮", False, (1440, 900))], ids=["phone", "desk"]
)
def test_from_the_gate_to_the_picture(
    demo: Demo, chromium: Browser, tmp_path: Path, name: str, phone: bool, size: tuple[int, int]
) -> None:
    viewer = Viewer(chromium, *size, phone=phone)
    page = viewer.page
    enter_by_page(page, Patient(demo, name))
    nothing_overlaps(page, size[0])
    page.screenshot(path=tmp_path / "list.png")
    page.locator("a", has_text="平扫").first.click()
    expect(page.locator("main")).to_contain_text(name)
    nothing_overlaps(page, size[0])
    page.screenshot(path=tmp_path / "exam.png", full_page=True)
    page.get_by_role("link", name="查看影像").click()
    viewer.until(lambda state: state["level"] == "final")
    assert "first-image" in viewer.marks() and page.url.startswith(f"{demo.url}/viewer/")
    nothing_overlaps(page, size[0])
    page.screenshot(path=tmp_path / "viewer.png")
    assert page.evaluate(SECRETS) == ",0,0", "no script can read the session, nothing is stored"
    page.get_by_role("link", name="返回").or_(page.get_by_role("button", name="返回")).click()
    expect(page.get_by_role("link", name="查看影像")).to_be_visible()
    page.get_by_role("button", name="退出").click()
    expect(page.get_by_label("手机号码")).to_be_visible()
    page.go_back()
    expect(page.locator("body")).not_to_contain_text(name)
    assert not viewer.errors
    viewer.context.close()


def test_the_list_is_newest_first_and_filtered(demo: Demo, zhang: Patient, chromium: Browser) -> None:
    viewer = zhang.viewer(chromium)
    page = viewer.page
    page.goto(demo.url)
    cards = page.locator("a[href^='/exam/']")
    expect(cards.filter(has_text="胸部CT平扫")).to_be_visible()
    days = [item["date"] for item in zhang.exams(limit="100")]
    assert days == sorted(days, reverse=True) and cards.count() == len(days)
    page.get_by_label("医院").select_option(label="大连滨海示范医院")
    expect(cards.filter(has_text="胸部CT平扫")).to_have_count(0)
    expect(cards).to_have_count(len(zhang.exams(institution=DALIAN)))
    expect(cards.first).to_contain_text("胸部正位")
    page.get_by_label("医院").select_option(label="全部医院")
    page.get_by_label("检查时间").select_option(label="自选日期")
    page.get_by_label("起始日期").or_(page.locator("input[type=date]").first).first.fill("2026-11-18")
    page.locator("input[type=date]").last.fill("2026-11-18")
    expect(cards).to_have_count(1)
    expect(cards.first).to_contain_text("胸部CT平扫")
    assert [one["date"] for one in zhang.exams(**{"from": "2026-11-18", "to": "2026-11-18"})] == ["2026-11-18"]
    cards.first.click()
    report = page.get_by_role("region", name="检查报告")
    expect(report).to_contain_text("双肺纹理清晰")
    expect(report).to_contain_text("孙医生")
    page.get_by_role("button", name="返回").click()
    expect(cards).to_have_count(1)
    viewer.context.close()


def test_fingers(demo: Demo, zhang: Patient, chromium: Browser) -> None:
    exam = demo.exam("CT", SHENYANG)["exam"]
    viewer = zhang.viewer(chromium).open(f"{demo.url}/viewer/{exam}")
    start = viewer.state()["frame"]
    viewer.drag((195, 300), (195, 420))
    assert viewer.rest().state()["frame"] > start
    assert viewer.page.get_by_text(f"{viewer.state()['frame'] + 1} / 100").first.is_visible()
    stage = viewer.page.locator("canvas").first
    before = stage.bounding_box()
    viewer.spread(2.0)
    wider = "width => document.querySelector('canvas').getBoundingClientRect().width > width"
    viewer.page.wait_for_function(wider, arg=before["width"] * 1.5)
    viewer.tool("复位")
    viewer.tool("调窗")
    window = viewer.state()["window"]
    viewer.drag((195, 500), (195, 400))
    viewer.drag((100, 400), (180, 400))
    changed = viewer.rest().state()["window"]
    assert changed[0] != window[0] and changed[1] > window[1]
    viewer.tool("窗位")
    viewer.page.get_by_role("button", name="纵隔").or_(viewer.page.get_by_text("纵隔")).first.click()
    viewer.until(lambda state: state["window"] != changed).rest()
    shown = viewer.grey()
    viewer.tool("反相")
    until(lambda: np.array_equal(viewer.grey(), 255 - shown.astype(int)), 5, "inverted")
    viewer.tool("反相")
    letters = viewer.letters()
    assert set(letters) == {"R", "L", "A", "P"}
    viewer.tool("旋转")
    assert viewer.letters() != letters
    viewer.tool("左右翻转")
    viewer.tool("复位")
    assert viewer.letters() == letters
    assert viewer.page.get_by_text("cm", exact=False).first.is_visible()
    frame = viewer.state()["frame"]
    viewer.tool("播放")
    viewer.until(lambda state: abs(state["frame"] - frame) > 3)
    viewer.tool("播放") if viewer.page.locator('button[title="播放"]').count() else viewer.tool("暂停")
    viewer.rest()
    assert not viewer.errors
    viewer.context.close()


def test_mouse(demo: Demo, zhang: Patient, chromium: Browser) -> None:
    exam = demo.exam("CT", SHENYANG)["exam"]
    viewer = zhang.viewer(chromium, 1440, 900, phone=False).open(f"{demo.url}/viewer/{exam}")
    page, start = viewer.page, viewer.state()["frame"]
    page.mouse.move(700, 450)
    page.mouse.wheel(0, 100)
    viewer.until(lambda state: state["frame"] > start)
    page.mouse.wheel(0, -100)
    viewer.until(lambda state: state["frame"] == start).rest()
    window = viewer.state()["window"]
    viewer.tool("调窗")
    page.mouse.move(700, 450)
    page.mouse.down()
    page.mouse.move(780, 450, steps=8)
    page.mouse.up()
    viewer.until(lambda state: state["window"][1] > window[1]).rest()
    page.keyboard.press("ArrowDown")
    viewer.until(lambda state: state["frame"] == start + 1).rest()
    viewer.context.close()


@pytest.mark.parametrize(("width", "height"), [(320, 568), (390, 844), (844, 390), (1440, 900)], ids=str)
def test_nothing_overlaps(demo: Demo, zhang: Patient, chromium: Browser, width: int, height: int) -> None:
    viewer = zhang.viewer(chromium, width, height, phone=width < 1000)
    page = viewer.page
    page.goto(demo.url)
    expect(page.locator("a[href^='/exam/']").first).to_be_visible()
    nothing_overlaps(page, width)
    exam = demo.exam("CT", SHENYANG)["exam"]
    page.goto(f"{demo.url}/exam/{exam}")
    expect(page.get_by_role("region", name="检查报告")).to_contain_text("孙医生")
    nothing_overlaps(page, width)
    viewer.open(f"{demo.url}/viewer/{exam}").rest()
    nothing_overlaps(page, width)
    for button in page.locator(".bar button:visible").all():
        box = button.bounding_box()
        assert box["width"] >= 43.5 and box["height"] >= 43.5
        assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] + box["height"] <= height
    viewer.context.close()
