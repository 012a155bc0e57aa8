"""Bad links, ended sessions, broken files: said in Chinese, nothing wrong on the screen, nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.browser.viewer_house import ViewingThread
from tests.browser.viewer_page import Viewer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture(autouse=True)
def sound_relay(viewing: ViewingThread) -> Iterator[None]:
    yield
    viewing.stall(False)
    viewing.relay.sockets_allowed = viewing.relay.reachable = True


def quiet(viewing: ViewingThread, viewer: Viewer) -> int:
    """Waits until nothing more comes; the bytes sent so far."""
    sent = -1
    while sent != viewing.relay.sent:
        sent = viewing.relay.sent
        viewer.page.wait_for_timeout(700)
    return sent


def test_a_cut_link_is_taken_up_again_without_sending_twice(viewing: ViewingThread, phone: Viewer) -> None:
    streams, start = viewing.relay.streams, viewing.relay.sent
    before = quiet(viewing, phone)
    viewing.cut()
    while viewing.relay.streams == streams:
        phone.page.wait_for_timeout(50)
    again = quiet(viewing, phone) - before
    assert again < 0.05 * (before - start) + 20_000
    phone.goto(phone.state()["frame"] + 1).until(lambda state: state["level"] in ("screen", "final"), 5).rest()
    phone.until_banner("")


def test_a_long_cut_is_said_and_pictures_stay_usable(viewing: ViewingThread, phone: Viewer) -> None:
    phone.page.wait_for_timeout(800)
    viewing.relay.reachable = False
    viewing.cut()
    phone.until_banner("正在重连")
    frame = phone.state()["frame"]
    phone.goto(frame + 3).until(lambda state: state["level"] in ("preview", "screen", "final"), 2)
    phone.until_banner("网络不可用")
    viewing.relay.reachable = True
    phone.page.click(".banner .act")
    phone.rest().until_banner("")


def test_without_sockets_the_same_pixels_come_by_http(viewing: ViewingThread, phone: Viewer) -> None:
    phone.goto(4).rest()
    exact = phone.grey()
    viewing.relay.sockets_allowed = False
    other = Viewer(phone.context.browser, 390, 844)
    other.page.goto(viewing.link())
    other.until(lambda state: state["frame"] >= 0)
    other.goto(4).rest()
    other.until_banner("普通方式")
    assert np.array_equal(other.grey(), exact)
    other.context.close()


def test_an_ended_session_leads_to_the_gate(viewing: ViewingThread, phone: Viewer) -> None:
    session = phone.context.cookies()
    assert session, "the link's session is a cookie"
    viewing.end_sessions()
    phone.until_banner("查看权限已结束")
    assert phone.page.locator(".banner a").get_attribute("href").startswith("/?to=/viewer/")  # type: ignore[union-attr]


def test_a_broken_frame_is_said_of_its_frame_only(phone: Viewer) -> None:
    phone.page.click('.series[aria-label*="102"]')
    phone.until(lambda state: state["series"] == 3)
    broken, sound = (0, 1) if phone.goto(0) and phone.page.locator(".message p").count() else (1, 0)
    phone.goto(sound).rest()
    assert phone.page.locator(".message p").count() == 0
    phone.goto(broken)
    phone.page.locator(".message p").wait_for(timeout=5000)
    assert phone.page.inner_text(".message p").startswith("此帧无法显示：")
    assert phone.page.locator(".message button").inner_text() == "重试"
    assert phone.state()["level"] == "none" and not phone.pixels().any()
    phone.goto(sound).rest()
    assert phone.page.locator(".message p").count() == 0


def test_nothing_is_left_on_the_terminal(viewing: ViewingThread, phone: Viewer) -> None:
    stored = phone.page.evaluate("""async () => [
      localStorage.length, sessionStorage.length, (await caches.keys()).length, (await indexedDB.databases()).length,
      (await navigator.serviceWorker?.getRegistrations() ?? []).length]""")
    assert stored == [0, 0, 0, 0, 0]
    cleared = phone.page.evaluate("""() => {
      const canvas = document.querySelector("canvas");
      dispatchEvent(new PageTransitionEvent("pagehide"));
      return [canvas.width, [...canvas.getContext("2d").getImageData(0, 0, 1, 1).data]];
    }""")
    assert cleared == [1, [0, 0, 0, 0]]


def test_memory_stays_bounded_over_a_long_scroll(phone: Viewer) -> None:
    scroll = """() => new Promise(done => {
      let n = 0;
      const step = () => {
        yunying.goto((n * 7) % yunying.count());
        if (n % 40 === 0) yunying.setWindow(40, 300 + n);
        if (++n < 200) setTimeout(step, 12); else done();
      };
      step();
    })"""

    def held() -> float:
        """Bytes of objects and buffers that are still referred to."""
        phone.page.evaluate(scroll)
        phone.cdp.send("HeapProfiler.collectGarbage")
        usage = phone.cdp.send("Runtime.getHeapUsage")
        return usage["usedSize"] + usage.get("backingStorageSize", 0)

    amounts = [held() for _ in range(4)]
    assert max(amounts) < 30e6 and amounts[-1] - amounts[0] < 10e6, amounts


def test_a_reload_shows_the_exam_again_without_the_link(phone: Viewer) -> None:
    assert "/viewer/" in phone.page.url
    phone.page.reload()
    phone.until(lambda state: state["level"] == "final")


def test_in_the_background_nothing_is_fetched(viewing: ViewingThread, phone: Viewer) -> None:
    quiet(viewing, phone)
    phone.tool("播放")
    hidden = """value => {
      Object.defineProperty(document, "visibilityState", { value, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    phone.page.evaluate(hidden, "hidden")
    before, frame = viewing.relay.sent, phone.state()["frame"]
    phone.goto(frame + 2)
    phone.page.wait_for_timeout(500)
    assert phone.state()["frame"] == frame + 2 and viewing.relay.sent - before < 2000
    assert phone.page.locator('.bar button[title="播放"]').get_attribute("aria-pressed") == "false"
    phone.page.evaluate(hidden, "visible")
    phone.rest().until_banner("")
