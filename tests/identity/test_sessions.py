"""Sessions, cookies, bearer tokens and upload credentials over real HTTP."""

from __future__ import annotations

import asyncio

import pytest

from backend.access.model import Action, Grade, Kind, Principal, Role
from backend.identity.model import Account
from backend.identity.sessions import Sessions
from backend.platform.errors import Forbidden, Invalid
from backend.web.handler import Handler
from backend.web.router import Route, requires
from tests.identity.house import ZHANG, Browser, House

PHONE = "13800000001"
DOCTOR = Account("wang", "h1", frozenset({Role.RADIOLOGIST}))


class WhoHandler(Handler):
    async def get(self, exam: str = "") -> None:
        p = self.principal
        self.answer({"kind": p.kind, "subject": p.subject, "exam": p.exam, "grade": p.grade, "session": p.session})


@pytest.fixture
async def house(house: House):
    table = [
        *house.identity_routes(),
        Route(r"/view", WhoHandler, {"GET": requires(Action.EXAM_VIEW)}),
        Route(r"/viewer/(?P<exam>[a-z0-9]+)", WhoHandler, {"GET": requires(Action.EXAM_VIEW)}),
        Route(r"/upload", WhoHandler, {"GET": requires(Action.EXAM_UPLOAD)}),
    ]
    server = house.serve(table)
    yield house
    server.stop()


async def test_cookie_ends_with_the_session(house: House, browser: Browser) -> None:
    await house.people.record(None, ZHANG)
    await browser.sign_in(PHONE, "张小明", "002X")
    assert (await browser.ask("GET", "/view"))[1]["kind"] == "patient"
    house.clock.advance(minutes=119)
    assert (await browser.ask("GET", "/view"))[0] == 200
    house.clock.advance(minutes=1)
    status, problem = await browser.ask("GET", "/view")
    assert (status, problem["code"]) == (401, "session-ended") and "WWW-Authenticate" in browser.last.headers
    assert (await browser.ask("GET", "/api/v1/session"))[1] == {"state": "anonymous"}


async def test_revoked_elsewhere_is_out_within_a_second(house: House, browser: Browser) -> None:
    started = await house.sessions.start_staff(DOCTOR)
    bearer = {"Authorization": f"Bearer {started.secret}"}
    assert (await browser.ask("GET", "/view", **bearer))[0] == 200
    elsewhere = Sessions(house.session_store, house.tokens, house.clock)
    await elsewhere.revoke(started.session.id)
    house.clock.advance(seconds=0.99)
    assert (await browser.ask("GET", "/view", **bearer))[0] == 401
    assert not await house.sessions.alive(started.session.id)


async def test_revoked_here_is_out_at_once(house: House, browser: Browser) -> None:
    started = await house.sessions.start_staff(DOCTOR)
    bearer = {"Authorization": f"bearer {started.secret}"}
    assert (await browser.ask("GET", "/view", **bearer))[0] == 200
    assert (await browser.ask("DELETE", "/api/v1/session", **bearer))[0] == 204
    assert (await browser.ask("GET", "/view", **bearer))[0] == 401


async def test_the_hot_path_asks_the_database_once_a_second(house: House, monkeypatch) -> None:
    started = await house.sessions.start_patient("somebody")
    reads = 0
    read = house.session_store.read

    async def counted(session_id: str):
        nonlocal reads
        reads += 1
        return await read(session_id)

    monkeypatch.setattr(house.session_store, "read", counted)
    assert all(await asyncio.gather(*(house.sessions.alive(started.session.id) for _ in range(50))))
    assert reads == 1
    house.clock.advance(seconds=0.5)
    assert await house.sessions.alive(started.session.id) and reads == 1
    house.clock.advance(seconds=0.4)
    assert await house.sessions.alive(started.session.id) and reads == 2


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Basic d2FuZzp4", "Bearer x", "Bearer a.b.c", "Bearer secret-of-h2", "Bearer \x80"]
)
async def test_bad_credentials_are_refused(house: House, browser: Browser, header: str) -> None:
    assert (await browser.ask("GET", "/view", Authorization=header))[0] == 401


