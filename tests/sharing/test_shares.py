"""R4 over real HTTP and the real database, with a clock that the tests turn."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import cv2
import numpy as np
import pytest

from backend.access.model import Action, ExamRef, Kind, Principal, SharedExam
from backend.access.rules import decide
from tests.identity.house import Browser
from tests.sharing.house import FINDINGS, GUEST, PHONE, Guest, Patient, SharingHouse, verified


async def test_a_share_from_its_making_to_the_picture(house: SharingHouse, patient: Patient) -> None:
    share = await patient.share(house.ct, report=True, minutes=60)
    assert len(share["passcode"]) == 6 and len(share["url"].rsplit("/", 1)[1]) == 22
    guest = await Guest(house, share["url"]).verify()
    status, body = await guest.open(share["passcode"])
    assert status == 201, body
    _, content = await guest.content()
    (exam,) = content["exams"]
    assert exam["patient"] == "张*" and exam["series_count"] == 3 and exam["whole"] and exam["report"]
    assert content["watermark"] == "139****5678 2026-11-24 16:00"
    status, manifest = await guest.manifest(house.ct)
    assert status == 200 and manifest["grade"] == "browse" and manifest["watermark"] == content["watermark"]
    assert len(manifest["series"]) == 3
    status, _ = await guest.ask("GET", f"/api/v1/exams/{house.ct.exam}/series/0/frames/0/picture?format=png")
    assert status == 200
    status, report = await guest.ask("GET", f"/api/v1/exams/{house.ct.exam}/report")
    assert status == 200 and report["findings"] == FINDINGS


async def test_expiry_closes_the_door_and_whatever_is_open(house: SharingHouse, patient: Patient) -> None:
    share = await patient.share(house.ct, minutes=10, passcode=False)
    guest = await Guest(house, share["url"]).verify()
    assert (await guest.open())[0] == 201
    socket = await guest.stream(house.ct)
    house.clock.advance(minutes=9, seconds=59)
    assert (await guest.manifest(house.ct))[0] == 200
    house.clock.advance(seconds=1)
    assert (await guest.manifest(house.ct))[0] == 401
    async with asyncio.timeout(1.0):
        while await socket.read_message() is not None:
            pass
    assert socket.close_code == 4403
    late = Guest(house, share["url"])
    status, page = await late.ask("GET", f"/s/{late.link}", Accept="text/html")
    assert status == 410 and "已过期" in page.decode() and "张" not in page.decode()
    status, problem = await late.ask("POST", "/api/v1/shared/codes", {"link": late.link, "phone": GUEST})
    assert (status, problem["code"]) == (410, "share-expired")


async def test_a_guest_cannot_make_it_longer(house: SharingHouse, patient: Patient) -> None:
    share = await patient.share(house.ct, minutes=600, passcode=False)
    guest = await Guest(house, share["url"]).verify()
    await guest.open()
    status, problem = await guest.open()
    assert (status, problem["code"]) == (409, "share-open")
    house.clock.advance(hours=2)
    assert (await guest.manifest(house.ct))[0] == 401
    assert (await patient.enter()) and (await patient.listed(share))["opened"] == 1


async def test_the_passcode(house: SharingHouse, patient: Patient) -> None:
    share = await patient.share(house.ct)
    guest = await Guest(house, share["url"]).verify()
    wrong = f"{(int(share['passcode']) + 1) % 1_000_000:06d}"
    for passcode in ("", wrong, "12345"):
        status, problem = await guest.open(passcode)
        assert (status, problem["code"]) == (403, "share-refused")
        assert (await guest.manifest(house.ct))[0] == 401
    _, renewed = await patient.ask("POST", f"/api/v1/shares/{share['id']}/passcode", {})
    assert (await patient.listed(share))["wrong"] == 0
    if renewed["passcode"] != share["passcode"]:
        assert (await guest.open(share["passcode"]))[0] == 403
    assert (await guest.open(renewed["passcode"]))[0] == 201
    stored = await house.f.database.collection("shares").find_one({"_id": share["id"]})
    for secret in (renewed["passcode"], guest.link, PHONE):
        assert secret not in str({k: v for k, v in stored.items() if k not in ("_id", "exams")})


async def test_five_wrong_tries_kill_it_however_many_come_at_once(house: SharingHouse, patient: Patient) -> None:
    share = await patient.share(house.ct)
    inside = await verified(house, share)
    assert (await inside.open(share["passcode"]))[0] == 201
    wrong = f"{(int(share['passcode']) + 1) % 1_000_000:06d}"
    guests = [await verified(house, share, f"139{n:08d}") for n in range(20)]
    answers = await asyncio.gather(*(guest.open(wrong) for guest in guests))
    assert [problem["code"] for _, problem in answers].count("share-refused") == 4
    assert {problem["code"] for _, problem in answers} <= {"share-refused", "share-locked"}
    assert (await patient.listed(share))["state"] == "locked" and (await patient.listed(share))["wrong"] == 5
    again = await verified(house, share)
    status, problem = await again.open(share["passcode"])
    assert (status, (problem or {}).get("code")) in ((410, "share-locked"), (401, "session-ended"))
    assert (await inside.manifest(house.ct))[0] == 401


@pytest.mark.parametrize("limit", [1, 7])
async def test_fifty_at_once_never_open_it_once_too_often(house: SharingHouse, patient: Patient, limit: int) -> None:
    share = await patient.share(house.ct, limit=limit)
    guests = [await verified(house, share, f"139{n:08d}") for n in range(50)]
    answers = await asyncio.gather(*(guest.open(share["passcode"]) for guest in guests))
    opened = [guest for guest, (status, _) in zip(guests, answers, strict=True) if status == 201]
    assert len(opened) == limit
    assert all(problem["code"] == "share-used-up" for status, problem in answers if status != 201)
    statuses = [(await guest.manifest(house.ct))[0] for guest in guests]
    assert statuses.count(200) == limit
    kept = await patient.listed(share)
    assert (kept["opened"], kept["state"]) == (limit, "used-up")
    _, log = await patient.ask("GET", f"/api/v1/shares/{share['id']}/openings")
    assert [one["number"] for one in log["items"]] == list(range(limit, 0, -1))
    # Whoever is inside finds the page again, nobody else.
    page = {guest: (await guest.ask("GET", f"/s/{guest.link}"))[0] for guest in (opened[0], Guest(house, share["url"]))}
    assert list(page.values()) == [200, 410]


async def test_other_series_and_other_exams_stay_invisible(house: SharingHouse, patient: Patient) -> None:
    series = await house.series(house.ct)
    share = await patient.share(house.ct, series=[series[1]], passcode=False)
    guest = await Guest(house, share["url"]).verify()
    await guest.open()
    _, manifest = await guest.manifest(house.ct)
    assert [one["description"] for one in manifest["series"]] == ["肺窗 1mm"]
    path = f"/api/v1/exams/{house.ct.exam}/series"
    assert (await guest.ask("GET", f"{path}/0/thumbnail"))[0] == 200
    for hidden in (f"{path}/1/thumbnail", f"{path}/2/frames/0/picture", f"{path}/1/frames/0/tiles/0/0/0"):
        assert (await guest.ask("GET", hidden))[0] == 404
    _, detail = await guest.ask("GET", f"/api/v1/exams/{house.ct.exam}")
    assert [one["uid"] for one in detail["series"]] == [series[1]] and detail["series_count"] == 1
    # The report was not shared, nor is it told that there is one.
    assert (await guest.ask("GET", f"/api/v1/exams/{house.ct.exam}/report"))[0] == 404 and detail["report"] is None
    for other in (house.mr, house.foreign):
        guest.cookies[f"yy_link_{other.exam}"] = guest.cookies[f"yy_link_{house.ct.exam}"]
        assert (await guest.manifest(other))[0] == 401
        assert (await guest.ask("GET", f"/api/v1/exams/{other.exam}/report"))[0] == 401
    # The same secret under another name opens nothing either.
    guest.cookies = {"yy_session": guest.cookies[f"yy_link_{house.ct.exam}"]}
    for elsewhere in ("/api/v1/exams", "/api/v1/shares", f"/dicom-web/studies/{house.ct.study_instance_uid}/metadata"):
        assert (await guest.ask("GET", elsewhere))[0] == 401
    rendered = f"/dicom-web/studies/{house.ct.study_instance_uid}/series/{series[0]}/rendered"
    assert (await guest.ask("GET", rendered))[0] == 401


async def test_only_one_number_opens_it(house: SharingHouse, patient: Patient) -> None:
    share = await patient.share(house.ct, passcode=False, only_phone=GUEST)
    assert (await patient.listed(share))["only_phone"] == "139****5678"
    other = await Guest(house, share["url"]).verify("13912340000")
    status, problem = await other.open()
    assert (status, problem["code"]) == (403, "share-refused")
    meant = await Guest(house, share["url"]).verify(GUEST)
    assert (await meant.open())[0] == 201


async def test_log_notice_and_trail(house: SharingHouse, patient: Patient) -> None:
    share = await patient.share(house.ct, house.mr, minutes=30)
    guest = await Guest(house, share["url"], "203.0.113.7").verify()
    await guest.open("000000" if share["passcode"] != "000000" else "000001")
    agent = {"User_Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) MicroMessenger/8.0"}
    await guest.ask("POST", f"/api/v1/shared/{guest.share}/opening", {"passcode": share["passcode"]}, **agent)
    _, log = await patient.ask("GET", f"/api/v1/shares/{share['id']}/openings")
    (opening,) = log["items"]
    assert opening == {
        "number": 1,
        "time": "2026-11-24T16:00:00+08:00",
        "phone": "139****5678",
        "address": "203.0.*.*",
        "device": "苹果手机 · 微信",
        "told": True,
    }
    (notice,) = house.sent("share-opened")
    assert notice["phone"] == PHONE and "139****5678" in notice["text"] and "胸部" not in notice["text"]
    await patient.ask("DELETE", f"/api/v1/shares/{share['id']}")
    made = await house.entries("share.create")
    assert [e["reason"] for e in made if e["resource"] == share["id"]] == ["created", "revoked"]
    tries = [(e["allowed"], e["scenario"], e["reason"]) for e in await house.entries("share.open")]
    assert tries == [(False, "none", "wrong try"), (True, "share-guest", "opened")]
    assert all(GUEST not in str(entry) for entry in await house.entries("share.open"))


async def test_before_the_gate_nothing_personal(house: SharingHouse, patient: Patient) -> None:
    share = await patient.share(house.ct, report=True)
    stranger = Guest(house, share["url"])
    _, page = await stranger.ask("GET", f"/s/{stranger.link}")
    status, look = await stranger.ask("POST", "/api/v1/shared/link", {"link": stranger.link})
    assert status == 200 and look == {"share": share["id"], "passcode": True, "opened": False}
    for word in ("张", "胸部", "沈阳", house.ct.exam, "CT", "2026-11-02"):
        assert word not in page.decode() and word not in str(look)
    for path in (f"/api/v1/shared/{share['id']}", f"/api/v1/exams/{house.ct.exam}/manifest"):
        assert (await stranger.ask("GET", path))[0] == 401
    half = await Guest(house, share["url"]).verify()
    assert (await half.content())[0] == 404 and (await half.manifest(house.ct))[0] == 401
    half.cookies[f"yy_link_{house.ct.exam}"] = half.cookies[f"yy_link_{share['id']}"]
    assert (await half.manifest(house.ct))[0] == 401
    # A code for signing in opens no share, and the other way round.
    code = await stranger.code(GUEST)
    told = {"link": stranger.link, "phone": GUEST, "code": code}
    assert (await stranger.ask("POST", "/api/v1/shared/identity", told))[0] == 401


async def test_links_that_lead_nowhere(house: SharingHouse, patient: Patient) -> None:
    stranger = Browser(house)
    for path in ("/s/" + "A" * 22, "/s/" + "A" * 21, "/s/" + "A" * 23):
        status, page = await stranger.ask("GET", path, Accept="text/html")
        assert status in (404, 410) and "无效" in page.decode()
    status, problem = await stranger.ask("POST", "/api/v1/shared/link", {"link": "A" * 22})
    assert (status, problem["code"]) == (410, "share-unknown")


async def test_what_may_not_be_shared(house: SharingHouse, patient: Patient) -> None:
    series = await house.series(house.ct)
    bad = [
        ({"exams": [{"exam": house.foreign.exam}]}, 404),
        ({"exams": [{"exam": "2" * 26}]}, 404),
        ({"exams": []}, 400),
        ({"exams": [{"exam": house.ct.exam, "series": []}]}, 400),
        ({"exams": [{"exam": house.mr.exam, "series": [series[0]]}]}, 400),
        ({"exams": [{"exam": {"$ne": ""}}]}, 400),
        ({"exams": [{"exam": house.ct.exam}] * 2}, 400),
        ({"exams": [{"exam": house.ct.exam}], "minutes": 9}, 400),
        ({"exams": [{"exam": house.ct.exam}], "minutes": 43201}, 400),
        ({"exams": [{"exam": house.ct.exam}], "limit": 0}, 400),
        ({"exams": [{"exam": house.ct.exam}], "passcode": "no"}, 400),
        ({"exams": [{"exam": house.ct.exam}], "only_phone": "12345"}, 400),
        ({"exams": [{"exam": house.ct.exam}], "maker": "x"}, 400),
    ]
    for body, wanted in bad:
        status, problem = await patient.ask("POST", "/api/v1/shares", body)
        assert status == wanted, (body, problem)
    _, listed = await patient.ask("GET", "/api/v1/shares")
    assert listed == {"items": []}


async def test_another_patient_finds_no_share(house: SharingHouse, patient: Patient) -> None:
    share = await patient.share(house.ct)
    other = await Patient(house).enter("13800000002", "王五", "0014")
    half = Patient(house)
    house.clock.advance(minutes=2)
    await half.sign_in(PHONE)
    for browser in (other, half):
        for method, below in (("GET", ""), ("GET", "/openings"), ("GET", "/qr"), ("POST", "/passcode"), ("DELETE", "")):
            path = f"/api/v1/shares/{share['id']}{below}"
            assert (await browser.ask(method, path, {} if method == "POST" else None))[0] == 404, (method, below)
        assert (await browser.ask("GET", "/api/v1/shares"))[1] == {"items": []}
    assert (await patient.listed(share))["state"] == "active"


async def test_the_qr_code_is_the_link(house: SharingHouse, patient: Patient) -> None:
    share = await patient.share(house.ct)
    status, data = await patient.ask("GET", f"/api/v1/shares/{share['id']}/qr?format=png")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert status == 200 and cv2.QRCodeDetector().detectAndDecode(image)[0] == share["url"]
    status, data = await patient.ask("GET", f"/api/v1/shares/{share['id']}/qr")
    assert status == 200 and data.startswith(b"<?xml") and patient.last.headers["Content-Type"] == "image/svg+xml"
    assert (await patient.listed(share))["url"] == share["url"]
    await patient.ask("DELETE", f"/api/v1/shares/{share['id']}")
    assert (await patient.ask("GET", f"/api/v1/shares/{share['id']}/qr"))[0] == 410


async def test_trying_the_own_share_does_not_narrow_what_one_sees(house: SharingHouse, patient: Patient) -> None:
    series = await house.series(house.ct)
    share = await patient.share(house.ct, series=[series[0]], passcode=False)
    same_phone = Guest(house, share["url"])
    same_phone.cookies = patient.cookies
    await same_phone.verify()
    await same_phone.open()
    assert len((await patient.manifest_of(house.ct))["series"]) == 3
    del patient.cookies["yy_session"]
    shown = await patient.manifest_of(house.ct)
    assert len(shown["series"]) == 1 and shown["watermark"].startswith("139****5678")


def test_an_exam_that_turns_out_to_be_of_somebody_else_is_shared_no_more() -> None:
    shared = SharedExam("exam", "person", report=True)
    guest = Principal(Kind.GUEST, "guest:x", share="s", shared=(shared,))
    for action in (Action.EXAM_VIEW, Action.REPORT_READ):
        assert decide(guest, action, ExamRef("exam", "h1", "person")).allowed
        assert not decide(guest, action, ExamRef("exam", "h1", "another")).allowed
        assert not decide(guest, action, ExamRef("exam", "h1", "")).allowed
    nobody = replace(guest, shared=(SharedExam("exam", "", report=True),))
    assert not decide(nobody, Action.EXAM_VIEW, ExamRef("exam", "h1", "")).allowed
