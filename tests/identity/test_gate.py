"""The gate over real HTTP: its limits under parallel requests, its codes, its uniform refusals (R2, R3)."""

from __future__ import annotations

import asyncio
import stat
import statistics
import time
from dataclasses import replace

import pytest

from backend.identity.model import GateLimits, Window
from backend.notify.model import TextMessage
from backend.notify.rules import MessageNotSent
from backend.platform.clock import SystemClock
from backend.platform.database import Database
from tests.identity.house import ZHANG, Browser, House

PHONE = "13800000001"


async def test_patient_comes_in_with_phone_code_name_and_digits(house: House, browser: Browser) -> None:
    person = await house.people.record(None, ZHANG)
    assert await browser.ask("GET", "/api/v1/session") == (200, {"state": "anonymous"})
    status, state = await browser.sign_in("+86 138-0000-0001")
    assert (status, state["state"]) == (201, "code-verified")
    cookie = browser.last.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Max-Age" not in cookie
    status, state = await browser.ask("POST", "/api/v1/session/identity", {"name": "张 小明", "id_last4": "002x"})
    assert (status, state) == (200, {"state": "proved"})
    (session,) = await house.sessions.list_of(house.people.blind_phone(PHONE))
    assert session.persons == {person}
    assert (await browser.ask("DELETE", "/api/v1/session"))[0] == 204
    browser.cookies["yy_session"] = session.id
    assert (await browser.ask("GET", "/api/v1/session"))[1] == {"state": "anonymous"}


async def test_message_is_a_line_for_its_owner_only(house: House, browser: Browser) -> None:
    code = await browser.code(PHONE)
    (line,) = house.sent()
    assert (line["phone"], line["template"], line["params"]) == (PHONE, "sign-in-code", {"code": code, "minutes": "5"})
    assert code.isdigit() and len(code) == 6 and line["time"].startswith("2026-11-24T08:00:00")
    assert stat.S_IMODE(house.outbox.stat().st_mode) == 0o600


async def test_code_is_stored_as_a_keyed_hash(house: House, browser: Browser, database: Database) -> None:
    code = await browser.code(PHONE)
    async for row in database.collection("codes").iterate({}):
        assert code not in str(row) and PHONE not in str(row)


async def test_wrong_code_five_times_then_the_right_one_is_dead(house: House, browser: Browser) -> None:
    code = await browser.code(PHONE)
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    for _ in range(4):
        assert (await browser.ask("POST", "/api/v1/session", {"phone": PHONE, "code": wrong}))[0] == 401
    other = Browser(house)
    assert (await other.ask("POST", "/api/v1/session", {"phone": PHONE, "code": code}))[0] == 201
    house.clock.advance(minutes=2)
    code = await browser.code(PHONE)
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    for _ in range(5):
        assert (await browser.ask("POST", "/api/v1/session", {"phone": PHONE, "code": wrong}))[0] == 401
    status, problem = await browser.ask("POST", "/api/v1/session", {"phone": PHONE, "code": code})
    assert (status, problem["code"]) == (401, "wrong-code")


async def test_code_works_once_for_one_of_many(house: House, browser: Browser) -> None:
    code = await browser.code(PHONE)
    many = [Browser(house).ask("POST", "/api/v1/session", {"phone": PHONE, "code": code}) for _ in range(5)]
    assert sorted(status for status, _ in await asyncio.gather(*many)) == [201, 401, 401, 401, 401]


async def test_code_expires_and_a_new_one_kills_the_old(house: House, browser: Browser) -> None:
    old = await browser.code(PHONE)
    house.clock.advance(minutes=5)
    assert (await browser.ask("POST", "/api/v1/session", {"phone": PHONE, "code": old}))[0] == 401
    new = await browser.code(PHONE)
    if new != old:
        assert (await browser.ask("POST", "/api/v1/session", {"phone": PHONE, "code": old}))[0] == 401
    assert (await browser.ask("POST", "/api/v1/session", {"phone": PHONE, "code": new}))[0] == 201


async def test_one_code_a_minute_under_fifty_parallel_requests(house: House) -> None:
    async def ask(n: int) -> int:
        return (await Browser(house, f"10.0.0.{n}").ask("POST", "/api/v1/codes", {"phone": PHONE}))[0]

    statuses = await asyncio.gather(*(ask(n) for n in range(50)))
    assert sorted(set(statuses)) == [202, 429] and statuses.count(202) == 1 and len(house.sent()) == 1


