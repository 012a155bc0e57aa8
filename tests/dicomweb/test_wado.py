"""WADO-RS over HTTP: originals byte for byte, frames in every form, metadata, bulk data, within the caller's right."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmread
from tornado.simple_httpclient import HTTPStreamClosedError

from backend.access.model import Role
from backend.archive.model import Exam, Instance
from render import open_image
from tests.dicomweb.house import DicomWebHouse, client, parts_of, tiny
from tests.images import shared_dicom

ELE, J2K, HTJ2K = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.202"
ANY_DICOM = 'multipart/related; type="application/dicom"; transfer-syntax=*'


def path_of(exam: Exam, instance: Instance) -> str:
    return path_of_instance(f"/studies/{exam.study_instance_uid}", instance)


def path_of_instance(study: str, instance: Instance) -> str:
    return f"{study}/series/{instance.series_key.partition('/')[2]}/instances/{instance.sop_instance_uid}"


async def received(house: DicomWebHouse, content: bytes | Path) -> tuple[Exam, Instance, str]:
    """A stored file: its exam, its instance, and its path."""
    (receipt,) = await house.send([content])
    assert receipt.outcome.value == "stored", receipt
    exam = await house.exam_of(receipt)
    instance = await house.archive.instance("H1", receipt.sop_instance_uid)
    assert instance is not None
    return exam, instance, path_of(exam, instance)


def compressed() -> list[Path]:
    """One file of each of several compressed syntaxes."""
    found: dict[str, Path] = {}
    for path in sorted(shared_dicom("ts_ladder").rglob("*")):
        if path.is_file() and path.stat().st_size < 1_000_000:
            try:
                image = open_image(path.read_bytes())
                image.decode(0)
            except Exception:
                continue
            if image.encapsulated and image.format.samples == 1 and image.dataset.get("StudyInstanceUID"):
                found.setdefault(image.format.transfer_syntax_uid, path)
    return list(found.values())


async def test_instances_come_back_byte_for_byte(house: DicomWebHouse, slices: list[Path], tmp_path: Path) -> None:
    await house.store(slices)
    exam, instance, path = await received(house, tiny(1, PatientName="张^三"))
    token = await house.token()
    (study,) = await house.rows("/studies?ModalitiesInStudy=CT", token)
    uid = study["0020000D"]["Value"][0]
    sent = {hashlib.sha256(s.read_bytes()).hexdigest() for s in slices}
    for accept in (ANY_DICOM, 'multipart/related; type="application/dicom"', "*/*", "multipart/related"):
        parts = parts_of(await house.ask(f"/studies/{uid}", token, Accept=accept))
        assert {hashlib.sha256(body).hexdigest() for _, body in parts} == sent
    head, body = parts[0]
    assert head["Content-Type"] == f"application/dicom; transfer-syntax={ELE}"
    assert int(head["Content-Length"]) == len(body)
    assert head["Content-Location"].startswith(f"{house.url}/dicom-web/studies/{uid}/series/")
    single = await house.ask(path, token, Accept="application/dicom")
    assert single.body == tiny(1, PatientName="张^三")
    assert single.headers["Content-Type"] == f"application/dicom; transfer-syntax={ELE}"
    assert single.headers["Cache-Control"] == "no-store"
    (tmp_path / "one.dcm").write_bytes(single.body)
    command = ["dcmdump", "+P", "SOPInstanceUID", str(tmp_path / "one.dcm")]
    dump = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True, text=True)
    assert instance.sop_instance_uid in dump.stdout
    assert (await house.ask(f"/studies/{exam.study_instance_uid}", token, Accept="application/dicom")).code == 200
    assert (await house.ask(f"/studies/{uid}", token, Accept="application/dicom")).code == 406


@pytest.mark.parametrize("source", compressed(), ids=lambda p: p.name)
async def test_forms_of_a_compressed_instance(house: DicomWebHouse, source: Path) -> None:
    exam, instance, path = await received(house, source)
    syntax = instance.transfer_syntax_uid
    image = open_image(source.read_bytes())
    expected = image.decode(0)
    token = await house.token()

    async def frame(accept: str) -> tuple[str, bytes]:
        response = await house.ask(f"{path}/frames/1", token, Accept=accept)
        assert response.code == 200, response.body
        ((head, body),) = parts_of(response)
        return head["Content-Type"], body

    kind, body = await frame('multipart/related; type="application/octet-stream"')
    assert kind == f"application/octet-stream; transfer-syntax={ELE}"
    assert body == expected.tobytes() + b"\0" * (expected.nbytes % 2)
    kind, body = await frame('multipart/related; type="application/octet-stream"; transfer-syntax=*')
    assert kind.endswith(f"transfer-syntax={syntax}")
    assert body == image.frame_bytes(0)
    original = await house.ask(path, token, Accept="application/dicom; transfer-syntax=*")
    assert original.body == source.read_bytes()
    plain = await house.ask(path, token, Accept=f"application/dicom; transfer-syntax={ELE}")
    assert plain.headers["Content-Type"] == f"application/dicom; transfer-syntax={ELE}"
    again = open_image(plain.body)
    assert again.format.transfer_syntax_uid == ELE
    assert np.array_equal(again.decode(0), expected)
    assert (await house.ask(f"{path}/frames/1", token, Accept="image/jphc")).code == (200 if "4.20" in syntax else 406)
    await house.derive(exam)
    await asyncio.sleep(1.1)  # Instances are read again after a second.
    kind, body = await frame('multipart/related; type="image/jphc"; transfer-syntax=' + HTJ2K)
    assert kind == f"image/jphc; transfer-syntax={HTJ2K}"
    assert np.array_equal(imagecodecs.htj2k_decode(body), expected)


async def test_frames(house: DicomWebHouse) -> None:
    source = next(p for p in sorted(shared_dicom("mr_enhanced").rglob("*.dcm")) if p.name == "emri_small.dcm")
    _, instance, path = await received(house, source)
    token = await house.token()
    image = open_image(source.read_bytes())
    response = await house.ask(f"{path}/frames/3,1,10", token)
    parts = parts_of(response)
    assert [body for _, body in parts] == [image.frame_bytes(n) for n in (2, 0, 9)]
    assert parts[0][0]["Content-Location"].endswith("/frames/3")
    single = await house.ask(f"{path}/frames/2", token, Accept="application/octet-stream")
    assert single.body == image.frame_bytes(1)
    assert (await house.ask(f"{path}/frames/11", token)).code == 404
    for wrong in ("0", "a", "1,,2", "-1"):
        assert (await house.ask(f"{path}/frames/{wrong}", token)).code == 400
    whole = await house.ask(f"{path}/bulkdata/7FE00010", token, Accept="application/octet-stream")
    assert whole.body == b"".join(image.frame_bytes(n) for n in range(instance.frames))


async def test_metadata_and_bulk_data(house: DicomWebHouse, slices: list[Path]) -> None:
    table = bytes(range(256)) * 20
    values = {"PatientName": "张^三", "RedPaletteColorLookupTableData": table}
    _, _, path = await received(house, tiny(1, **values))
    await house.store(slices)
    token = await house.token()
    response = await house.ask(f"{path}/metadata", token)
    assert response.headers["Content-Type"] == "application/dicom+json"
    (header,) = json.loads(response.body)
    assert header["00100010"]["Value"] == [{"Alphabetic": "张^三"}]
    (row,) = await house.rows("/studies?PatientID=P00001", token)
    assert row["00100010"] == header["00100010"]
    assert header["00280010"]["Value"] == [8]
    assert "InlineBinary" not in header["7FE00010"]
    for tag, expected in (("00281201", table), ("7FE00010", bytes(range(64)))):
        url = header[tag]["BulkDataURI"].removeprefix(f"{house.url}/dicom-web")
        bulk = await house.ask(url, token, Accept='multipart/related; type="application/octet-stream"')
        ((_, body),) = parts_of(bulk)
        assert body == expected
    assert (await house.ask(f"{path}/bulkdata/0/999999999", token)).code == 404
    assert (await house.ask(f"{path}/bulkdata/7/0", token)).code == 404
    (study,) = await house.rows("/studies?ModalitiesInStudy=CT", token)
    found = json.loads((await house.ask(f"/studies/{study['0020000D']['Value'][0]}/metadata", token)).body)
    assert len(found) == 10
    for header, source in zip(found, sorted(slices, key=lambda s: dcmread(s).InstanceNumber), strict=True):
        dataset = dcmread(source, stop_before_pixels=True)
        ours = {tag for tag in header if tag != "7FE00010"}
        theirs = {tag for tag in dataset.to_json_dict() if not tag.endswith("0000")}
        assert ours == theirs
        assert header["00200032"]["Value"] == [float(v) for v in dataset.ImagePositionPatient]


async def test_rights(house: DicomWebHouse) -> None:
    exam, _, path = await received(house, tiny(1, PatientName="张^三"))
    study = f"/studies/{exam.study_instance_uid}"
    originals = [study, path, f"{path}/frames/1", f"{path}/bulkdata/7FE00010", f"{path}/bulkdata/0/10"]
    pictures = [f"{study}/rendered", f"{path}/rendered", f"{path}/frames/1/rendered", f"{study}/thumbnail"]
    foreign = await house.token(Role.RADIOLOGIST, "H2")
    clinician = await house.token(Role.CLINICIAN)
    patient = f"yy_session={(await house.sign_in_patient([exam.person])).secret}"
    stranger = f"yy_session={(await house.sign_in_patient(['somebody else'])).secret}"
    for url in (*originals, *pictures, f"{study}/metadata"):
        assert (await house.ask(url, foreign)).code == 404, url
        assert (await house.get(f"/dicom-web{url}")).code == 401, url
    for url in originals:
        assert (await house.ask(url, clinician)).code == 403, url
        assert (await house.get(f"/dicom-web{url}", cookie=patient)).code == 403, url
    for url in (*pictures, f"{study}/metadata"):
        assert (await house.ask(url, clinician)).code == 200, url
        assert (await house.get(f"/dicom-web{url}", cookie=patient)).code == 200, url
        assert (await house.get(f"/dicom-web{url}", cookie=stranger)).code == 404, url


async def test_an_ended_session_is_out_within_a_second(house: DicomWebHouse) -> None:
    _, _, path = await received(house, tiny(1))
    started = await house.sign_in()
    assert (await house.ask(f"{path}/rendered", started.secret)).code == 200
    await house.sessions.revoke(started.session.id)
    await asyncio.sleep(1.0)
    assert (await house.ask(f"{path}/rendered", started.secret)).code == 401


async def test_one_record_for_many_frames(house: DicomWebHouse) -> None:
    exam, _, path = await received(house, tiny(1))
    token = await house.token()
    for _ in range(5):
        assert (await house.ask(f"{path}/rendered", token)).code == 200
    rows = await house.database.collection("audit").find({"resource": exam.exam})
    assert [row["action"] for row in rows] == ["exam.view"]
    assert (await house.ask(path, token)).code == 200
    assert (await house.ask(path, await house.token(Role.RADIOLOGIST, "H2"))).code == 404
    rows = await house.database.collection("audit").find({"resource": exam.exam})
    assert sorted((row["action"], row["allowed"]) for row in rows) == [
        ("exam.original", False),
        ("exam.original", True),
        ("exam.view", True),
    ]


async def test_paths_that_are_none(house: DicomWebHouse) -> None:
    exam, instance, path = await received(house, tiny(1))
    token = await house.token()
    study = f"/studies/{exam.study_instance_uid}"
    assert (await house.ask(f"{study}/series/1.2.3", token)).code == 404
    assert (await house.ask(f"{study}/series/1.2.3/instances/{instance.sop_instance_uid}", token)).code == 404
    assert (await house.ask("/studies/1.2.3/metadata", token)).code == 404
    assert (await house.ask("/studies/abc", token)).code == 400
    assert (await house.ask("/studies/1.2%00/series", token)).code == 400
    assert (await house.ask(f"{path}/nothing", token)).code == 404
    response = await house.ask(path, token, Accept="text/html")
    problem = json.loads(response.body)
    assert response.code == problem["status"] == 406
    assert "application/dicom; transfer-syntax=" + ELE in problem["acceptable"]


async def test_the_accept_parameter(house: DicomWebHouse) -> None:
    _, _, path = await received(house, tiny(1))
    token = await house.token()
    response = await house.ask(f"{path}/rendered?accept=image/png", token, Accept="image/jpeg")
    assert response.headers["Content-Type"] == "image/png"


async def test_a_body_that_cannot_be_finished_is_cut(house: DicomWebHouse, slices: list[Path]) -> None:
    await house.store(slices)
    token = await house.token()
    (row,) = await house.rows("/studies", token)
    study = f"/studies/{row['0020000D']['Value'][0]}"
    instances = await house.archive.instances_of_exam(f"H1/{row['0020000D']['Value'][0]}")
    await house.objects.delete(instances[5].original)
    with pytest.raises(HTTPStreamClosedError):
        await house.ask(study, token)
    missing = await house.ask(path_of_instance(study, instances[5]), token)
    assert missing.code == 404
    assert (await house.ask(path_of_instance(study, instances[6]), token)).code == 200


async def test_another_makers_client(house: DicomWebHouse, slices: list[Path]) -> None:
    await house.store(slices)
    web = client(house, await house.token())
    first = dcmread(slices[0])
    uids = (first.StudyInstanceUID, first.SeriesInstanceUID, first.SOPInstanceUID)

    def look() -> None:
        assert len(web.retrieve_study(uids[0])) == 10
        assert len(web.retrieve_series(*uids[:2])) == 10
        instance = web.retrieve_instance(*uids)
        assert instance.PixelData == first.PixelData
        (frame,) = web.retrieve_instance_frames(*uids, [1])
        assert frame == first.PixelData
        metadata = web.retrieve_series_metadata(*uids[:2])
        assert len(metadata) == 10
        (bulk,) = web.retrieve_bulkdata(metadata[0]["7FE00010"]["BulkDataURI"])
        assert len(bulk) == len(first.PixelData)
        assert web.retrieve_instance_rendered(*uids, media_types=["image/jpeg"])[:2] == b"\xff\xd8"
        assert web.retrieve_instance_frames_rendered(*uids, [1], media_types=["image/png"])[:4] == b"\x89PNG"

    await asyncio.to_thread(look)


async def test_a_slow_reader_holds_no_memory(house: DicomWebHouse, tmp_path: Path) -> None:
    """The server waits for the reader: what it has read ahead of a client that stops is bounded."""
    large = tiny(1, Rows=4000, Columns=4000, PixelData=bytes(16_000_000))
    _, instance, path = await received(house, large)
    token = await house.token()
    read: list[int] = []
    stream = house.objects.stream

    async def counted(key: str):  # type: ignore[no-untyped-def]
        async for piece in stream(key):
            read.append(len(piece))
            yield piece

    house.objects.stream = counted  # type: ignore[method-assign]
    port = int(house.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=65536)
    head = f"GET /dicom-web{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nAccept: application/dicom\r\n\r\n"
    writer.write(head.encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    await asyncio.sleep(1)
    assert sum(read) < 10_000_000
    body = BytesIO()
    while len(body.getvalue()) < instance.size and (piece := await reader.read(1 << 20)):
        body.write(piece)
    assert body.getvalue()[-instance.size :] == large or large in body.getvalue()
    writer.close()