async def test_unknown_cookie_is_refused(house: House, browser: Browser) -> None:
    for value in ("", "x", "A" * 43, "A" * 5000, "../../etc"):
        browser.cookies = {"yy_session": value}
        assert (await browser.ask("GET", "/view"))[0] == 401


async def test_upload_credential(house: House, browser: Browser) -> None:
    bearer = {"Authorization": "Bearer secret-of-h1"}
    assert (await browser.ask("GET", "/upload", **bearer))[1]["subject"] == "gateway:h1"
    assert (await browser.ask("GET", "/view", **bearer))[0] == 403
    house.credentials.held.clear()
    house.clock.advance(seconds=1)
    assert (await browser.ask("GET", "/upload", **bearer))[0] == 401


async def test_link_session_opens_its_exam_only_beside_an_own_session(house: House, browser: Browser) -> None:
    maker = Principal(Kind.STAFF, "wang", "s", "h1", frozenset({Role.CLINICIAN}))
    started = await house.sessions.start_link("exam234567", maker, Grade.BROWSE)
    browser.cookies["yy_link_exam234567"] = started.secret
    status, who = await browser.ask("GET", "/viewer/exam234567")
    assert (status, who["kind"], who["exam"], who["grade"]) == (200, "link", "exam234567", "browse")
    assert (await browser.ask("GET", "/viewer/exam234568"))[0] == 401
    browser.cookies["yy_link_exam234568"] = started.secret
    assert (await browser.ask("GET", "/viewer/exam234568"))[0] == 401
    await house.people.record(None, ZHANG)
    await browser.sign_in(PHONE, "张小明", "002X")
    assert (await browser.ask("GET", "/viewer/exam234568"))[1]["kind"] == "patient"
    assert (await browser.ask("GET", "/viewer/exam234567"))[1]["kind"] == "link"
    await house.sessions.end_all("wang")
    assert (await browser.ask("GET", "/viewer/exam234567"))[1]["kind"] == "patient"
    with pytest.raises(Forbidden):
        await house.sessions.start_link("exam234567", maker, Grade.DIAGNOSTIC)


async def test_staff_signs_in_with_a_password(house: House, browser: Browser) -> None:
    await house.accounts.put("Wang", "h1", frozenset({Role.RADIOLOGIST}), "correct horse battery")
    status, body = await browser.ask(
        "POST", "/api/v1/session", {"username": "WANG ", "password": "correct horse battery"}
    )
    assert status == 201 and body["roles"] == ["radiologist"] and not browser.cookies
    bearer = {"Authorization": f"Bearer {body['token']}"}
    assert (await browser.ask("GET", "/view", **bearer))[1]["grade"] == "diagnostic"
    assert (await browser.ask("GET", "/api/v1/session", **bearer))[1]["institution"] == "h1"
    house.clock.advance(minutes=600)
    assert (await browser.ask("GET", "/view", **bearer))[0] == 401


async def test_wrong_passwords_look_alike_and_are_bounded(house: House, browser: Browser) -> None:
    await house.accounts.put("wang", "h1", frozenset({Role.RADIOLOGIST}), "correct horse battery")
    await house.accounts.put("tokens-only", "h1", frozenset({Role.RADIOLOGIST}))
    told = set()
    for name in ("wang", "nobody", "tokens-only"):
        status, problem = await browser.ask("POST", "/api/v1/session", {"username": name, "password": "x" * 12})
        told.add((status, problem["code"], problem["detail"]))
    assert told == {(401, "wrong-password", "账号或密码不正确。")}
    for _ in range(9):
        await browser.ask("POST", "/api/v1/session", {"username": "wang", "password": "wrong"})
    good = {"username": "wang", "password": "correct horse battery"}
    assert (await browser.ask("POST", "/api/v1/session", good))[0] == 429
    elsewhere = Browser(house, "10.1.1.1")
    assert (await elsewhere.ask("POST", "/api/v1/session", good))[0] == 201, "others must not be locked out"
    with pytest.raises(Invalid):
        await house.accounts.put("li", "h1", frozenset(), "short")
