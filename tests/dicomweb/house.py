"""The DICOMweb side of the house, wired as the composition root does it, behind a real server with real sessions."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import tornado.web
from dicomweb_client import DICOMwebClient
from dicomweb_client.session_utils import create_session
from pydicom.dataset import Dataset, FileMetaDataset
from tornado.httpclient import HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from backend.access.model import Role
from backend.archive.rules import Exams
from backend.archive.stow import stow_routes
from backend.dicomweb.metadata import Metadata
from backend.dicomweb.openings import Openings
from backend.dicomweb.qido import Searches
from backend.dicomweb.rendered import Renderer
from backend.dicomweb.routes import routes
from backend.dicomweb.wado import Retrieval
from backend.identity.authenticator import Authenticator
from backend.web.handler import NotFoundHandler
from backend.web.router import build
from tests.viewing.house import House

UPLOAD_TOKEN = "upload-credential-of-h1"


class Credentials:
    """Upload credentials as organisation holds them."""

    async def institution_of(self, secret: str) -> str | None:
        return "H1" if secret == UPLOAD_TOKEN else None


class DicomWebHouse(House):
    """Everything of viewing's house, with DICOMweb served."""

    def serve(self) -> None:
        socket, port = bind_unused_port()
        self.url = f"http://127.0.0.1:{port}"
        exams = Exams(self.archive, self.guard)
        openings = Openings(exams, self.archive, self.clock)
        table = routes(
            Searches(exams, openings, self.archive),
            Retrieval(openings, self.objects, self.source, self.pool),
            Metadata(openings, self.archive),
            Renderer(openings, self.source, self.pool),
            store=stow_routes(self.ingest, exams, 1 << 30),
        )
        app = tornado.web.Application(
            build(table),
            authenticator=Authenticator(self.sessions, self.tokens, Credentials(), self.clock),
            default_handler_class=NotFoundHandler,
            default_handler_args={},
        )
        self._server = HTTPServer(app)
        self._server.add_sockets([socket])

    async def token(self, role: Role = Role.RADIOLOGIST, institution: str = "H1") -> str:
        """A bearer token of somebody with this role."""
        return (await self.sign_in(role, institution)).secret

    async def ask(self, path: str, token: str, **headers: str) -> HTTPResponse:
        """GET below /dicom-web."""
        return await self.get(f"/dicom-web{path}", token, **headers)

    async def rows(self, path: str, token: str) -> list[dict[str, Any]]:
        """The rows of a search that succeeds."""
        response = await self.ask(path, token)
        assert response.code == 200, response.body
        assert response.headers["Content-Type"] == "application/dicom+json"
        return json.loads(response.body)

    async def store(self, contents: Iterable[bytes | Path], institution: str = "H1") -> None:
        """Receives files and waits until they are counted."""
        receipts = [receipt for some in batched(contents, 20) for receipt in await self.send(some, institution)]
        assert {receipt.outcome.value for receipt in receipts} <= {"stored", "duplicate"}, receipts
        wanted = Counter(f"{institution}/{r.study_instance_uid}" for r in set(receipts))
        async with asyncio.timeout(20):
            for key, count in wanted.items():
                while (exam := await self.archive.exam(key)) is None or exam.instance_count < count:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)


def batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of at most `size` items."""
    left = iter(items)
    while some := list(islice(left, size)):
        yield some


def client(house: DicomWebHouse, token: str) -> DICOMwebClient:
    """A DICOMweb client of another maker; blocks, so it is called in a thread."""
    session = create_session()
    session.headers["Authorization"] = f"Bearer {token}"
    return DICOMwebClient(f"{house.url}/dicom-web", session=session)


def parts_of(response: HTTPResponse) -> list[tuple[dict[str, str], bytes]]:
    """Headers and body of each part of a multipart/related body, by the rules of RFC 2046."""
    kind, _, boundary = response.headers["Content-Type"].partition("boundary=")
    assert kind.startswith("multipart/related")
    body = response.body
    delimiter = f"--{boundary}".encode()
    assert body.startswith(delimiter)
    pieces = (b"\r\n" + body).split(b"\r\n" + delimiter)
    assert pieces[-1].strip() == b"--"
    found = []
    for piece in pieces[1:-1]:
        head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        lines = (line.partition(": ") for line in head.decode().split("\r\n"))
        found.append(({name: value for name, _, value in lines}, content))
    return found


def tiny(number: int, **values: Any) -> bytes:
    """A small secondary capture: study `number` of its own unless UIDs are given."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    root = f"1.2.826.0.1.3680043.10.1.{number}"
    defaults = {
        "SpecificCharacterSet": "GB18030",
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7",
        "SOPInstanceUID": f"{root}.3",
        "StudyInstanceUID": f"{root}.1",
        "SeriesInstanceUID": f"{root}.2",
        "StudyDate": "20261101",
        "StudyTime": f"{8 + number % 10:02}0000",
        "AccessionNumber": f"A{number:05}",
        "StudyID": f"S{number}",
        "Modality": "OT",
        "PatientName": "",
        "PatientID": f"P{number:05}",
        "ReferringPhysicianName": "王^医生",
        "SeriesNumber": "1",
        "InstanceNumber": "1",
        "Rows": 8,
        "Columns": 8,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "PixelData": bytes(range(64)),
    }
    for keyword, value in {**defaults, **values}.items():
        setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
