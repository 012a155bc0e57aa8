"""Collections `patients`, `sessions`, `accounts` and `codes`. Personal fields are sealed; phones and persons are found by blind index."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from backend.access.model import Grade, Kind, Role, SharedExam
from backend.platform.crypto import FieldCipher
from backend.platform.database import Database, Document, DuplicateKey, Query
from backend.platform.database import Session as Transaction
from backend.platform.schema import Index, Schema

from .model import Account, PatientRecord, Session, Window

_PATIENTS, _SESSIONS, _ACCOUNTS, _CODES = "patients", "sessions", "accounts", "codes"
_FIELDS = ("patient_id", "names", "id_number", "phone")
_MOST_RECORDS = 200

SCHEMAS = (
    Schema(
        _PATIENTS,
        indexes=(Index(("phone_blind",)), Index(("person",))),
        queries={"by_phone": Query(_PATIENTS, {"phone_blind": "-"}, limit=_MOST_RECORDS)},
        sealed=_FIELDS,
    ),
    Schema(
        _SESSIONS,
        indexes=(
            Index(("subject", "-created")),
            Index(("maker", "-created")),
            Index(("expires",), expire_seconds=86400),
        ),
        queries={"of_subject": Query(_SESSIONS, {"subject": "-"}, sort=("-created",), limit=100)},
    ),
    Schema(_ACCOUNTS),
    Schema(_CODES, indexes=(Index(("gone",), expire_seconds=0),)),
)


class PatientStore:
    """Hospitals' records of persons; `_id` is `{institution}/{person key}`."""

    def __init__(self, database: Database, cipher: FieldCipher) -> None:
        self._patients, self._cipher = database.collection(_PATIENTS), cipher

    async def read(self, institution: str, person: str, transaction: Transaction | None) -> PatientRecord | None:
        """The record that an institution holds of a person."""
        found = await self._patients.find_one({"_id": f"{institution}/{person}"}, session=transaction)
        return self._record(found) if found else None

    async def write(self, person: str, record: PatientRecord, now: datetime, transaction: Transaction | None) -> None:
        """Puts the record in the place of the former one."""
        key = f"{record.institution}/{person}"
        plain = (record.patient_id, json.dumps(record.names, ensure_ascii=False), record.id_number, record.phone)
        sealed = {
            name: self._cipher.seal(value, collection=_PATIENTS, field=name, record=key)
            for name, value in zip(_FIELDS, plain, strict=True)
        }
        document: Document = {"_id": key, "institution": record.institution, "person": person, "updated": now, **sealed}
        if record.phone:
            document["phone_blind"] = self.blind_phone(record.phone)
        await self._patients.replace_one({"_id": key}, document, upsert=True, session=transaction)

    async def by_phone(self, phone_blind: str) -> list[tuple[str, PatientRecord]]:
        """(person key, record) of every record with this phone, at most 200."""
        query = Query(_PATIENTS, {"phone_blind": phone_blind}, limit=_MOST_RECORDS)
        return [(row["person"], self._record(row)) for row in await self._patients.run(query)]

    def blind_phone(self, phone: str) -> str:
        """The blind index of a normal phone number."""
        return self._cipher.blind("phone", phone)

    def blind_person(self, id_number: str) -> str:
        """The person key of a citizen's number: the same at every institution."""
        return self._cipher.blind("id_number", id_number)

    def blind_local_person(self, institution: str, patient_id: str) -> str:
        """The person key of somebody whom only one institution's Patient ID names."""
        return self._cipher.blind("local_person", f"{institution}\0{patient_id}")

    def _record(self, row: Document) -> PatientRecord:
        opened = {
            name: self._cipher.open(row[name], collection=_PATIENTS, field=name, record=row["_id"]) for name in _FIELDS
        }
        names = tuple(json.loads(opened["names"]))
        return PatientRecord(row["institution"], opened["patient_id"], names, opened["id_number"], opened["phone"])


class SessionStore:
    """Sessions by id."""

    def __init__(self, database: Database) -> None:
        self._sessions = database.collection(_SESSIONS)

    async def add(self, session: Session) -> None:
        """Keeps a new session."""
        await self._sessions.insert_one(
            {
                "_id": session.id,
                "kind": session.kind.value,
                "subject": session.subject,
                "institution": session.institution,
                "roles": sorted(session.roles),
                "persons": sorted(session.persons),
                "exam": session.exam,
                "grade": session.grade.value,
                "maker": session.maker,
                "device": session.device,
                "created": session.created,
                "seen": session.seen,
                "expires": session.expires,
                "revoked": session.revoked,
                "watermark": session.watermark,
                "shared": [
                    {"exam": one.exam, "person": one.person, "series": sorted(one.series), "report": one.report}
                    for one in session.shared
                ],
            }
        )

    async def read(self, session_id: str) -> Session | None:
        """The session, revoked and expired ones included until they are swept."""
        row = await self._sessions.find_one({"_id": session_id})
        return _session(row) if row else None

    async def living(self, session_ids: Collection[str], now: datetime) -> set[str]:
        """Those of the sessions that are neither revoked nor expired."""
        rows = await self._sessions.find({"_id": {"$in": sorted(session_ids)}}, projection={"revoked": 1, "expires": 1})
        return {row["_id"] for row in rows if not row["revoked"] and now < row["expires"]}

    async def of_subject(self, subject: str) -> list[Session]:
        """Sessions of a subject, newest first, at most 100."""
        query = Query(_SESSIONS, {"subject": subject}, sort=("-created",), limit=100)
        return [_session(row) for row in await self._sessions.run(query)]

    async def set_persons(self, session_id: str, persons: frozenset[str]) -> None:
        """Records whose identity was proved."""
        await self._sessions.update_one({"_id": session_id}, {"$set": {"persons": sorted(persons)}})

    async def touch(self, session_id: str, now: datetime) -> None:
        """Records when the session was last used."""
        await self._sessions.update_one({"_id": session_id}, {"$set": {"seen": now}})

    async def revoke(self, session_id: str) -> None:
        """Ends a session."""
        await self._sessions.update_one({"_id": session_id}, {"$set": {"revoked": True}})

    async def revoke_all(self, subject: str) -> None:
        """Ends all sessions of a subject and all link sessions that it made."""
        await self._sessions.update_many({"subject": subject}, {"$set": {"revoked": True}})
        await self._sessions.update_many({"maker": subject}, {"$set": {"revoked": True}})


