"""What ingest writes: instances, the exams and series that they open, what is kept aside, and the counts behind them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from backend.identity.model import PatientRecord
from backend.identity.rules import People
from backend.platform.clock import Clock
from backend.platform.crypto import FieldCipher
from backend.platform.database import Database, Document, DuplicateKey, Session
from backend.platform.ids import public_id
from backend.platform.jobs import Intents

from .documents import EXAMS, INSTANCES, KEPT_ASIDE, SERIES, Documents, Original, new_series
from .header import Header

DERIVE = "derive-series"
"""Intent: make stream objects, overview and index of a series, whose key is the intent's."""
SETTLE = "settle-series"
"""Intent: a receiving process may have died before it counted what it stored; payload `series`."""
_SETTLE_SECONDS = 20.0


class Misplaced(Exception):
    """The instance contradicts what is known of its series or exam; `code` and `text` say how."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code)
        self.code, self.text = code, text


@dataclass(frozen=True, slots=True)
class Arrival:
    """One instance on its way into the database."""

    institution: str
    header: Header
    original: Original
    document: Document

    @property
    def exam_key(self) -> str:
        """Key of its exam."""
        return str(self.document["exam"])

    @property
    def series_key(self) -> str:
        """Key of its series."""
        return str(self.document["series"])


class Journal:
    """Writes each durably before it returns; see `Ingest` for the order of things."""

    def __init__(self, database: Database, intents: Intents, people: People, cipher: FieldCipher, clock: Clock) -> None:
        self._database, self._intents, self._people, self._clock = database, intents, people, clock
        self.documents = Documents(cipher)
        self._exams = database.collection(EXAMS)
        self._series = database.collection(SERIES)
        self._instances = database.collection(INSTANCES)
        self._kept_aside = database.collection(KEPT_ASIDE)

    def arrival(self, institution: str, header: Header, original: Original) -> Arrival:
        """The instance as it will be written."""
        document = self.documents.new_instance(institution, header, original, self._clock.now())
        return Arrival(institution, header, original, document)

    async def mark(self, burst: str, series_key: str) -> None:
        """Makes sure that the series is settled even if this process dies; before an instance of it is written."""
        await self._mark(None, burst, series_key)

    async def add(self, arrival: Arrival) -> None:
        """Writes an instance of a series that is there and marked. Raises DuplicateKey for a known SOP Instance UID."""
        await self._instances.insert_one(arrival.document)

    async def open(self, arrival: Arrival, burst: str) -> str:
        """Writes an instance together with series, exam, person and mark where they are new; the blind Patient ID of the exam.

        Raises DuplicateKey for a known SOP Instance UID (or when another process opened the same a moment ago: look and repeat),
        `Misplaced` when the series is of another exam or the exam of another patient.
        """

        async def work(session: Session) -> str:
            patient = await self._open_exam(session, arrival)
            await self._open_series(session, arrival)
            await self._instances.insert_one(arrival.document, session=session)
            await self._mark(session, burst, arrival.series_key)
            return patient

        return await self._database.run_transaction(work)

    async def known(self, arrival: Arrival) -> Original | None:
        """The original that is stored under this SOP Instance UID; None if there is none."""
        fields = {"object": 1, "size": 1, "sha256": 1}
        found = await self._instances.find_one({"_id": arrival.document["_id"]}, projection=fields)
        return Original(found["object"], found["size"], found["sha256"]) if found else None

    async def settle(self, series_key: str, burst: str | None = None) -> bool:
        """Recounts series and exam and arms the derivation if something came; withdraws the mark of `burst`. Safe to repeat."""

        async def work(session: Session) -> bool:
            changed = await self._recount(session, series_key)
            if changed:
                await self._intents.add(session, DERIVE, series_key)
            if burst is not None:
                await self._intents.withdraw(session, SETTLE, burst)
            return changed

        changed = await self._database.run_transaction(work)
        if changed:
            self._intents.wake()
        return changed

    async def keep_aside(
        self, institution: str, source: str, code: str, text: str, original: Original, header: Header | None
    ) -> None:
        """Notes what was not stored; the same bytes for the same reason are one note however often they come."""
        now = self._clock.now()
        uid = header.sop_instance_uid if header else ""
        note = hashlib.sha256(f"{institution}|{code}|{uid}|{original.sha256}".encode()).hexdigest()[:32]
        once: Document = {
            "institution": institution,
            "source": source,
            "code": code,
            "text": text,
            "class": header.sop_class_uid if header else "",
            "uid": uid,
            "study": header.study_instance_uid if header else "",
            "object": original.key,
            "size": original.size,
            "sha256": original.sha256,
            "first": now,
        }
        change: Document = {"$setOnInsert": once, "$set": {"last": now}, "$inc": {"times": 1}}
        try:
            await self._kept_aside.update_one({"_id": note}, change, upsert=True)
        except DuplicateKey:
            # Two at once: the note is there now.
            await self._kept_aside.update_one({"_id": note}, change)

    async def _mark(self, session: Session | None, burst: str, series_key: str) -> None:
        await self._intents.add(session, SETTLE, burst, {"series": series_key}, delay_seconds=_SETTLE_SECONDS)

    async def _open_exam(self, session: Session, arrival: Arrival) -> str:
        """The blind Patient ID of the exam, which is there afterwards."""
        header, key = arrival.header, arrival.exam_key
        patient_id = self.documents.blind_patient_id(header.patient.patient_id)
        held = await self._exams.find_one({"_id": key}, projection={"patient_id": 1}, session=session)
        if held is None:
            person = await self._people.record(session, _record(arrival))
            document = self.documents.new_exam(arrival.institution, header, public_id(), person, self._clock.now())
            await self._exams.insert_one(document, session=session)
            return patient_id
        check_patient(str(held["patient_id"]), patient_id)
        return str(held["patient_id"])

    async def _open_series(self, session: Session, arrival: Arrival) -> None:
        header, key, now = arrival.header, arrival.series_key, self._clock.now()
        held = await self._series.find_one({"_id": key}, projection={"exam": 1}, session=session)
        if held is not None:
            check_series(str(held["exam"]), arrival.exam_key)
            return
        document = new_series(arrival.institution, header, now)
        # The first instance is counted at once, so that nobody sees an empty exam.
        await self._series.insert_one({**document, "instance_count": 1, "settled": 0}, session=session)
        change: Document = {"$inc": {"series_count": 1, "instance_count": 1}, "$set": {"updated": now}}
        if header.modality:
            change["$addToSet"] = {"modalities": header.modality}
        await self._exams.update_one({"_id": arrival.exam_key}, change, session=session)

    async def _recount(self, session: Session, series_key: str) -> bool:
        """Sets the counts of a series and its exam from what is there; whether the series grew since it was last settled."""
        held = await self._series.find_one({"_id": series_key}, projection={"exam": 1, "settled": 1}, session=session)
        if held is None:
            return False
        count = await self._instances.count({"series": series_key}, session=session)
        if count == held["settled"]:
            return False
        now = self._clock.now()
        change: Document = {"$set": {"instance_count": count, "settled": count, "updated": now}, "$inc": {"version": 1}}
        await self._series.update_one({"_id": series_key}, change, session=session)
        rows = await self._series.find({"exam": held["exam"]}, projection={"instance_count": 1}, session=session)
        counts: Document = {"series_count": len(rows), "instance_count": sum(row["instance_count"] for row in rows)}
        await self._exams.update_one({"_id": held["exam"]}, {"$set": {**counts, "updated": now}}, session=session)
        return True


def check_patient(held: str, patient_id: str) -> None:
    """Raises `Misplaced` when blind Patient IDs differ: the person of an exam must not see another's images."""
    if held and patient_id and held != patient_id:
        raise Misplaced("patient-differs", "同一检查下已有另一位患者的影像，请核对患者编号后重新发送。")


def check_series(held: str, key: str) -> None:
    """Raises `Misplaced` when a series is said to be of another exam than it is."""
    if held != key:
        raise Misplaced("series-differs", "该序列已归属另一检查，请核对检查标识后重新发送。")


def _record(arrival: Arrival) -> PatientRecord:
    """What the hospital says of the person."""
    patient = arrival.header.patient
    writings = (patient.name.ideographic, patient.name.alphabetic)
    names = tuple(name.replace("^", " ").strip() for name in writings if name)
    return PatientRecord(arrival.institution, patient.patient_id, names, patient.id_number, patient.phone)
