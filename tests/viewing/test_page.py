"""The page: one document, valid when compressed, closed to strangers; links that work once."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
from pathlib import Path

import pytest

from backend.access.model import Role
from backend.platform.ids import public_id
from backend.viewing.page import Assets, NotBuilt, Page
from tests.images import shared_dicom
from tests.viewing.conftest import build_front_end
from tests.viewing.house import House
from tests.viewing.pictures import pixels_of


def element(page: str, name: str) -> dict:
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page)
    assert found is not None
    return json.loads(found[1])


async def ct(house: House, count: int = 8, *, derived: bool = True):
    files = sorted(shared_dicom("ct_cmb_crc_chest100").glob("*.dcm"))[:count]
    exam = await house.exam_of((await house.send(files))[0])
    if derived:
        await house.derive(exam)
    return exam, await house.sign_in()


def test_pieces_make_one_valid_document_compressed_or_not(tmp_path: Path) -> None:
    code = Assets(build_front_end(tmp_path / "static")).code()
    manifest = {"title": "<script>张*</script>"}
    first = {"series": 0, "data": base64.b64encode(bytes(range(256)) * 40).decode()}
    plain = Page(code, "n0", gzip=False)
    packed = Page(code, "n0", gzip=True)
    whole = [b"".join((page.head(), page.data(manifest, first), page.rest())) for page in (plain, packed)]
    assert gzip.decompress(whole[1]) == whole[0]
    text = whole[0].decode()
    assert element(text, "manifest") == manifest
    assert element(text, "first") == first
    assert text.count("</script>") == 4
    assert text.index("boot style") < text.index('id="manifest"') < text.index('id="first"') < text.index("boot script")
    assert text.index("boot script") < text.index("main style") < text.index("main script")
    assert len(whole[1]) < len(first["data"]) * 0.78 + 1500


def test_without_a_build_the_remedy_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotBuilt) as caught:
        Assets(tmp_path).code()
    assert "npm" in caught.value.text


def test_a_new_build_is_noticed(tmp_path: Path) -> None:
    folder = build_front_end(tmp_path / "static")
    assets = Assets(folder)
    assert b"boot script" in assets.code().boot_js.plain
    (folder / "assets/boot-1.js").write_text("/* newer */")
    manifest = folder / ".vite/manifest.json"
    manifest.write_text(manifest.read_text() + "\n")
    assert assets.code().boot_js.plain == b"/* newer */"


@pytest.mark.parametrize("derived", [True, False], ids=["derived", "fresh"])
async def test_the_page_carries_manifest_ticket_and_first_picture(house: House, derived: bool) -> None:
    exam, staff = await ct(house, derived=derived)
    answer = await house.get(f"/viewer/{exam.exam}", staff.secret, Accept_Encoding="gzip")
    assert answer.code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    page = gzip.decompress(answer.body).decode()
    nonce = re.search(r"script-src 'nonce-([^']+)'", answer.headers["Content-Security-Policy"])[1]
    assert page.count(f"nonce={nonce}>") == 4
    manifest, first = element(page, "manifest"), element(page, "first")
    assert set(manifest["title"]) == {"patient", "sex", "age", "modality", "description", "date", "institution"}
    assert (first["frame"], first["auto"], first["size"]) == (4, True, [512, 512])
    assert pixels_of(base64.b64decode(first["data"])).shape == (512, 512)
    assert len(answer.body) < 45_000
    viewer = await house.socket(Origin=house.url)
    ready = await viewer.open(manifest["ticket"])
    assert ready["series"] == manifest["series"]


async def test_strangers_are_sent_to_the_gate_and_learn_nothing(house: House) -> None:
    exam, _ = await ct(house, 1)
    answer = await house.get(f"/viewer/{exam.exam}")
    assert answer.code == 303
    assert answer.headers["Location"] == f"/?to=/viewer/{exam.exam}"
    unknown = await house.get(f"/viewer/{public_id()}")
    assert (unknown.code, unknown.body) == (answer.code, answer.body) == (303, b"")
    foreign = await house.sign_in(Role.RADIOLOGIST, "H2")
    assert (await house.get(f"/viewer/{exam.exam}", foreign.secret)).code == 404


async def test_a_link_opens_once_even_for_fifty_at_once(house: House) -> None:
    exam, staff = await ct(house, 2)
    made = await house.post("/api/v1/viewer-links", {"study_instance_uid": exam.study_instance_uid}, staff.secret)
    url = json.loads(made.body)["url"]
    assert made.code == 201
    assert exam.exam not in url
    path = url.removeprefix(house.url)
    answers = await asyncio.gather(*(house.get(path) for _ in range(50)))
    assert sorted({a.code for a in answers}) == [200, 410]
    (winner,) = [a for a in answers if a.code == 200]
    loser = next(a for a in answers if a.code == 410)
    assert json.loads(loser.body)["code"] == "link-used"
    manifest = element(winner.body.decode(), "manifest")
    assert (manifest["exam"], manifest["grade"]) == (exam.exam, "diagnostic")
    cookie = winner.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    name_value = cookie.split(";")[0]
    again = await house.get(f"/viewer/{exam.exam}", cookie=name_value)
    assert again.code == 200
    viewer = await house.socket()
    await viewer.open(manifest["ticket"])
    await viewer.look(frame=0)
    await viewer.until(lambda h: h["k"] == "frame" and h["lossless"])
    await house.sessions.end_all(staff.session.subject)
    assert await viewer.closed() == 4403


async def test_a_link_holder_sees_that_exam_only(house: House) -> None:
    exam, staff = await ct(house, 1)
    other = await house.exam_of((await house.send([shared_dicom("cine_multiframe", "MOVEKNEE.dcm")]))[0])
    made = await house.post("/api/v1/viewer-links", {"study_instance_uid": exam.study_instance_uid}, staff.secret)
    opened = await house.get(json.loads(made.body)["url"].removeprefix(house.url))
    cookie = opened.headers["Set-Cookie"].split(";")[0]
    secret = cookie.split("=")[1]
    assert (await house.get(f"/api/v1/exams/{exam.exam}/manifest", cookie=cookie)).code == 200
    forged = f"yy_link_{other.exam}={secret}"
    assert (await house.get(f"/api/v1/exams/{other.exam}/manifest", cookie=forged)).code in (401, 404)


async def test_links_need_the_right_and_their_makers_session(house: House) -> None:
    exam, staff = await ct(house, 1)
    body = {"study_instance_uid": exam.study_instance_uid}
    foreign = await house.sign_in(Role.CLINICIAN, "H2")
    assert (await house.post("/api/v1/viewer-links", body, foreign.secret)).code == 404
    assert (await house.post("/api/v1/viewer-links", {"study_instance_uid": "1.2.3"}, staff.secret)).code == 404
    assert (await house.post("/api/v1/viewer-links", {"study_instance_uid": {"$gt": ""}}, staff.secret)).code == 400
    made = await house.post("/api/v1/viewer-links", body, staff.secret)
    await house.sessions.revoke(staff.session.id)
    assert (await house.get(json.loads(made.body)["url"].removeprefix(house.url))).code == 410


async def test_pictures_over_http_are_checked(house: House) -> None:
    exam, staff = await ct(house, 2)
    base = f"/api/v1/exams/{exam.exam}/series/0"
    wrong = {
        "/frames/0/picture?window=a,b": 400,
        "/frames/0/picture?window=1,0": 400,
        "/frames/0/picture?window=1,2&window=3,4": 400,
        "/frames/0/picture?format=gif": 400,
        "/frames/0/picture?quality=0": 400,
        "/frames/0/picture?fit=0,5": 400,
        "/frames/9/picture": 404,
        "/frames/0/tiles/0/1/0": 404,
        "/frames/0/tiles/30/0/0": 404,
    }
    for path, status in wrong.items():
        assert (await house.get(base + path, staff.secret)).code == status, path
    assert (await house.get(f"/api/v1/exams/{exam.exam}/series/5/frames/0/picture", staff.secret)).code == 404
    assert (await house.get(base + "/frames/0/picture")).code == 401
    thumbnail = await house.get(base + "/thumbnail", staff.secret)
    assert pixels_of(thumbnail.body).shape == (128, 128)
    tile = await house.get(base + "/frames/0/tiles/0/0/0?format=png&window=40,400", staff.secret)
    whole = await house.get(base + "/frames/0/picture?format=png&window=40,400", staff.secret)
    assert (pixels_of(tile.body) == pixels_of(whole.body)).all()
    assert whole.headers["X-Window"] == "40.0,400.0"
