"""Fingers, mouse, keys and screens: everything can be reached, nothing overlaps."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Browser

from tests.browser.viewer_house import SLICES, ViewingThread
from tests.browser.viewer_page import Viewer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

_BOXES = """() => {
  const names = [".top", ".view", ".strip", ".bar"];
  const box = e => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
  const regions = names.map(n => document.querySelector(n)).filter(e => e && e.offsetParent !== null).map(box);
  const labels = [...document.querySelectorAll(".letter, .note, .grade, .title h1")]
    .filter(e => e.textContent && e.offsetParent !== null).map(box);
  const targets = [...document.querySelectorAll("button")]
    .filter(e => e.offsetParent !== null && !e.closest(".strip")).map(e => [e.title, ...box(e)]);
  return { regions, labels, targets, wide: document.documentElement.scrollWidth };
}"""


def overlap(a: list[float], b: list[float]) -> bool:
    return min(a[2], b[2]) - max(a[0], b[0]) > 0.5 and min(a[3], b[3]) - max(a[1], b[1]) > 0.5


@pytest.mark.parametrize(
    ("width", "height"), [(320, 568), (390, 844), (844, 390), (600, 960), (1024, 700), (1440, 900)], ids=str
)
def test_nothing_overlaps_and_targets_are_large(
    viewing: ViewingThread, chromium: Browser, width: int, height: int
) -> None:
    viewer = Viewer(chromium, width, height, phone=width < 1000).open(viewing.link())
    viewer.page.evaluate("yunying.setWindow(-1000, 2345)")
    viewer.rest()
    for series in ("CT", "100"):
        if series == "100":
            viewer.page.click('.series[aria-label*="100"]')
            viewer.until(lambda state: state["series"] == 1).rest()
        boxes = viewer.page.evaluate(_BOXES)
        assert boxes["wide"] <= width
        for group in (boxes["regions"], boxes["labels"]):
            pairs = [(a, b) for n, a in enumerate(group) for b in group[n + 1 :]]
            assert not [pair for pair in pairs if overlap(*pair)]
        for name, left, top, right, bottom in boxes["targets"]:
            assert right - left >= 43.5 and bottom - top >= 43.5, name
            assert left >= 0 and top >= 0 and right <= width and bottom <= height, name
    assert not viewer.errors
    viewer.context.close()


def test_one_finger_scrolls_two_zoom_and_pan(phone: Viewer) -> None:
    start = phone.state()["frame"]
    phone.drag((200, 300), (200, 360))
    assert phone.state()["frame"] > start
    phone.drag((200, 360), (200, 200))
    assert phone.state()["frame"] < start
    before = phone.page.locator(".stage").evaluate("e => e.style.transform")
    frame = phone.state()["frame"]
    phone.spread(2.0)
    assert phone.state()["frame"] == frame
    assert phone.page.locator(".stage").evaluate("e => e.style.transform") != before
    assert phone.page.inner_text(".corner-tr") == "×2.0"
    phone.double_tap(200, 400)
    phone.page.wait_for_timeout(60)
    assert phone.page.inner_text(".corner-tr") == ""
    phone.double_tap(200, 400)
    phone.page.wait_for_timeout(60)
    assert phone.page.inner_text(".corner-tr").startswith("×")


def test_window_drag_answers_at_once_and_says_that_it_is_approximate(viewing: ViewingThread, phone: Viewer) -> None:
    phone.tool("调窗")
    before = phone.grey()
    viewing.stall(True)
    try:
        phone.touch("touchStart", (200, 400))
        for step in range(1, 10):
            phone.touch("touchMove", (200, 400 - 8 * step))
            phone.page.wait_for_timeout(10)
        phone.page.wait_for_timeout(60)
        assert not np.array_equal(phone.grey(), before)
        assert phone.page.inner_text(".corner-br").startswith("≈")
        assert phone.page.inner_text(".grade") == "浏览级 · 预览"
        assert "first-image:1" not in phone.marks()
    finally:
        viewing.stall(False)
        phone.touch("touchEnd")
    phone.rest()
    assert not phone.page.inner_text(".corner-br").startswith("≈")
    center, width = phone.state()["window"]
    assert center < -500 and width == phone.state()["window"][1]


def test_the_slider_reaches_every_frame(phone: Viewer) -> None:
    box = phone.page.locator(".scrubber").bounding_box()
    assert box is not None
    x = box["x"] + box["width"] / 2
    phone.touch("touchStart", (x, box["y"] + box["height"] / 2))
    phone.touch("touchMove", (x, box["y"] + box["height"] + 30))
    phone.page.wait_for_timeout(50)
    assert phone.page.locator(".bubble").is_visible()
    assert phone.state()["frame"] == SLICES - 1
    phone.touch("touchMove", (x, box["y"] - 30))
    phone.touch("touchEnd")
    phone.page.wait_for_timeout(50)
    assert phone.state()["frame"] == 0
    assert phone.page.locator(".scrubber").get_attribute("aria-valuenow") == "1"


def test_letters_follow_turning_and_mirroring(phone: Viewer) -> None:
    left, right, top, bottom = phone.letters()
    assert {left, right} == {"R", "L"} and {top, bottom} == {"A", "P"}
    before = phone.grey()
    phone.tool("旋转")
    assert phone.letters() == [bottom, top, left, right]
    phone.tool("左右翻转")
    assert phone.letters() == [top, bottom, left, right]
    phone.tool("上下翻转")
    assert phone.letters() == [top, bottom, right, left]
    assert np.array_equal(phone.grey(), before), "turning changes no pixel"
    phone.tool("复位")
    assert phone.letters() == [left, right, top, bottom]


def test_presets_change_window_and_are_marked(phone: Viewer) -> None:
    phone.tool("窗位")
    rows = phone.page.locator(".row")
    name = rows.nth(1).locator(".name").inner_text()
    rows.nth(1).click()
    phone.rest()
    phone.tool("窗位")
    assert phone.page.locator('.row[aria-pressed="true"] .name').inner_text() == name
    phone.page.keyboard.press("Escape")
    assert phone.page.locator(".backdrop").count() == 0


def test_mouse_and_keys(desk: Viewer) -> None:
    page, start = desk.page, desk.state()["frame"]
    page.mouse.move(760, 400)
    page.mouse.wheel(0, 100)
    desk.until(lambda state: state["frame"] == start + 1)
    page.mouse.wheel(0, 120)
    desk.until(lambda state: state["frame"] == start + 2)
    page.keyboard.press("ArrowUp")
    desk.until(lambda state: state["frame"] == start + 1)
    page.keyboard.press("End")
    desk.until(lambda state: state["frame"] == SLICES - 1)
    page.keyboard.press("Home")
    desk.until(lambda state: state["frame"] == 0).rest()
    window = desk.state()["window"]
    page.mouse.down(button="right")
    page.mouse.move(840, 400, steps=5)
    page.mouse.up(button="right")
    desk.until(lambda state: state["window"][1] > window[1]).rest()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    page.wait_for_timeout(60)
    assert page.inner_text(".corner-tr").startswith("×")
    page.keyboard.press("0")
    page.keyboard.press("2")
    desk.rest()
    page.keyboard.press("i")
    page.wait_for_timeout(60)
    assert page.locator('.tool[title="反相"]').get_attribute("aria-pressed") == "true"
    page.keyboard.press("r")
    page.keyboard.press("Space")
    desk.until(lambda state: state["frame"] > 2)
    page.keyboard.press("Space")
    page.keyboard.press("?")
    assert page.locator(".panel").get_attribute("aria-label") == "帮助"
    page.keyboard.press("Escape")
    assert page.locator(".panel").count() == 0


def test_turning_the_phone_fits_anew(phone: Viewer) -> None:
    phone.page.click('.series[aria-label*="100"]')
    phone.until(lambda state: state["series"] == 1).rest()
    upright = phone.grey().shape
    phone.page.set_viewport_size({"width": 844, "height": 390})
    phone.page.wait_for_timeout(150)
    phone.rest()
    assert phone.grey().shape[0] < upright[0]
    assert phone.page.locator(".bar").bounding_box()["x"] > 700  # type: ignore[index]