async def test_five_an_hour_and_ten_a_day(house: House, browser: Browser) -> None:
    async def sent_in(minutes: int) -> int:
        good = 0
        for _ in range(minutes):
            good += (await browser.ask("POST", "/api/v1/codes", {"phone": PHONE}))[0] == 202
            house.clock.advance(minutes=1, seconds=1)
        return good

    assert await sent_in(8) == 5
    status, problem = await browser.ask("POST", "/api/v1/codes", {"phone": PHONE})
    assert status == 429 and 3000 < problem["retry_after"] < 3600 and browser.last.headers["Retry-After"]
    house.clock.advance(hours=1)
    assert await sent_in(8) == 5
    house.clock.advance(hours=2)
    assert await sent_in(2) == 0
    house.clock.advance(hours=21)
    assert await sent_in(1) == 1
    assert len(house.sent()) == 11


@pytest.mark.parametrize("field", ["code_per_address", "code_in_all"])
async def test_limits_per_address_and_in_all(database: Database, tmp_path, field: str) -> None:
    house = House(database, tmp_path, replace(GateLimits(least_seconds=0), **{field: (Window(7, 600),)}))
    await house.migrate()
    server = house.serve(house.identity_routes())

    async def ask(n: int) -> int:
        address = "10.9.9.9" if field == "code_per_address" else f"10.0.0.{n}"
        return (await Browser(house, address).ask("POST", "/api/v1/codes", {"phone": f"138000001{n:02d}"}))[0]

    statuses = await asyncio.gather(*(ask(n) for n in range(30)))
    assert statuses.count(202) == 7 == len(house.sent()) and statuses.count(429) == 23
    house.clock.advance(minutes=10)
    assert await ask(99) == 202
    server.stop()


async def test_five_wrong_identities_then_a_wait_that_a_new_code_does_not_end(house: House, browser: Browser) -> None:
    await house.people.record(None, ZHANG)
    await browser.sign_in(PHONE)
    bad = {"name": "张小明", "id_last4": "0021"}
    good = {"name": "张小明", "id_last4": "002X"}
    statuses = [await browser.ask("POST", "/api/v1/session/identity", bad) for _ in range(5)]
    assert {(status, problem["code"]) for status, problem in statuses} == {(401, "wrong-identity")}
    assert (await browser.ask("POST", "/api/v1/session/identity", good))[0] == 429
    house.clock.advance(minutes=2)
    again = Browser(house)
    status, problem = await again.sign_in(PHONE, "张小明", "002X")
    assert status == 429 and problem["retry_after"] > 1500
    house.clock.advance(minutes=29)
    assert (await again.ask("POST", "/api/v1/session/identity", good))[0] == 200


async def test_limit_of_identities_holds_under_parallel_tries(house: House, browser: Browser) -> None:
    await house.people.record(None, ZHANG)
    await browser.sign_in(PHONE)
    tries = [
        browser.ask("POST", "/api/v1/session/identity", {"name": "张小明", "id_last4": f"{n:04d}"}) for n in range(50)
    ]
    assert [status for status, _ in await asyncio.gather(*tries)].count(401) == 5


async def test_refusals_look_alike_in_body(house: House) -> None:
    await house.people.record(None, ZHANG)
    known, unknown = Browser(house, "10.0.0.1"), Browser(house, "10.0.0.2")

    def told(answer):
        status, body = answer
        return status, {k: v for k, v in body.items() if k != "request_id"}

    sent = [
        told(await b.ask("POST", "/api/v1/codes", {"phone": p})) for b, p in ((known, PHONE), (unknown, "13900000009"))
    ]
    assert sent[0] == sent[1]
    wrong = [
        told(await b.ask("POST", "/api/v1/session", {"phone": p, "code": "000000"}))
        for b, p in ((known, PHONE), (unknown, "13900000009"), (unknown, "13900000008"))
    ]
    assert wrong[0] == wrong[1] == wrong[2]
    house.clock.advance(minutes=2)
    await known.sign_in(PHONE)
    await unknown.sign_in("13900000009")
    proofs = [
        told(await b.ask("POST", "/api/v1/session/identity", {"name": name, "id_last4": last}))
        for b, name, last in ((known, "张小明", "0021"), (known, "李小明", "002X"), (unknown, "张小明", "002X"))
    ]
    assert proofs[0] == proofs[1] == proofs[2]
    assert proofs[0][1]["code"] == "wrong-identity"


