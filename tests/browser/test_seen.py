"""The patient sees on a phone and at a desk who opened an exam."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from backend.access.model import Action, ExamRef, Grade, Kind, Principal, Role, SharedExam
from tests.browser.portal_house import PortalThread
from tests.browser.test_portal_pages import Visit

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def portal(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalThread]:
    thread = PortalThread(mongo_uri, tmp_path_factory.mktemp("seen"))
    thread.call(_opened(thread))
    yield thread
    thread.stop()


async def _opened(portal: PortalThread) -> None:
    """Twelve doctors, somebody by a link, and the guest of a share opened the exam."""
    exam = (await portal.site.archive.exam_by_public_id(portal.exam)).ref
    doctors = [Principal(Kind.STAFF, f"d{n}", institution="h1", roles=frozenset({Role.RADIOLOGIST})) for n in range(12)]
    guest = Principal(Kind.GUEST, "guest:g", share="s", shared=(SharedExam(exam.exam, exam.person),))
    for who in (*doctors, Principal(Kind.LINK, "l", exam=exam.exam, grade=Grade.BROWSE), guest):
        await _one(portal, who, exam)


async def _one(portal: PortalThread, who: Principal, exam: ExamRef) -> None:
    await portal.site.guard.require(who, Action.EXAM_VIEW, exam)
    portal.site.clock.advance(minutes=3)


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1440, 900)])
def test_who_has_seen_my_images(portal: PortalThread, chromium: Browser, width: int, height: int) -> None:
    visit = Visit(portal, chromium, width, height).go(f"/exam/{portal.exam}")
    page = visit.enter().page
    section = page.get_by_role("region", name="谁看过我的影像")
    rows = section.get_by_role("listitem")
    expect(rows.first).to_contain_text("本人")
    more = section.get_by_role("button", name="查看更早的记录")
    expect(more).to_be_visible()
    expect(section).to_contain_text("您分享的人")
    expect(section).to_contain_text("查看链接")
    expect(section.get_by_text("医生（沈阳市第一人民医院）").first).to_be_visible()
    section.scroll_into_view_if_needed()
    visit.look("seen")
    while more.is_visible():
        known = rows.count()
        more.click()
        expect(rows.nth(known)).to_be_focused()
    assert section.get_by_text("医生（沈阳市第一人民医院）").count() == 12
    visit.look("seen-all")
    visit.end()


def test_what_cannot_be_loaded_is_told_and_tried_again(portal: PortalThread, chromium: Browser) -> None:
    visit = Visit(portal, chromium, 390, 844).go(f"/exam/{portal.exam}")
    visit.page.route("**/openings*", lambda route: route.abort())
    page = visit.enter().page
    section = page.get_by_role("region", name="谁看过我的影像")
    expect(section.get_by_role("alert")).to_contain_text("网络连接不上")
    expect(page.get_by_text("直径约 6 mm")).to_be_visible()
    page.unroute("**/openings*")
    section.get_by_role("button", name="重试").click()
    expect(section.get_by_role("listitem").first).to_contain_text("本人")
    visit.end()
