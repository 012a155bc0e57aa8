"""The viewer in a real Chromium, as fingers and eyes have it."""

from __future__ import annotations

import base64
import time
from typing import Any

import numpy as np
from playwright.sync_api import Browser, CDPSession, Page

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_PIXELS = """canvas => {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  let text = "";
  for (let i = 0; i < data.length; i += 32768) text += String.fromCharCode(...data.subarray(i, i + 32768));
  return [width, height, btoa(text)];
}"""


class Viewer:
    """One page of one phone or desk."""

    def __init__(self, browser: Browser, width: int, height: int, *, phone: bool = True) -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": height},
            device_scale_factor=2 if phone else 1,
            has_touch=phone,
            is_mobile=phone,
            locale="zh-CN",
        )
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda m: self.errors.append(m.text) if "Content Security Policy" in m.text else None)
        self.cdp: CDPSession = self.context.new_cdp_session(self.page)

    def open(self, address: str) -> Viewer:
        self.page.goto(address)
        return self.until(lambda state: state["level"] == "final")

    def state(self) -> dict[str, Any]:
        return self.page.evaluate("window.yunying ? yunying.state() : {level: 'none', frame: -1, pending: true}")

    def until(self, wanted: Any, seconds: float = 15.0) -> Viewer:
        """Waits until `wanted(state)`."""
        end = time.monotonic() + seconds
        while not wanted(self.state()):
            assert time.monotonic() < end, (self.state(), self.banner(), self.errors)
            self.page.wait_for_timeout(20)
        return self

    def rest(self) -> Viewer:
        """Waits until what is on screen is lossless."""
        return self.until(lambda state: state["level"] == "final" and not state["pending"])

    def goto(self, frame: int) -> Viewer:
        self.page.evaluate(f"yunying.goto({frame})")
        return self

    def pixels(self, selector: str = "canvas") -> np.ndarray:
        """RGBA of the first canvas, or of another one: (rows, columns, 4)."""
        width, height, data = self.page.locator(selector).first.evaluate(_PIXELS)
        return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)

    def grey(self, selector: str = "canvas") -> np.ndarray:
        """The canvas's grey values; it must be grey and opaque."""
        pixels = self.pixels(selector)
        assert (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all()
        assert (pixels[..., 3] == 255).all()
        return pixels[..., 0]

    def marks(self) -> dict[str, float]:
        return dict(self.page.evaluate("performance.getEntriesByType('mark').map(m => [m.name, m.startTime])"))

    def banner(self) -> str:
        return self.page.locator(".banner.shown").inner_text() if self.page.locator(".banner.shown").count() else ""

    def until_banner(self, wanted: str, seconds: float = 10.0) -> None:
        """Waits until the banner says `wanted`; empty: until it says nothing."""
        end = time.monotonic() + seconds
        while (wanted not in self.banner()) if wanted else self.banner():
            assert time.monotonic() < end, (wanted, self.banner())
            self.page.wait_for_timeout(30)

    def tool(self, name: str) -> None:
        """Presses a tool, in the bar or behind "more"."""
        button = self.page.locator(f'.bar button[title="{name}"]:visible')
        if button.count() == 0:
            self.page.click('.bar button[title="更多"]')
            button = self.page.locator(f'.tile[title="{name}"]')
        button.click()
        if self.page.locator(".backdrop").count() and name not in ("窗位", "更多", "帮助", "速度"):
            self.page.keyboard.press("Escape")

    def letters(self) -> list[str]:
        self.page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return [self.page.inner_text(f".at-{edge}") for edge in ("left", "right", "top", "bottom")]

    def touch(self, kind: str, *points: tuple[float, float]) -> None:
        fingers = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
        self.cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    def drag(self, start: tuple[float, float], end: tuple[float, float], steps: int = 20) -> None:
        self.touch("touchStart", start)
        for step in range(1, steps + 1):
            share = step / steps
            self.touch("touchMove", (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share))
            self.page.wait_for_timeout(12)
        self.touch("touchEnd")

    def spread(self, factor: float) -> None:
        """Two fingers around the middle of the view part by a factor."""
        box = self.page.locator(".view").bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.touch("touchStart", (x - 30, y), (x + 30, y))
        for step in range(1, 13):
            way = 30 * (1 + (factor - 1) * step / 12)
            self.touch("touchMove", (x - way, y), (x + way, y))
            self.page.wait_for_timeout(12)
        self.touch("touchEnd")

    def double_tap(self, x: float, y: float) -> None:
        for _ in range(2):
            self.touch("touchStart", (x, y))
            self.touch("touchEnd")
            self.page.wait_for_timeout(40)
