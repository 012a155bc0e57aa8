"""The socket's life: who gets in, who is put out, what is refused, and what goes on after a cut."""

from __future__ import annotations

import asyncio
import io
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from tornado.httpclient import HTTPClientError

import render
from backend.access.model import Grade, Role
from backend.archive.model import Exam
from backend.audit.store import AuditStore
from backend.identity.model import Started
from backend.platform.clock import ManualClock
from backend.platform.crypto import Keys
from backend.viewing.tickets import Tickets
from tests.images import shared_dicom
from tests.viewing.house import INSTITUTION, KEYS, House, Viewer
from tests.viewing.pictures import pixels_of


def slices(count: int) -> list[Path]:
    return sorted(shared_dicom("ct_cmb_crc_chest100").glob("*.dcm"))[:count]


async def ct(house: House, count: int = 20) -> tuple[Exam, Started, str]:
    """A derived series, a radiologist, and a ticket."""
    exam = await house.exam_of((await house.send(slices(count)))[0])
    await house.derive(exam)
    staff = await house.sign_in()
    return exam, staff, (await house.manifest(exam, staff.secret))["ticket"]


async def refused(house: House, ticket: str) -> int | None:
    viewer = await house.socket()
    await viewer.say(t="open", ticket=ticket, v=1)
    return await viewer.closed()


async def test_forged_expired_and_foreign_tickets_are_refused(house: House) -> None:
    exam, staff, _ = await ct(house, 2)
    principal = staff.session.principal
    past = ManualClock(house.clock.now())
    past.advance(seconds=-3600)
    wrong_subject = replace(principal, subject="somebody-else")
    foreign = await house.sign_in(institution="H2")
    tickets = {
        "forged": Tickets(Keys(bytes(32)), house.clock, 600).issue(principal, exam.exam, Grade.BROWSE),
        "expired": Tickets(KEYS, past, 600).issue(principal, exam.exam, Grade.BROWSE),
        "other subject": house.tickets.issue(wrong_subject, exam.exam, Grade.BROWSE),
        "unknown session": house.tickets.issue(replace(principal, session="none"), exam.exam, Grade.BROWSE),
        "unknown exam": house.tickets.issue(principal, "2345678923456789", Grade.BROWSE),
        "foreign exam": house.tickets.issue(foreign.session.principal, exam.exam, Grade.BROWSE),
        "nonsense": "nonsense",
    }
    for name, ticket in tickets.items():
        assert await refused(house, ticket) == 4401, name


async def test_a_revoked_session_ends_open_streams_within_a_second(house: House) -> None:
    exam, staff, ticket = await ct(house, 3)
    other = await house.sign_in()
    viewer, spared = await house.socket(), await house.socket()
    await viewer.open(ticket)
    await spared.open((await house.manifest(exam, other.secret))["ticket"])
    await viewer.look(frame=1)
    await viewer.until(lambda h: h["k"] == "frame")
    begun = time.monotonic()
    await house.sessions.revoke(staff.session.id)
    assert await viewer.closed() == 4403
    assert time.monotonic() - begun <= 1.0
    assert await refused(house, ticket) == 4401
    await spared.look(frame=0)
    await spared.until(lambda h: h["k"] == "frame" and h["f"] == 0)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("no json", 4409),
        ("[]", 4409),
        ('{"t":"dance"}', 1008),
        ('{"t":"open","ticket":"again","v":1}', 4409),
        ('{"t":"view","seq":1,"series":0,"frame":99,"fit":[512,512]}', 4409),
        ('{"t":"view","seq":1,"series":7,"frame":0,"fit":[512,512]}', 4409),
        ('{"t":"view","seq":1,"series":0,"frame":0,"fit":[1e400,512]}', 4409),
        ('{"t":"view","seq":1,"series":0,"frame":0,"fit":[512,512],"window":[40,0]}', 4409),
        ('{"t":"view","seq":1,"series":0,"frame":0,"fit":[512,512],"tiles":{"level":99,"rect":[0,0,1,1]}}', 4409),
        ('{"t":"ack","n":99999999}', 4409),
        ('{"t":"overview","series":-1}', 4409),
        ("[" * 5000, 4409),
        ("x" * 20_000, 1009),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_misuse_ends_the_connection(house: House, message: str, code: int) -> None:
    _, _, ticket = await ct(house, 2)
    viewer = await house.socket()
    await viewer.open(ticket)
    await viewer.socket.write_message(message)
    assert await viewer.closed() == code


async def test_before_the_ticket_nothing_else_is_heard(house: House) -> None:
    viewer = await house.socket()
    await viewer.say(t="view", seq=1, series=0, frame=0, fit=[512, 512])
    assert await viewer.closed() == 4409


