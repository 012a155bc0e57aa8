"""The house with an archive, reports and the patient's pages; exams come in through the real ingest."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from backend.archive.ingest import Ingest
from backend.archive.model import Outcome
from backend.archive.store import SCHEMAS as ARCHIVE_SCHEMAS
from backend.archive.store import ArchiveStore
from backend.organisation.model import Institution
from backend.organisation.rules import Organisation
from backend.organisation.store import SCHEMAS as ORGANISATION_SCHEMAS
from backend.organisation.store import OrganisationStore
from backend.oversight.routes import routes as oversight_routes
from backend.oversight.rules import ExamOpenings, TrailSearch
from backend.platform.jobs import SCHEMA as INTENTS_SCHEMA
from backend.platform.jobs import Intents
from backend.platform.objects_local import LocalObjects
from backend.portal.page import Page
from backend.portal.routes import routes as portal_routes
from backend.portal.rules import Exams, InstitutionNames
from backend.reports.routes import routes as report_routes
from backend.reports.rules import Reports
from backend.reports.store import SCHEMA as REPORTS_SCHEMA
from backend.reports.store import ReportStore
from backend.web.openapi import routes as openapi_routes
from backend.web.router import Route
from backend.web.static import routes as static_routes
from tests.identity.house import Credentials, House

STATIC = Path(os.environ.get("YUNYING_TEST_STATIC") or Path(__file__).parents[2] / "backend" / "static")
ZHANG_ID, WANG_ID = "11010519491231002X", "440524188001010014"


@dataclass(frozen=True)
class Study:
    """What a hospital sends: one study of one instance a series."""

    institution: str = "h1"
    name: str = "Zhang^Xiaoming=张^小明"
    id_number: str = ZHANG_ID
    phone: str = "13800000001"
    patient_id: str = "P001"
    date: str = "20261102"
    time: str = "093015"
    modality: str = "CT"
    description: str = "胸部平扫"
    body_part: str = "CHEST"
    series: tuple[str, ...] = ("定位像", "肺窗 1mm")
    uid: str = field(default_factory=generate_uid)

    def files(self) -> list[bytes]:
        """Part 10 files."""
        return [self._file(number, text, generate_uid()) for number, text in enumerate(self.series, 1)]

    def _file(self, number: int, description: str, series_uid: str) -> bytes:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        ds.StudyInstanceUID, ds.SeriesInstanceUID = self.uid, series_uid
        ds.PatientName, ds.PatientID, ds.OtherPatientIDs = self.name, self.patient_id, self.id_number
        ds.PatientTelephoneNumbers, ds.PatientSex = self.phone, "M"
        ds.StudyDate, ds.StudyTime, ds.StudyDescription = self.date, self.time, self.description
        ds.Modality, ds.BodyPartExamined = self.modality, self.body_part
        ds.SeriesNumber, ds.InstanceNumber, ds.SeriesDescription = number, 1, description
        ds.Rows = ds.Columns = 8
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated = ds.BitsStored = 16
        ds.HighBit, ds.PixelRepresentation = 15, 1
        ds.PixelData = np.arange(64, dtype="<i2").tobytes()
        out = BytesIO()
        ds.save_as(out, enforce_file_format=True)
        return out.getvalue()


class Site(House):
    """Adds what the pages need."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.organisation = Organisation(OrganisationStore(self.database), self.clock)
        self.objects = LocalObjects(self.folder / "objects")
        intents = Intents(self.database, self.clock)
        self.ingest = Ingest(self.database, self.objects, intents, self.people, self.cipher, self.clock, threads=1)
        self.archive = ArchiveStore(self.database, self.cipher, self.clock)
        self.reports = Reports(ReportStore(self.database, self.cipher), self.archive, self.guard, self.clock)
        names = InstitutionNames(self.organisation, self.clock)
        self.exams = Exams(self.archive, self.reports, names, self.guard)

        async def name_of(code: str) -> str:
            return (await names.read()).get(code, code)

        self.search = TrailSearch(self.audit, self.guard, self.clock)
        self.openings = ExamOpenings(self.audit, self.archive, name_of, self.guard, self.clock)
        self.page = Page(STATIC)

    async def begin(self) -> None:
        """Makes indexes and two hospitals, and serves."""
        await self.migrate(*ARCHIVE_SCHEMAS, *ORGANISATION_SCHEMAS, INTENTS_SCHEMA, REPORTS_SCHEMA)
        await self.organisation.register(Institution("h1", "沈阳市第一人民医院", "沈阳"))
        await self.organisation.register(Institution("h2", "大连医科大学附属第二医院", "大连"))
        self.server = self.serve(self.all_routes(), error_page=self.page.error)

    def all_routes(self) -> list[Route]:
        """All routes of these packages."""
        table = [*self.identity_routes(), *report_routes(self.reports), *portal_routes(self.exams, self.page)]
        table += oversight_routes(self.search, self.openings)
        return [*table, *static_routes(STATIC), *openapi_routes(table, "test")]

    async def end(self) -> None:
        """Stops everything."""
        self.server.stop()
        await self.server.close_all_connections()
        await self.ingest.stop()
        self.objects.close()

    async def receive(self, study: Study, *, settle: bool = True) -> str:
        """The public id of an exam that came in; counted at once, or with the next that settles."""
        for data in study.files():
            receipt = await self.ingest.receive(_once(data), study.institution, "test")
            assert receipt.outcome is Outcome.STORED, receipt
        if settle:
            await self.ingest._bursts.close()
        exam = await self.archive.exam(f"{study.institution}/{study.uid}")
        assert exam is not None
        return exam.exam


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


__all__ = ["Credentials", "Site", "Study"]