async def test_refusals_look_alike_in_time(database: Database, tmp_path) -> None:
    house = House(database, tmp_path, GateLimits(least_seconds=0.1, code_tries=1000), clock=SystemClock())
    await house.migrate()
    server = house.serve(house.identity_routes())
    await Browser(house).ask("POST", "/api/v1/codes", {"phone": PHONE})
    times: dict[str, list[float]] = {PHONE: [], "13900000009": []}
    for _ in range(15):
        for phone, taken in times.items():
            begun = time.perf_counter()
            await Browser(house).ask("POST", "/api/v1/session", {"phone": phone, "code": "000000"})
            taken.append(time.perf_counter() - begun)
    known, unknown = (statistics.median(taken) for taken in times.values())
    assert min(known, unknown) >= 0.1 and abs(known - unknown) < 0.02
    server.stop()


async def test_nothing_is_sent_when_the_database_is_away(mongo_uri: str, tmp_path) -> None:
    port = int(mongo_uri.split("?")[0].strip("/").rsplit(":", 1)[1].split("/")[0])
    open_links: list[asyncio.StreamWriter] = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there = await asyncio.open_connection("127.0.0.1", port)
        open_links.extend([writer, there])
        await asyncio.gather(_pump(reader, there), _pump(there_reader, writer), return_exceptions=True)

    listener = await asyncio.start_server(relay, "127.0.0.1", 0)
    relayed = mongo_uri.replace(f":{port}", f":{listener.sockets[0].getsockname()[1]}")
    database = await Database.connect(relayed, "test_gate_away", operation_seconds=1.0)
    house = House(database, tmp_path)
    server = house.serve(house.identity_routes())
    assert (await Browser(house).ask("POST", "/api/v1/codes", {"phone": PHONE}))[0] == 202
    listener.close()
    for link in open_links:
        link.close()
    status, problem = await Browser(house).ask("POST", "/api/v1/codes", {"phone": "13800000002"})
    assert (status, problem["code"]) == (503, "database-unavailable") and len(house.sent()) == 1
    server.stop()
    database.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)


async def test_message_that_cannot_be_sent_is_told_and_counted(house: House, browser: Browser) -> None:
    house.messages._path = house.folder  # a folder cannot be written as a file
    status, problem = await browser.ask("POST", "/api/v1/codes", {"phone": PHONE})
    assert (status, problem["code"]) == (503, "message-not-sent") and PHONE not in str(problem)
    with pytest.raises(MessageNotSent):
        await house.messages.send(TextMessage(PHONE, "sign-in-code", {"code": "1", "minutes": "5"}))
    assert (await browser.ask("POST", "/api/v1/codes", {"phone": PHONE}))[0] == 429


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/codes", {"phone": {"$ne": None}}),
        ("/api/v1/codes", {"phone": ["13800000001"]}),
        ("/api/v1/codes", {"phone": 13800000001}),
        ("/api/v1/codes", {"phone": "1380000000"}),
        ("/api/v1/codes", {"phone": PHONE, "purpose": "reset"}),
        ("/api/v1/codes", {}),
        ("/api/v1/codes", []),
        ("/api/v1/codes", "{"),
        ("/api/v1/codes", "[" * 100_000),
        ("/api/v1/session", {"phone": PHONE, "code": {"$gt": ""}}),
        ("/api/v1/session", {"phone": {"$gt": ""}, "code": "123456"}),
        ("/api/v1/session", {"phone": PHONE, "code": "12345"}),
        ("/api/v1/session", {"username": {"$ne": ""}, "password": "x"}),
        ("/api/v1/session", {"username": "a", "password": {"$ne": ""}}),
        ("/api/v1/session", {"phone": PHONE, "code": "123456", "persons": ["x"]}),
        ("/api/v1/session", {"phone": "\ud800", "code": "123456"}),
    ],
)
async def test_what_is_no_plain_value_is_refused(house: House, browser: Browser, path: str, body) -> None:
    status, problem = await browser.ask("POST", path, body)
    assert status == 400 and problem["detail"] and house.sent() == []


async def test_foreign_pages_cannot_begin_or_end_sessions(house: House, browser: Browser) -> None:
    body = {"phone": PHONE}
    assert (await browser.ask("POST", "/api/v1/codes", body, Sec_Fetch_Site="cross-site"))[0] == 403
    assert (await browser.ask("POST", "/api/v1/codes", body, Origin="https://evil.example"))[0] == 403
    assert house.sent() == []


async def test_identity_needs_a_code_first(house: House, browser: Browser) -> None:
    await house.people.record(None, ZHANG)
    status, problem = await browser.ask("POST", "/api/v1/session/identity", {"name": "张小明", "id_last4": "002X"})
    assert (status, problem["code"]) == (401, "unauthenticated")
