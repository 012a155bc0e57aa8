"""A patient on a phone and at a desk: through the gate to the list, an exam, its report, and out again."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.browser.portal_house import FINDINGS, LAST4, NAME, PHONE, PortalThread

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

_LAYOUT = """() => {
  const seen = e => e.offsetParent !== null && getComputedStyle(e).visibility === "visible";
  const controls = [...document.querySelectorAll("button, a, input, select")].filter(seen).map(e => {
    const r = e.getBoundingClientRect();
    return { name: e.textContent || e.id, height: r.height, left: r.left, right: r.right };
  });
  const texts = [...document.querySelectorAll("h1, h2, h3, p, span, strong, dd, dt, label")].filter(seen);
  return {
    wide: document.documentElement.scrollWidth,
    controls,
    cut: texts.filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline")
      .map(e => e.textContent),
    small: texts.filter(e => parseFloat(getComputedStyle(e).fontSize) < 16).map(e => e.textContent),
    unnamed: [...document.querySelectorAll("input, select")].filter(seen)
      .filter(e => !e.labels?.length && !e.getAttribute("aria-label")).length,
  };
}"""


@pytest.fixture(scope="module")
def portal(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalThread]:
    thread = PortalThread(mongo_uri, tmp_path_factory.mktemp("portal"))
    yield thread
    thread.stop()


class Visit:
    """One browser profile of one person."""

    def __init__(self, portal: PortalThread, chromium: Browser, width: int, height: int) -> None:
        self.portal, self.width = portal, width
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
        self.foreign: list[str] = []
        self.errors: list[str] = []
        self.page.on(
            "request", lambda r: None if r.url.startswith((portal.site.url, "data:")) else self.foreign.append(r.url)
        )
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda m: self.errors.append(m.text) if "Content Security" in m.text else None)
        portal.a_day_later()

    def go(self, path: str) -> Visit:
        self.page.goto(self.portal.site.url + path)
        return self

    def enter(self) -> Visit:
        """Through the gate."""
        page = self.page
        page.get_by_label("手机号码").fill("138 0000 0001")
        page.get_by_role("button", name="获取验证码").click()
        expect(page.get_by_role("button", name=re.compile("秒后重发"))).to_be_disabled()
        page.get_by_label("短信验证码").fill(self.portal.site.last_code())
        page.get_by_role("button", name="下一步").click()
        page.get_by_label("姓名").fill(NAME)
        page.get_by_label("身份证号码后四位").fill(LAST4.lower())
        page.get_by_role("button", name="查看检查").click()
        return self

    def look(self, name: str) -> None:
        """Nothing is cut, hidden, tiny or unlabelled; a picture is kept where one is asked for."""
        layout = self.page.evaluate(_LAYOUT)
        assert layout["wide"] <= self.width, (name, layout["wide"])
        assert layout["cut"] == [] and layout["small"] == [] and layout["unnamed"] == 0, (name, layout)
        for control in layout["controls"]:
            assert control["height"] >= 44, (name, control)
            assert control["left"] >= 0 and control["right"] <= self.width, (name, control)
        if folder := os.environ.get("YUNYING_TEST_SCREENSHOTS"):
            self.page.screenshot(path=Path(folder) / f"portal-{self.width}-{name}.png")

    def end(self) -> None:
        kept = self.page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]")
        self.context.close()
        assert self.foreign == [] and self.errors == [] and kept == ["", 0, 0]


@pytest.fixture
def phone(portal: PortalThread, chromium: Browser) -> Iterator[Visit]:
    visit = Visit(portal, chromium, 390, 844)
    yield visit
    visit.end()


@pytest.mark.parametrize(("width", "height"), [(320, 568), (390, 844), (1440, 900)])
def test_whole_way(portal: PortalThread, chromium: Browser, width: int, height: int) -> None:
    visit = Visit(portal, chromium, width, height).go("/")
    page = visit.page
    expect(page.get_by_role("heading", name="查看我的影像检查")).to_be_visible()
    visit.look("gate")
    visit.enter()
    expect(page.locator("a.exam").first).to_contain_text("胸部平扫")
    assert page.locator("a.exam").count() == 20 and page.locator("h2.year").all_text_contents() == [
        "2026年",
        "2025年",
        "2024年",
    ]
    visit.look("list")
    page.get_by_role("button", name="加载更多").click()
    expect(page.get_by_text("已显示全部检查")).to_be_visible()
    assert page.locator("a.exam").count() == 26 and "王五" not in page.content()

    page.get_by_label("医院").select_option("大连医科大学附属第二医院")
    expect(page.locator("a.exam")).to_have_count(1)
    expect(page.locator("a.exam")).to_contain_text("磁共振")
    page.get_by_label("检查时间").select_option("自选日期")
    page.get_by_label("从").fill("2020-01-01")
    page.get_by_label("到").fill("2020-02-01")
    expect(page.get_by_text("没有符合条件的检查")).to_be_visible()
    visit.look("nothing")
    page.get_by_role("button", name="显示全部检查").click()
    expect(page.locator("a.exam")).to_have_count(20)

    page.locator("a.exam").first.click()
    expect(page.get_by_role("heading", name="胸部平扫")).to_be_visible()
    expect(page.get_by_text("直径约 6 mm")).to_be_visible()
    assert page.locator(".report .text").first.text_content() == FINDINGS
    assert page.get_by_role("link", name="查看影像").get_attribute("href") == f"/viewer/{portal.exam}"
    expect(page.locator(".series")).to_contain_text("肺窗 1mm")
    visit.look("exam")
    page.get_by_role("button", name="返回").click()
    expect(page.locator("a.exam")).to_have_count(20)

    page.get_by_role("button", name="退出").click()
    expect(page.get_by_label("手机号码")).to_be_visible()
    page.go_forward()
    expect(page.get_by_label("手机号码")).to_be_visible()
    assert "胸部" not in page.content()
    visit.end()


def test_wrong_answers_are_told_alike_and_help(portal: PortalThread, phone: Visit) -> None:
    page = phone.go("/").page
    page.get_by_role("button", name="下一步").click()
    expect(page.get_by_role("alert")).to_contain_text("11 位手机号码")
    told = []
    for number in (PHONE, "13900000008"):
        page.get_by_label("手机号码").fill(number)
        page.get_by_role("button", name="获取验证码").click()
        expect(page.get_by_role("status")).to_contain_text("验证码已发送")
        page.get_by_label("短信验证码").fill("000000")
        page.get_by_role("button", name="下一步").click()
        expect(page.get_by_role("alert")).to_be_visible()
        told.append(page.get_by_role("alert").text_content())
        page.reload()
    assert told[0] == told[1] and "重新获取" in told[0]
    portal.a_day_later()
    page.get_by_label("手机号码").fill(PHONE)
    page.get_by_role("button", name="获取验证码").click()
    expect(page.get_by_role("status")).to_contain_text("验证码已发送")
    page.get_by_label("短信验证码").fill(portal.site.last_code())
    page.get_by_role("button", name="下一步").click()
    for name, last4 in (("张小明", "0021"), ("李小明", "002X")):
        page.get_by_label("姓名").fill(name)
        page.get_by_label("身份证号码后四位").fill(last4)
        page.get_by_role("button", name="查看检查").click()
        expect(page.get_by_role("alert")).to_contain_text("与医院登记不一致")
    phone.look("wrong")
    page.reload()
    expect(page.get_by_label("姓名")).to_be_visible()
    page.get_by_role("button", name="换一个手机号").click()
    expect(page.get_by_label("手机号码")).to_be_visible()


def test_code_asked_too_often_names_the_wait(phone: Visit) -> None:
    page = phone.go("/").page
    page.get_by_label("手机号码").fill("13700000001")
    page.get_by_role("button", name="获取验证码").click()
    expect(page.get_by_role("status")).to_contain_text("验证码已发送")
    page.reload()
    page.get_by_label("手机号码").fill("13700000001")
    page.get_by_role("button", name="获取验证码").click()
    expect(page.get_by_role("alert")).to_contain_text("60 秒后再试")
    expect(page.get_by_role("button", name=re.compile("秒后重发"))).to_be_disabled()


def test_link_to_an_exam_waits_behind_the_gate(portal: PortalThread, phone: Visit) -> None:
    page = phone.go(f"/exam/{portal.exam}").page
    expect(page.get_by_label("手机号码")).to_be_visible()
    phone.enter()
    expect(page.get_by_text("直径约 6 mm")).to_be_visible()
    assert page.url.endswith(f"/exam/{portal.exam}")
    page.goto(f"{portal.site.url}/exam/{portal.foreign}")
    expect(page.get_by_role("alert")).to_contain_text("没有找到")
    phone.look("foreign")


def test_way_back_to_the_viewer_and_nowhere_else(portal: PortalThread, phone: Visit) -> None:
    page = phone.go(f"/?to=/viewer/{portal.exam}").page
    phone.enter()
    page.wait_for_url(f"{portal.site.url}/viewer/{portal.exam}")
    for elsewhere in (
        "//evil.example",
        "https://evil.example",
        "/viewer/../x",
        "javascript:alert(1)",
        "/api/v1/session",
    ):
        page.goto(f"{portal.site.url}/?to={elsewhere}")
        expect(page.locator("a.exam").first).to_be_visible()


def test_session_that_ended_leads_to_the_gate_and_back(portal: PortalThread, phone: Visit) -> None:
    page = phone.go("/").enter().page
    expect(page.locator("a.exam").first).to_be_visible()
    portal.end_sessions()
    page.locator("a.exam").first.click()
    expect(page.get_by_role("status")).to_contain_text("登录已过期")
    assert "胸部" not in page.content()
    portal.a_day_later()
    phone.enter()
    expect(page.get_by_text("直径约 6 mm")).to_be_visible()


def test_dead_link_is_told_and_retried(portal: PortalThread, phone: Visit) -> None:
    page = phone.go("/").enter().page
    expect(page.locator("a.exam").first).to_be_visible()

    def dead(route: Route) -> None:
        route.abort()

    page.route("**/api/v1/exams*", dead)
    page.get_by_label("检查时间").select_option("近一年")
    expect(page.get_by_role("alert")).to_contain_text("网络连接不上")
    phone.look("dead")
    page.unroute("**/api/v1/exams*", dead)
    page.get_by_role("button", name="重试").click()
    expect(page.locator("a.exam").first).to_be_visible()
    page.route("**/api/v1/exams*", lambda route: route.fulfill(status=503, body="<html>nginx</html>"))
    page.route("**/api/v1/exams/*/report", lambda route: route.fulfill(status=500, body="<html>nginx</html>"))
    page.get_by_label("检查时间").select_option("全部时间")
    expect(page.get_by_role("alert")).to_contain_text("系统暂时无法处理")
    page.unroute("**/api/v1/exams*")
    page.get_by_role("button", name="重试").click()
    page.locator("a.exam").first.click()
    expect(page.locator(".report [role=alert]")).to_contain_text("系统暂时无法处理")


def test_error_pages(portal: PortalThread, phone: Visit) -> None:
    page = phone.page
    for path, text in (("/nowhere", "没有找到"), ("/s/abc123", "链接无法打开")):
        phone.go(path)
        expect(page.get_by_role("heading")).to_contain_text(text)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate("getComputedStyle(document.querySelector('main')).borderRadius") == "16px"
        page.get_by_role("link").click()
        expect(page.get_by_label("手机号码")).to_be_visible()