def _session(row: Document) -> Session:
    return Session(
        id=row["_id"],
        kind=Kind(row["kind"]),
        subject=row["subject"],
        institution=row["institution"],
        roles=frozenset(Role(role) for role in row["roles"]),
        persons=frozenset(row["persons"]),
        exam=row["exam"],
        grade=Grade(row["grade"]),
        maker=row["maker"],
        device=row["device"],
        created=row["created"],
        seen=row["seen"],
        expires=row["expires"],
        revoked=row["revoked"],
        watermark=row.get("watermark", ""),
        shared=tuple(
            SharedExam(one["exam"], one["person"], frozenset(one["series"]), one["report"])
            for one in row.get("shared", ())
        ),
    )


class AccountStore:
    """Accounts of staff by name."""

    def __init__(self, database: Database) -> None:
        self._accounts = database.collection(_ACCOUNTS)

    async def read(self, name: str) -> Account | None:
        """The account of this lower-case name."""
        row = await self._accounts.find_one({"_id": name})
        if row is None:
            return None
        roles = frozenset(Role(role) for role in row["roles"])
        return Account(row["_id"], row["institution"], roles, row["password_hash"], row["disabled"])

    async def write(self, account: Account) -> None:
        """Adds the account or puts it in the place of the former one."""
        document = {
            "_id": account.name,
            "institution": account.institution,
            "roles": sorted(account.roles),
            "password_hash": account.password_hash,
            "disabled": account.disabled,
        }
        await self._accounts.replace_one({"_id": account.name}, document, upsert=True)


class LimitStore:
    """Codes and counters that hold under parallel requests: each step is one conditional write."""

    def __init__(self, database: Database) -> None:
        self._codes = database.collection(_CODES)

    async def take(
        self, key: str, windows: Sequence[Window], now: datetime, also: Document | None = None
    ) -> datetime | None:
        """None if `key` may act once more, which is then counted, with `also` set on it; else the first instant when it may.

        The times of the latest acts are kept newest first. The Nth of them must lie outside a window of N.
        """
        most = max(window.count for window in windows)
        allowed: Document = {"_id": key}
        for window in windows:
            allowed[f"times.{window.count - 1}"] = {"$not": {"$gt": now - timedelta(seconds=window.seconds)}}
        keep = max(window.seconds for window in windows)
        change: Document = {
            "$push": {"times": {"$each": [now], "$position": 0, "$slice": most}},
            "$set": {"gone": now + timedelta(seconds=keep), **(also or {})},
        }
        try:
            await self._codes.update_one(allowed, change, upsert=True)
            return None
        except DuplicateKey:
            # Either the limit is reached, or a parallel request made the document first: then a plain update succeeds.
            if await self._codes.update_one(allowed, change):
                return None
        return self._free_again(await self._codes.find_one({"_id": key}), windows, now)

    @staticmethod
    def _free_again(row: Document | None, windows: Sequence[Window], now: datetime) -> datetime:
        times: list[datetime] = (row or {}).get("times", [])
        waits = [times[w.count - 1] + timedelta(seconds=w.seconds) for w in windows if len(times) >= w.count]
        return max([now + timedelta(seconds=1), *waits])

    async def count(self, key: str, windows: Sequence[Window], now: datetime) -> datetime | None:
        """Like `take` for large limits: counts in fixed windows, one small document each."""
        for window in windows:
            place = int(now.timestamp()) // window.seconds
            end = now + timedelta(seconds=(place + 1) * window.seconds - now.timestamp())
            counter = {"_id": f"{key}:{window.seconds}:{place}", "count": {"$lt": window.count}}
            change = {"$inc": {"count": 1}, "$set": {"gone": end + timedelta(minutes=1)}}
            if not await self._counted(counter, change):
                return end
        return None

    async def _counted(self, counter: Document, change: Document) -> bool:
        try:
            await self._codes.update_one(counter, change, upsert=True)
        except DuplicateKey:
            return await self._codes.update_one(counter, change) == 1
        return True

    async def forget(self, key: str) -> None:
        """Clears what was counted for `key`."""
        await self._codes.update_one({"_id": key}, {"$set": {"times": []}})

    async def try_code(self, key: str, mac: str, tries: int, now: datetime) -> bool:
        """True once, for the right code, in time, within its tries. Each call costs a try, whatever comes of it."""
        if not await self._codes.update_one({"_id": key, "tries": {"$lt": tries}}, {"$inc": {"tries": 1}}):
            return False
        right: dict[str, Any] = {"_id": key, "mac": mac, "expires": {"$gt": now}}
        return await self._codes.update_one(right, {"$unset": {"mac": "", "expires": ""}}) == 1