async def test_silence_at_the_door_ends_after_ten_seconds(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.viewing.socket.FIRST_MESSAGE_SECONDS", 0.2)
    viewer = await house.socket()
    assert await viewer.closed() == 4401


async def test_other_sites_may_not_open_a_stream(house: House) -> None:
    with pytest.raises(HTTPClientError) as caught:
        await house.socket(Origin="https://evil.example")
    assert caught.value.code == 403
    viewer = await house.socket(Origin=house.url)
    viewer.socket.close()


async def test_ping_is_answered(house: House) -> None:
    _, _, ticket = await ct(house, 2)
    viewer = await house.socket()
    await viewer.open(ticket)
    await viewer.say(t="ping", at=12.5)
    assert await viewer.text("pong") == {"t": "pong", "at": 12.5}


async def test_without_acknowledgements_the_server_stops_at_its_window(house: House) -> None:
    _, _, ticket = await ct(house, 20)
    viewer = await house.socket()
    viewer.acknowledge = False
    await viewer.open(ticket)
    await viewer.look(frame=5)
    with pytest.raises(TimeoutError):
        while True:
            await viewer.next(1.0)
    assert 0 < viewer.received <= 48 * 1024


async def test_after_a_cut_nothing_that_is_held_comes_again(house: House) -> None:
    exam, staff, ticket = await ct(house, 20)
    viewer = await house.socket()
    await viewer.open(ticket)
    await viewer.look(frame=10)
    held = await _drain(viewer)
    viewer.socket.close()
    exact = sorted(h["f"] for h in held if h["k"] == "frame" and h["lossless"])
    again = await house.socket()
    have = {
        "series": 0,
        "window": None,
        "fit": [512, 512],
        "sheets": [[0, 19]],
        "frames": [[0, 19]],
        "exact": [[f, f] for f in exact],
    }
    fresh = (await house.manifest(exam, staff.secret))["ticket"]
    await again.open(fresh, have=have)
    await again.look(frame=10, have=2)
    assert await _drain(again) == []
    await again.look(frame=10, have=0)
    assert [h["f"] for h in await _drain(again)] == [10, 10]


async def _drain(viewer: Viewer) -> list[dict]:
    """Headers of all pictures until nothing comes for a while."""
    headers = []
    while True:
        try:
            message = await viewer.next(0.7)
        except TimeoutError:
            return headers
        if message is not None and not isinstance(message, dict):
            headers.append(message.header)


async def test_a_broken_frame_is_a_problem_and_its_neighbours_are_shown(house: House) -> None:
    good = sorted(shared_dicom("mr_siemens_frag_jpll96").glob("*.dcm"))[:3]
    broken = good[1].read_bytes().replace(b"\xff\xd8\xff", b"\0\0\0")
    receipts = await house.send([good[0], broken, good[2]])
    exam = await house.exam_of(receipts[0])
    staff = await house.sign_in()
    for derived in (False, True):
        if derived:
            await house.derive(exam)
        manifest = await house.manifest(exam, staff.secret)
        assert manifest["series"][0]["frames"] == 3
        viewer = await house.socket()
        await viewer.open(manifest["ticket"])
        await viewer.look(frame=1)
        problem = await viewer.text("problem")
        assert (problem["code"], problem["frame"]) == ("corrupt-image", 1)
        assert "损坏" in problem["text"]
        await viewer.look(frame=2)
        await viewer.until(lambda h: h["k"] == "frame" and h["f"] == 2 and h["lossless"])
        viewer.socket.close()
        answer = await house.get(f"/api/v1/exams/{exam.exam}/series/0/frames/1/picture", staff.secret)
        assert (answer.code, json.loads(answer.body)["code"]) == (415, "corrupt-image")


async def test_new_instances_reach_an_open_viewer(house: House) -> None:
    exam, _, ticket = await ct(house, 4)
    viewer = await house.socket()
    await viewer.open(ticket)
    await viewer.look(frame=0)
    await viewer.until(lambda h: h["k"] == "frame")
    await house.send(slices(7)[4:])
    await house.derive(exam)
    while (await viewer.text("series"))["entry"]["frames"] != 7:
        pass
    await viewer.look(frame=6)
    await viewer.until(lambda h: h["k"] == "frame" and h["f"] == 6 and h["lossless"])


async def test_a_series_whose_numbers_lied_is_renumbered_and_sent_anew(house: House) -> None:
    files = []
    for number, path in enumerate(slices(6)):
        dataset = pydicom.dcmread(path)
        dataset.InstanceNumber = (number * 5) % 7
        target = io.BytesIO()
        dataset.save_as(target)
        files.append(target.getvalue())
    exam = await house.exam_of((await house.send(files))[0])
    staff = await house.sign_in()
    viewer = await house.socket()
    before = (await viewer.open((await house.manifest(exam, staff.secret))["ticket"]))["series"][0]
    await _drain(viewer)
    await house.derive(exam)
    after = (await viewer.text("series"))["entry"]
    assert after["order"] != before["order"]
    await viewer.look(frame=2, window=[40, 400])
    exact = await viewer.until(lambda h: h["k"] == "frame" and h["f"] == 2 and h["lossless"])
    positions = sorted((pydicom.dcmread(io.BytesIO(f)) for f in files), key=lambda d: d.ImagePositionPatient[2])
    pictures = [render.window_pixels(*_values(d), render.Window(40, 400)) for d in positions]
    assert any(np.array_equal(pixels_of(exact.body), picture) for picture in (pictures[2], pictures[-3]))


def _values(dataset: pydicom.Dataset):
    image = render.open_image(dataset)
    return image.decode(0), image.transform(0)


async def test_one_record_for_an_opening_and_none_for_pictures(house: House) -> None:
    exam, staff, ticket = await ct(house, 5)
    audit = house.database.collection("audit")
    before = await audit.count({})
    viewer = await house.socket()
    await viewer.open(ticket)
    for frame in range(5):
        await viewer.look(frame=frame)
        await viewer.until(lambda h, frame=frame: h["k"] == "frame" and h["f"] == frame)
    for frame in range(5):
        assert (await house.get(f"/api/v1/exams/{exam.exam}/series/0/frames/{frame}/picture", staff.secret)).code == 200
    assert await audit.count({}) <= before + 1
    assert isinstance(house.trail, AuditStore)


async def test_a_patient_sees_only_what_is_proved(house: House) -> None:
    exam, _, _ = await ct(house, 2)
    nobody = await house.sign_in_patient(["another person"])
    cookie = f"yy_session={nobody.secret}"
    answer = await house.get(f"/api/v1/exams/{exam.exam}/manifest", cookie=cookie)
    missing = await house.get("/api/v1/exams/2345678923456789/manifest", cookie=cookie)
    assert (answer.code, missing.code) == (404, 404)
    drop = ("request_id",)
    assert {k: v for k, v in json.loads(answer.body).items() if k not in drop} == {
        k: v for k, v in json.loads(missing.body).items() if k not in drop
    }
    owner = await house.sign_in_patient([exam.person])
    body = json.loads(
        (await house.get(f"/api/v1/exams/{exam.exam}/manifest", cookie=f"yy_session={owner.secret}")).body
    )
    assert body["grade"] == "browse"
    assert set(body["title"]["patient"][1:]) <= {"*"}


@pytest.mark.parametrize(
    ("role", "grade"),
    [(Role.RADIOLOGIST, "diagnostic"), (Role.CLINICIAN, "browse"), (Role.PROVINCE_ADMIN, "diagnostic")],
)
async def test_the_grade_is_that_of_the_role(house: House, role: Role, grade: str) -> None:
    exam = await house.exam_of((await house.send(slices(1)))[0])
    staff = await house.sign_in(role, INSTITUTION)
    assert (await house.manifest(exam, staff.secret))["grade"] == grade


async def test_many_viewers_of_one_frame_decode_it_once(house: House) -> None:
    exam, staff, _ = await ct(house, 3)
    calls = 0
    whole = house.source._whole

    async def counted(*args):
        nonlocal calls
        calls += 1
        return await whole(*args)

    house.source._whole = counted  # type: ignore[method-assign]
    path = f"/api/v1/exams/{exam.exam}/series/0/frames/2/picture"
    answers = await asyncio.gather(*(house.get(path, staff.secret) for _ in range(10)))
    assert {answer.code for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert calls == 1


async def test_a_flood_of_messages_is_put_out_but_acknowledgements_are_none(house: House) -> None:
    """On a fast link a terminal receives, and so acknowledges, more in a moment than it could have to say."""
    _, _, ticket = await ct(house, 2)
    viewer = await house.socket()
    await viewer.open(ticket)
    await viewer.until(lambda header: header["k"] == "frame")
    await viewer.look(frame=1)
    acknowledged = viewer.received
    while viewer.received < acknowledged + 3000:
        raw = await viewer.socket.read_message()
        viewer.received += len(raw) if isinstance(raw, bytes) else 0
    for total in range(acknowledged + 1, acknowledged + 3001):
        await viewer.say(t="ack", n=total)
    await viewer.say(t="ping", at=1)
    await viewer.text("pong")
    for _ in range(3000):
        await viewer.say(t="ping", at=2)
    assert await viewer.closed() == 4409
