"""A viewing house in a thread of its own, with real exams, behind a relay that can be cut, stalled or closed to sockets."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import apply_modality_lut

from backend.access.model import Role
from backend.archive.model import Exam
from backend.platform.database import Database
from backend.platform.ids import public_id
from backend.platform.objects_local import LocalObjects
from tests.images import ROOT, shared_dicom
from tests.viewing.house import House

SLICES = 40
STATIC = ROOT / "backend" / "static"


class Relay:
    """Forwards bytes between browser and server; misbehaves when told to."""

    def __init__(self) -> None:
        self.flowing = asyncio.Event()
        self.sockets_allowed = True
        self.reachable = True
        self.port = 0
        self.streams = 0
        """Sockets that were opened."""
        self.sent = 0
        """Bytes sent to browsers."""
        self._target = 0
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self, target: int) -> None:
        self._target = target
        self.flowing.set()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Ends all connections at once."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(65536)
        if not self.reachable or (b"GET /stream" in first and not self.sockets_allowed):
            writer.transport.abort()
            return
        self.streams += b"GET /stream" in first
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        there_writer.write(first)
        pair = {writer, there_writer}
        self._writers |= pair
        try:
            await asyncio.gather(self._pump(reader, there_writer), self._pump(there_reader, writer, counted=True))
        finally:
            self._writers -= pair
            for end in pair:
                end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool = False) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                await self.flowing.wait()
                self.sent += len(data) if counted else 0
                writer.write(data)
                await writer.drain()
        writer.close()


class ViewingThread:
    """Server, exams and relay on an event loop of their own; tests call in from outside."""

    def __init__(self, mongo_uri: str, folder: Path) -> None:
        self.relay = Relay()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.call(self._start(mongo_uri, folder))

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The result of work on the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(120)

    async def _start(self, mongo_uri: str, folder: Path) -> None:
        self._database = await Database.connect(mongo_uri, f"test_{public_id(12)}")
        self._objects = LocalObjects(folder / "objects")
        self.house = House(self._database, self._objects, STATIC)
        await self.house.migrate()
        self.house.serve()
        await self.relay.start(int(self.house.url.rsplit(":", 1)[1]))
        self.slices = [
            pydicom.dcmread(path) for path in sorted(shared_dicom("ct_cmb_crc_chest100").glob("*.dcm"))[:SLICES]
        ]
        study = self.slices[0]
        files = [contents(one) for one in self.slices]
        large = pydicom.dcmread(shared_dicom("large_2d", "fo-dicom", "GH133.dcm"))
        cine = pydicom.dcmread(shared_dicom("cine_multiframe", "examples_ybr_color.dcm"))
        for number, dataset in enumerate((large, cine), 100):
            dataset.StudyInstanceUID, dataset.PatientID = study.StudyInstanceUID, study.PatientID
            dataset.PatientName, dataset.SeriesNumber = study.PatientName, number
            files.append(contents(dataset))
        files += [contents(one) for one in half_broken(study)]
        receipts = await self.house.send(files)
        assert {receipt.outcome.value for receipt in receipts} == {"stored"}, receipts
        self.exam: Exam = await self.house.exam_of(receipts[0])
        await self.house.derive(self.exam)
        self.staff = await self.house.sign_in(Role.CLINICIAN)

    def stall(self, stalled: bool) -> None:
        """Holds back what is on the way in both directions, or lets it go on."""
        event = self.relay.flowing
        self.loop.call_soon_threadsafe(event.clear if stalled else event.set)

    def cut(self) -> None:
        """Ends all connections at once."""
        self.loop.call_soon_threadsafe(self.relay.cut)

    def link(self, role: Role | None = None) -> str:
        """The address of a fresh single-use link, through the relay; made by a clinician, or by somebody of that role."""
        maker = self.staff if role is None else self.call(self.house.sign_in(role))
        principal = maker.session.principal
        secret = self.call(self.house.links.make(principal, self.slices[0].StudyInstanceUID))
        return f"http://127.0.0.1:{self.relay.port}/v/{secret}"

    def end_sessions(self) -> None:
        """Ends the sessions that all links have begun, and whose they were; a new one begins for the links that follow."""
        self.call(self.house.sessions.end_all(self.staff.session.principal.subject))
        self.staff = self.call(self.house.sign_in(Role.CLINICIAN))

    def stop(self) -> None:
        self.relay.cut()
        self.call(self.house.stop())
        self._database.close()
        self._objects.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


def half_broken(study: pydicom.Dataset) -> list[pydicom.Dataset]:
    """A series of two radiographs; the codestream of the second ends early."""
    pair = []
    for number in (1, 2):
        dataset = pydicom.dcmread(shared_dicom("large_2d", "fo-dicom", "CR-ModalitySequenceLUT.dcm"))
        dataset.StudyInstanceUID, dataset.PatientID = study.StudyInstanceUID, study.PatientID
        dataset.PatientName, dataset.SeriesNumber, dataset.InstanceNumber = study.PatientName, 102, number
        dataset.SOPInstanceUID = f"{dataset.SOPInstanceUID}.{number}"
        pair.append(dataset)
    (stream,) = generate_frames(pair[1].PixelData, number_of_frames=1)
    pair[1].PixelData = encapsulate([stream[: len(stream) // 3]])
    return pair


def contents(dataset: pydicom.Dataset) -> bytes:
    """The dataset as a DICOM file."""
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def reference(dataset: pydicom.Dataset, center: float, width: float) -> np.ndarray:
    """8 bits by pydicom's rescale and the LINEAR window of PS3.3 C.11.2.1.2, halves up."""
    values = apply_modality_lut(dataset.pixel_array, dataset)
    shown = np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1) * 255
    return np.floor(shown + 0.5).astype(np.uint8)
