"""A phone: headless Chromium, 390x844 at 2x, touch, CPU slowed four times, nothing cached."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

_SLOWER = 4


@dataclass
class Visit:
    """One page opened in a profile of its own."""

    page: Page
    messages: list[tuple[float, bytes]] = field(default_factory=list)
    """Binary socket messages with the seconds since navigation at which they came; only when watched."""
    loaded: list[tuple[float, str, int]] = field(default_factory=list)
    """What was loaded over HTTP: seconds since navigation, address, bytes on the wire."""

    def mark(self, name: str, seconds: float = 60.0) -> float:
        """When the page set the mark, in seconds since navigation; waits for it. Raises RuntimeError with the page's state."""
        try:
            self.page.wait_for_function(
                "name => performance.getEntriesByName(name).length", arg=name, timeout=seconds * 1000, polling=20
            )
        except Exception as error:
            state = self.page.evaluate("() => window.yunying ? JSON.stringify(window.yunying.state()) : document.title")
            raise RuntimeError(f"no {name} within {seconds} s; the page says {state}") from error
        return float(self.page.evaluate("name => performance.getEntriesByName(name)[0].startTime", name)) / 1000

    def marks(self) -> dict[str, float]:
        """Every mark with its first time, seconds."""
        entries = self.page.evaluate("() => performance.getEntriesByType('mark').map(e => [e.name, e.startTime])")
        return {name: at / 1000 for name, at in reversed(entries)}


class Phone:
    """Opens pages as a phone would."""

    def __init__(self, browser: Browser, cookie: tuple[str, str] | None = None) -> None:
        self._browser, self._cookie = browser, cookie

    @contextmanager
    def visit(self, port: int, path: str, *, watch: bool = False) -> Iterator[Visit]:
        """Navigates to `path` in a fresh profile; with `watch` what comes over the network is kept."""
        context = self._browser.new_context(
            viewport={"width": 390, "height": 844}, device_scale_factor=2, has_touch=True, is_mobile=True
        )
        try:
            if self._cookie:
                name, value = self._cookie
                context.add_cookies([{"name": name, "value": value, "url": f"http://127.0.0.1:{port}"}])
            page = context.new_page()
            session = context.new_cdp_session(page)
            session.send("Emulation.setCPUThrottlingRate", {"rate": _SLOWER})
            visit = Visit(page)
            if watch:
                _watch(session, visit)
            page.goto(f"http://127.0.0.1:{port}{path}", wait_until="commit", timeout=90_000)
            yield visit
        finally:
            context.close()


def _watch(session: CDPSession, visit: Visit) -> None:
    """Keeps what the browser's network log tells; its clock starts with the first request, which is the navigation."""
    began: list[float] = []
    addresses: dict[str, str] = {}

    def requested(event: dict[str, Any]) -> None:
        began.append(event["timestamp"])
        addresses[event["requestId"]] = event["request"]["url"]

    def finished(event: dict[str, Any]) -> None:
        address = addresses.get(event["requestId"], "")
        visit.loaded.append((event["timestamp"] - began[0], address, int(event["encodedDataLength"])))

    def message(event: dict[str, Any]) -> None:
        if event["response"]["opcode"] == 2:
            data = base64.b64decode(event["response"]["payloadData"])
            visit.messages.append((event["timestamp"] - began[0], data))

    session.on("Network.requestWillBeSent", requested)
    session.on("Network.loadingFinished", finished)
    session.on("Network.webSocketFrameReceived", message)
    session.send("Network.enable")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            browser.close()
