"""A patient shares an exam on a phone; somebody else opens the link, sees the pictures under a watermark, and is shut out again."""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.sharing.house import GUEST, LAST4, NAME, SharingHouse

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
_SHOTS = os.environ.get("YUNYING_SCREENSHOTS", "")


class SharingThread:
    """The house on an event loop of its own; tests call in from outside."""

    def __init__(self, mongo_uri: str, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.house, self._stack = SharingHouse(), AsyncExitStack()
        self.call(self.house.start(self._stack, mongo_uri, folder))

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def stop(self) -> None:
        self.call(self._stack.aclose())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture(scope="module")
def sharing(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharingThread]:
    thread = SharingThread(mongo_uri, tmp_path_factory.mktemp("sharing"))
    yield thread
    thread.stop()


class Person:
    """One browser profile."""

    def __init__(self, sharing: SharingThread, chromium: Browser, width: int, height: int) -> None:
        self.house = sharing.house
        phone = width < 1000
        self.context: BrowserContext = chromium.new_context(
            viewport={"width": width, "height": height},
            device_scale_factor=2 if phone else 1,
            has_touch=phone,
            is_mobile=phone,
            locale="zh-CN",
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda m: self.errors.append(m.text) if "Content Security" in m.text else None)

    def go(self, path: str) -> Person:
        self.page.goto(path if path.startswith("http") else self.house.url + path)
        return self

    def code(self, phone: str) -> None:
        """Asks for a code and types it."""
        self.page.get_by_label("手机号码").fill(phone)
        self.page.get_by_role("button", name="获取验证码").click()
        expect(self.page.get_by_role("button", name=re.compile("秒后重发"))).to_be_disabled()
        self.page.get_by_label("短信验证码").fill(self.house.last_code())

    def enter(self) -> Person:
        self.code("13800000001")
        self.page.get_by_role("button", name="下一步").click()
        self.page.get_by_label("姓名").fill(NAME)
        self.page.get_by_label("身份证号码后四位").fill(LAST4)
        self.page.get_by_role("button", name="查看检查").click()
        return self

    def shot(self, name: str) -> None:
        """A picture for a person to look at, where one is asked for; and nothing wider than the screen at any time."""
        width = self.page.viewport_size["width"]
        assert self.page.evaluate("document.documentElement.scrollWidth") <= width, name
        if _SHOTS:
            self.page.screenshot(path=f"{_SHOTS}/{name}-{width}.png")

    def until(self, true: str) -> None:
        """Waits for an expression; asked from outside, since the page's policy forbids evaluation inside."""
        deadline = time.monotonic() + 15
        while not self.page.evaluate(true):
            assert time.monotonic() < deadline, true
            self.page.wait_for_timeout(100)

    def done(self) -> None:
        self.context.close()
        assert not self.errors


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1440, 900)])
def test_share_open_and_take_back(sharing: SharingThread, chromium: Browser, width: int, height: int) -> None:
    house = sharing.house
    patient, guest = Person(sharing, chromium, width, height), Person(sharing, chromium, width, height)
    sharing.call(house.core.limits.forget(f"code:sign-in:{house.core.people.blind_phone('13800000001')}"))
    sharing.call(house.core.limits.forget(f"code:share:{house.core.people.blind_phone(GUEST)}"))
    patient.go(f"/?to=/exam/{house.ct.exam}").enter()
    page = patient.page
    page.get_by_role("button", name="分享", exact=True).click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_text("只分享部分序列").click()
    sheet.get_by_label("序列 1 定位像").uncheck()
    sheet.get_by_label("包含检查报告").check()
    sheet.get_by_label("有效期").select_option("60")
    patient.shot("share-sheet")
    sheet.get_by_role("button", name="生成分享链接").click()
    link = sheet.get_by_label("分享链接").input_value()
    passcode = sheet.locator(".passcode strong").inner_text()
    assert re.fullmatch(r"\d{6}", passcode)
    expect(sheet.get_by_role("img", name="分享链接的二维码")).to_be_visible()
    patient.until("document.querySelector('.qr').naturalWidth > 0")
    patient.shot("share-made")
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)

    guest.go(link)
    expect(guest.page.get_by_role("heading", name="有人向您分享了影像检查")).to_be_visible()
    assert "张" not in guest.page.content() and "胸部" not in guest.page.content()
    guest.shot("guest-gate")
    guest.code(GUEST)
    guest.page.get_by_role("button", name="下一步").click()
    guest.page.get_by_label("6 位提取码").fill(f"{(int(passcode) + 1) % 1_000_000:06d}")
    guest.page.get_by_role("button", name="打开分享").click()
    expect(guest.page.get_by_role("alert")).to_contain_text("提取码不正确")
    guest.shot("guest-refused")
    guest.page.get_by_label("6 位提取码").fill(passcode)
    guest.page.get_by_role("button", name="打开分享").click()
    expect(guest.page.get_by_role("heading", name="分享给您的检查")).to_be_visible()
    guest.page.get_by_role("button", name="查看报告").click()
    expect(guest.page.get_by_text("两肺纹理清晰")).to_be_visible()
    guest.shot("guest-content")
    guest.page.get_by_role("link", name="查看影像").click()
    guest.until("window.yunying?.state().level === 'final'")
    assert guest.page.evaluate("window.yunying.state().grade") == "browse"
    assert "139****5678" in guest.page.locator(".watermark").inner_text()
    guest.shot("guest-viewer")

    page.get_by_role("button", name="返回").click()
    page.get_by_role("button", name="我的分享").click()
    card = page.locator(".share").first
    expect(card).to_contain_text("2 个序列")
    card.get_by_role("button", name="打开记录").click()
    expect(card).to_contain_text("139****5678")
    patient.shot("my-shares")
    card.get_by_role("button", name="撤销分享").click()
    patient.shot("my-shares-revoke")
    card.get_by_role("button", name="确定撤销").click()
    expect(card).to_contain_text("已撤销")

    expect(guest.page.get_by_role("alert")).to_contain_text("查看权限已结束", timeout=2000)
    expect(guest.page.locator("canvas, img")).to_have_count(0)
    guest.shot("guest-ended")
    guest.go(link)
    expect(guest.page.get_by_text("分享者已撤销该分享")).to_be_visible()
    guest.shot("guest-revoked")
    patient.done()
    guest.done()
