"""STOW-RS by a raw client and by dicomweb-client: streamed, told per instance, nothing half."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from io import BytesIO

import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from tornado.iostream import IOStream, StreamClosedError
from tornado.tcpclient import TCPClient

from backend.access.model import Scope
from backend.archive.model import ExamQuery
from tests.archive.conftest import Archive
from tests.archive.web import Web, content_type, multipart, outcome, start_web, value
from tests.images import shared_dicom

CT = "ct_cmb_crc_chest100"


@pytest.fixture
async def web(archive: Archive) -> AsyncIterator[Web]:
    made = await start_web(archive, max_body_bytes=64 << 20)
    yield made
    made.server.stop()


def slices(count: int) -> list[bytes]:
    return [path.read_bytes() for path in sorted(shared_dicom(CT).glob("*.dcm"))[:count]]


async def test_instances_of_one_request_are_stored_and_a_repetition_changes_nothing(archive: Archive, web: Web) -> None:
    files = slices(5)
    first = await web.post(multipart(files))
    assert first.code == 200 and first.headers["Content-Type"] == "application/dicom+json"
    told = outcome(first)
    assert len(told["stored"]) == 5 and not told["failed"] and not told["other"]
    assert value(told["stored"][0], "00081196") is None
    second = await web.post(multipart(files))
    assert second.code == 200
    assert [value(item, "00081196") for item in outcome(second)["stored"]] == [0xB0FF] * 5
    for file in files:
        uid = pydicom.dcmread(BytesIO(file), stop_before_pixels=True).SOPInstanceUID
        instance = await archive.store.instance("H1", uid)
        assert instance is not None and await archive.objects.get(instance.original) == file
    assert await archive.database.collection("audit").count({}) == 2


async def test_each_instance_has_its_own_answer(archive: Archive, web: Web) -> None:
    good, changed = slices(2)
    assert (await web.post(multipart([good]))).code == 200
    other_bytes = good[:-2] + b"\x01\x02"
    mixed = await web.post(multipart([changed, other_bytes, b"no DICOM at all"]))
    assert mixed.code == 202
    told = outcome(mixed)
    assert len(told["stored"]) == len(told["failed"]) == len(told["other"]) == 1
    assert value(told["failed"][0], "00081197") == 0x0111
    assert "uid-conflict" in value(told["failed"][0], "00000902")
    assert "not-dicom" in value(told["other"][0], "00000902")
    nothing = await web.post(multipart([b"no DICOM at all"]))
    assert nothing.code == 409
    page = json.loads((await web.get("/api/v1/kept-aside?limit=1", "admin1")).body)
    assert page["items"][0]["code"] == "not-dicom" and page["items"][0]["times"] == 2 and page["next"]
    rest = json.loads((await web.get(f"/api/v1/kept-aside?after={page['next']}", "province")).body)
    assert [item["code"] for item in rest["items"]] == ["uid-conflict"] and rest["next"] is None
    held = await archive.store.instance("H1", value(told["failed"][0], "00081155"))
    assert held is not None and await archive.objects.get(held.original) == good


async def test_another_study_than_announced_is_refused(web: Web) -> None:
    answer = await web.post(multipart(slices(1)), path="/dicom-web/studies/1.2.3")
    assert answer.code == 409 and value(outcome(answer)["other"][0], "00081197") == 0xA900


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Authorization": "Bearer x"}, 401, "unauthenticated"),
        ({"Authorization": "Bearer doctor1"}, 403, "forbidden"),
        ({"Authorization": "Bearer province"}, 403, "forbidden"),
        ({"Content-Type": "application/dicom"}, 415, "unsupported-media-type"),
        ({"Content-Type": content_type(kind="application/dicom+json")}, 415, "unsupported-media-type"),
        ({"Content-Type": 'multipart/related; type="application/dicom"'}, 400, "broken-multipart"),
        ({"Accept": "application/dicom+xml"}, 415, "not-acceptable"),
    ],
)
async def test_what_the_head_already_shows_is_refused(
    web: Web, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await web.post(multipart([b"x"]), headers=headers)
    assert (answer.code, json.loads(answer.body)["code"]) == (status, code)


async def test_a_broken_body_keeps_what_arrived(archive: Archive, web: Web) -> None:
    whole = multipart(slices(3))
    answer = await web.post(whole[:-300_000])
    assert answer.code == 202
    told = outcome(answer)
    assert len(told["stored"]) == 2 and "broken-multipart" in value(told["other"][0], "00000902")
    nothing = await web.post(b"no parts")
    assert nothing.code == 400 and json.loads(nothing.body)["code"] == "broken-multipart"
    empty = await web.post(b"--part--\r\n")
    assert empty.code == 400 and json.loads(empty.body)["code"] == "empty-upload"


async def test_a_sender_that_goes_away_leaves_nothing_half(archive: Archive, web: Web) -> None:
    files = slices(2)
    body = multipart(files)
    stream = await _open(web, len(body))
    await stream.write(body[: len(body) - 200_000])
    await asyncio.sleep(0.5)
    stream.close()
    for _ in range(50):
        page = await archive.store.search_exams(Scope(everything=True), ExamQuery(), 10)
        if page.items and page.items[0].instance_count == 1:
            break
        await asyncio.sleep(0.1)
    (exam,) = page.items
    assert exam.instance_count == 1
    assert (await web.post(body)).code == 200


async def test_oversize_is_told_before_the_body_is_read(web: Web) -> None:
    stream = await _open(web, 65 << 20)
    head = await stream.read_until(b"\r\n")
    assert b" 413 " in head
    stream.close()
    # Without an announced length the limit is met on the way.
    stream = await _open(web, None)
    piece = b"%x\r\n" % (1 << 20) + b"\0" * (1 << 20) + b"\r\n"
    with pytest.raises(StreamClosedError):
        for _ in range(70):
            await stream.write(piece)
        await stream.read_until_close()
        raise StreamClosedError


async def test_a_large_instance_passes_in_constant_memory(archive: Archive, web: Web) -> None:
    dataset = pydicom.dcmread(BytesIO(slices(1)[0]))
    dataset.Rows = dataset.Columns = 4096
    dataset.PixelData = bytes(4096 * 4096 * 2)
    dataset.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    held = BytesIO()
    dataset.save_as(held)
    answer = await web.post(multipart([held.getvalue()]))
    assert answer.code == 200
    instance = await archive.store.instance("H1", dataset.SOPInstanceUID)
    assert instance is not None and instance.rows == 4096
    assert await archive.objects.get(instance.original) == held.getvalue()


async def test_dicomweb_client_stores(web: Web) -> None:
    datasets = [pydicom.dcmread(BytesIO(file)) for file in slices(3)]
    client = DICOMwebClient(f"{web.base}/dicom-web", headers={"Authorization": f"Bearer {web.token}"})
    answer = await asyncio.to_thread(client.store_instances, datasets)
    assert len(answer.ReferencedSOPSequence) == 3


async def _open(web: Web, length: int | None) -> IOStream:
    host, port = web.base.removeprefix("http://").split(":")
    stream = await TCPClient().connect(host, int(port))
    size = f"Content-Length: {length}" if length is not None else "Transfer-Encoding: chunked"
    lines = ["POST /dicom-web/studies HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {web.token}", size]
    await stream.write("\r\n".join([*lines, f"Content-Type: {content_type()}", "", ""]).encode())
    return stream
