"""What the canvas shows is what the reference says: marks, pixels, tiles, grade."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from playwright.sync_api import Browser

from backend.access.model import Role
from tests.browser.viewer_house import SLICES, ViewingThread, reference
from tests.browser.viewer_page import Viewer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def slice_of(viewing: ViewingThread, viewer: Viewer, frame: int) -> pydicom.Dataset:
    """The data set shown as `frame`: the series is ordered by place, one way or the other."""
    ordered = sorted(viewing.slices, key=lambda one: float(one.ImagePositionPatient[2]))
    viewer.goto(0).rest()
    center, width = viewer.state()["window"]
    shown = viewer.grey()
    if not np.array_equal(shown, reference(ordered[0], center, width)):
        ordered.reverse()
    return ordered[frame]


def test_the_page_brings_the_first_picture_and_sharpens_it(phone: Viewer) -> None:
    marks = phone.marks()
    assert marks["first-image"] <= marks["screen-image"] <= marks["final-image"]
    state = phone.state()
    assert state["exam"] and state["grade"] == "browse" and state["frame"] == SLICES // 2
    assert phone.page.inner_text(".grade") == "浏览级 · 无损"
    assert phone.page.evaluate("yunying.count()") == SLICES


def test_pixels_equal_the_reference_for_any_frame_and_window(viewing: ViewingThread, phone: Viewer) -> None:
    for frame, window in ((3, (40.0, 400.0)), (30, (-600.0, 1500.0))):
        wanted = slice_of(viewing, phone, frame)
        phone.goto(frame)
        phone.page.evaluate(f"yunying.setWindow({window[0]}, {window[1]})")
        phone.rest()
        assert phone.state()["window"] == list(window)
        assert np.array_equal(phone.grey(), reference(wanted, *window))


def test_marks_are_numbered_by_the_changes(phone: Viewer) -> None:
    before = len([name for name in phone.marks() if name.startswith("final-image")])
    phone.goto(5).rest()
    phone.page.evaluate("yunying.setWindow(40, 350)")
    phone.rest()
    marks = phone.marks()
    assert before == 1 and {"first-image:1", "final-image:1", "first-image:2", "final-image:2"} <= marks.keys()
    assert marks["final-image:1"] <= marks["first-image:2"] <= marks["final-image:2"]


def test_a_stale_picture_is_never_painted_after_a_newer_one(viewing: ViewingThread, phone: Viewer) -> None:
    phone.page.evaluate("""() => {
      window.moves = [];
      let n = 0;
      const step = () => {
        const width = 300 + 7 * ((n * 37) % 100);
        yunying.setWindow(40, width);
        window.moves.push(width);
        if (++n < 150) setTimeout(step, 7);
      };
      step();
    }""")
    phone.page.wait_for_timeout(1600)
    phone.rest()
    frame = phone.state()["frame"]
    last = phone.page.evaluate("moves[moves.length - 1]")
    assert phone.state()["window"] == [40, last]
    shown = phone.grey()
    assert np.array_equal(shown, reference(slice_of(viewing, phone, frame), 40, last))


def test_inversion_is_exact(phone: Viewer) -> None:
    before = phone.grey().astype(int)
    phone.tool("反相")
    phone.page.wait_for_timeout(100)
    assert np.array_equal(phone.grey(), 255 - before)
    assert phone.state()["level"] == "final"
    phone.tool("反相")
    phone.page.wait_for_timeout(100)
    assert np.array_equal(phone.grey(), before)


def test_a_large_frame_is_fitted_then_tiled(viewing: ViewingThread, phone: Viewer) -> None:
    phone.page.click('.series[aria-label*="100"]')
    phone.until(lambda state: state["series"] == 1).rest()
    fitted = phone.grey()
    assert fitted.shape[1] in (779, 780, 781) and phone.page.inner_text(".grade") == "浏览级 · 无损"
    phone.double_tap(200, 400)
    phone.until(lambda state: state["level"] != "final", 3)
    phone.rest()
    place = phone.page.locator(".detail").evaluate("d => [d.hidden, parseFloat(d.style.left), parseFloat(d.style.top)]")
    assert place[0] is False
    tiles = phone.grey(".detail")
    left, top = int(place[1]), int(place[2])
    url = f"{phone.page.url.split('/viewer/')[0]}/api/v1/exams/{viewing.exam.exam}/series/1/frames/0/tiles/0/{left // 512}/{top // 512}"
    corner = phone.page.evaluate(
        """async url => {
      const bitmap = await createImageBitmap(await (await fetch(url)).blob(), { colorSpaceConversion: "none" });
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      const context = canvas.getContext("2d");
      context.drawImage(bitmap, 0, 0);
      return Array.from(context.getImageData(0, 0, bitmap.width, 1).data.filter((_, i) => i % 4 === 0));
    }""",
        url + "?format=png",
    )
    assert np.array_equal(tiles[0, : len(corner)], np.array(corner, np.uint8))
    phone.double_tap(200, 400)
    phone.rest()
    assert phone.page.locator(".detail").evaluate("d => d.hidden") is True
    assert np.array_equal(phone.grey(), fitted)


def test_diagnostic_is_said_only_of_lossless_full_size(viewing: ViewingThread, chromium: Browser) -> None:
    viewer = Viewer(chromium, 390, 844).open(viewing.link(Role.RADIOLOGIST)).rest()
    grade = viewer.page.locator(".grade")
    assert viewer.state()["grade"] == "diagnostic" and grade.inner_text() == "诊断级 · 无损"
    viewer.page.click('.series[aria-label*="100"]')
    viewer.until(lambda state: state["series"] == 1).rest()
    assert grade.inner_text() == "浏览级 · 无损", "fitted is not full size"
    viewer.double_tap(200, 400)
    viewer.until(lambda state: state["level"] != "final", 3).rest()
    assert grade.inner_text() == "诊断级 · 无损"
    viewing.stall(True)
    try:
        viewer.page.evaluate("yunying.setWindow(2500, 700)")
        viewer.page.wait_for_timeout(80)
        assert grade.inner_text() == "浏览级 · 预览"
    finally:
        viewing.stall(False)
    viewer.rest()
    viewer.context.close()


def test_colour_cine_plays_and_has_no_window_tools(phone: Viewer) -> None:
    phone.page.click('.series[aria-label*="101"]')
    phone.until(lambda state: state["series"] == 2).rest()
    assert phone.state()["window"] == [128, 256]
    assert phone.page.locator('.bar button[title="调窗"]:visible').count() == 0
    pixels = phone.pixels()
    assert (pixels[..., 0] != pixels[..., 2]).any()
    phone.tool("播放")
    seen = set()
    for _ in range(30):
        seen.add(phone.state()["frame"])
        phone.page.wait_for_timeout(50)
    phone.page.click('.bar button[title="暂停"]')
    assert len(seen) > 8
    phone.rest()


def test_the_picture_waits_for_nothing_that_is_not_in_the_page(viewing: ViewingThread, phone: Viewer) -> None:
    viewing.relay.sockets_allowed = False
    try:
        viewer = Viewer(phone.context.browser, 390, 844)
        viewer.page.goto(viewing.link())
        viewer.until(lambda state: state["level"] == "screen", 3)
        assert "first-image" in viewer.marks()
        requests = viewer.page.evaluate("performance.getEntriesByType('resource').map(r => r.initiatorType)")
        assert set(requests) <= {"img", "other"}
        viewer.context.close()
    finally:
        viewing.relay.sockets_allowed = True
