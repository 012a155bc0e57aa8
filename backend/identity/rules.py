"""Hospitals' records of persons, and the gate: phone and code first, then name and last four characters of the ID number."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from backend.access.model import Action, Decision, Kind, Principal, Scenario
from backend.audit.model import origin
from backend.audit.rules import Guard
from backend.notify.model import TextMessage
from backend.notify.rules import TextMessages
from backend.platform.clock import SHANGHAI, Clock
from backend.platform.crypto import Keys
from backend.platform.database import Session as Transaction
from backend.platform.errors import Invalid, TooMany, Unauthenticated
from backend.platform.ids import digits

from .documents import is_id_number, normal_id_number, normal_name, normal_phone
from .model import GateLimits, PatientRecord, Purpose, Started
from .sessions import Sessions
from .store import LimitStore, PatientStore


class WrongCode(Unauthenticated):
    """The code is wrong, expired, used, or was never sent: the answer does not say which."""

    code = "wrong-code"
    default_text = "验证码不正确或已过期。请核对短信，或重新获取验证码。"


class WrongIdentity(Unauthenticated):
    """Name and digits fit no record with this phone: the answer does not say which is wrong, or whether there is one."""

    code = "wrong-identity"
    default_text = (
        "填写的信息与医院登记不一致。请按就诊时登记的姓名和证件号码填写；如医院登记有误，请联系就诊医院更正。"
    )


class People:
    """Hospitals' records of persons."""

    def __init__(self, store: PatientStore, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def person_of(self, institution: str, patient_id: str, id_number: str) -> str:
        """The person key: of a valid citizen's number, else of institution and Patient ID; empty if neither is known."""
        if is_id_number(id_number, self._clock.now().astimezone(SHANGHAI).date()):
            return self._store.blind_person(normal_id_number(id_number))
        patient_id = patient_id.strip()
        return self._store.blind_local_person(institution, patient_id) if patient_id else ""

    async def record(self, transaction: Transaction | None, record: PatientRecord) -> str:
        """Keeps what a hospital says of a person and returns the person key; part of the caller's transaction.

        A field that is empty now keeps its former value. Somebody with a citizen's number is another record than the same Patient ID
        without it: Patient IDs such as "UNKNOWN" must not give one person the images of another. Writes only what changed.
        """
        person = self.person_of(record.institution, record.patient_id, record.id_number)
        if not person:
            return ""
        new = replace(
            record,
            patient_id=record.patient_id.strip(),
            names=tuple(name for name in record.names if normal_name(name)),
            id_number=normal_id_number(record.id_number),
            phone=normal_phone(record.phone),
        )
        held = await self._store.read(record.institution, person, transaction)
        if held is not None:
            new = replace(new, names=new.names or held.names, phone=new.phone or held.phone)
        if new != held:
            await self._store.write(person, new, self._clock.now(), transaction)
        return person

    async def proved_by(self, phone_blind: str, name: str, id_last4: str) -> frozenset[str]:
        """Persons whose record at some hospital has this phone, this name and these last four characters of a citizen's number."""
        wanted_name, wanted_last = normal_name(name), normal_id_number(id_last4)
        today = self._clock.now().astimezone(SHANGHAI).date()
        found = set()
        for person, record in await self._store.by_phone(phone_blind):
            same_name = wanted_name in [normal_name(n) for n in record.names]
            same_last = hmac.compare_digest(record.id_number[-4:].encode(), wanted_last.encode())
            if same_name and same_last and wanted_name and is_id_number(record.id_number, today):
                found.add(person)
        return frozenset(found)

    async def phone_of(self, phone_blind: str) -> str:
        """The number behind the blind index, out of a hospital's record; empty if no hospital recorded it."""
        return next((record.phone for _, record in await self._store.by_phone(phone_blind)), "")

    def blind_phone(self, phone: str) -> str:
        """The blind index of a phone number. Raises `Invalid` for what is no mobile number."""
        number = normal_phone(phone)
        if not number:
            raise Invalid("请填写 11 位手机号码。", code="invalid-phone", field="phone")
        return self._store.blind_phone(number)


class Gate:
    """Lets patients in. Refusals look alike in body and in time, whatever their cause; a dead database refuses everybody."""

    def __init__(
        self,
        people: People,
        limits: LimitStore,
        sessions: Sessions,
        messages: TextMessages,
        guard: Guard,
        clock: Clock,
        keys: Keys,
        *,
        code_minutes: int = 5,
        bounds: GateLimits | None = None,
    ) -> None:
        self._people, self._limits, self._sessions = people, limits, sessions
        self._messages, self._guard, self._clock = messages, guard, clock
        self._key = keys.derive("codes")
        self._minutes, self._bounds = code_minutes, bounds or GateLimits()

    async def send_code(self, phone: str, purpose: Purpose = Purpose.SIGN_IN) -> int:
        """Sends a new code, which kills the old one, to any number, known or not; returns the seconds until another may be sent.

        All limits are taken before the paid message is sent. Raises `Invalid`, `TooMany`, and `Unavailable` if it cannot be sent.
        """
        blind = self._people.blind_phone(phone)
        now, bounds = self._clock.now(), self._bounds
        self._refuse(await self._limits.count(f"address:{self._address()}", bounds.code_per_address, now), now)
        code = digits(6)
        fresh = {"mac": self._mac(purpose, blind, code), "expires": now + timedelta(minutes=self._minutes), "tries": 0}
        key = self._code_key(purpose, blind)
        self._refuse(await self._limits.take(key, bounds.code_per_phone, now, fresh), now)
        self._refuse(await self._limits.count("all", bounds.code_in_all, now), now)
        message = TextMessage(normal_phone(phone), "sign-in-code", {"code": code, "minutes": str(self._minutes)})
        await self._messages.send(message)
        return bounds.code_per_phone[0].seconds

    async def enter(self, phone: str, code: str, *, device: str = "") -> Started:
        """A session of the phone's holder, in which nobody's identity is proved yet. Raises `WrongCode`."""
        blind = await self.verify(phone, code)
        return await self._sessions.start_patient(blind, device=device)

    async def verify(self, phone: str, code: str, purpose: Purpose = Purpose.SIGN_IN) -> str:
        """The blind index of a phone number whose holder read the code. Raises `WrongCode`."""
        async with self._slowly():
            blind = self._people.blind_phone(phone)
            mac = self._mac(purpose, blind, code.strip())
            right = await self._limits.try_code(
                self._code_key(purpose, blind), mac, self._bounds.code_tries, self._clock.now()
            )
            kind = Kind.GUEST if purpose is Purpose.SHARE else Kind.PATIENT
            await self._note(Principal(kind, blind), right, "code")
            if not right:
                raise WrongCode
        return blind

    async def prove(self, principal: Principal, name: str, id_last4: str) -> Principal:
        """The principal with the persons whose records fit. Raises `WrongIdentity`, or `TooMany` after five wrong tries."""
        await self._guard.require_action(principal, Action.IDENTITY_PROVE)
        async with self._slowly():
            now, key = self._clock.now(), f"prove:{principal.subject}"
            self._refuse(await self._limits.take(key, (self._bounds.proof_tries,), now), now)
            persons = await self._people.proved_by(principal.subject, name, id_last4)
            await self._note(principal, bool(persons), "name and digits")
            if not persons:
                raise WrongIdentity
        await self._limits.forget(key)
        persons |= principal.persons
        await self._sessions.prove(principal.session, persons)
        return replace(principal, persons=persons)

    async def _note(self, principal: Principal, right: bool, reason: str) -> None:
        scenario = Scenario.SELF if right else Scenario.NONE
        await self._guard.note(principal, Action.IDENTITY_PROVE, "", Decision(right, scenario, reason))

    def _mac(self, purpose: Purpose, phone_blind: str, code: str) -> str:
        return hmac.digest(self._key, f"{purpose}|{phone_blind}|{code}".encode(), hashlib.sha256).hex()

    @staticmethod
    def _code_key(purpose: Purpose, phone_blind: str) -> str:
        return f"code:{purpose}:{phone_blind}"

    @staticmethod
    def _address() -> str:
        """The sender's address; of IPv6 the /64, since one subscriber holds all of it."""
        try:
            address = ipaddress.ip_address(origin.get().address)
        except ValueError:
            return "unknown"
        return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)

    @staticmethod
    def _refuse(until: datetime | None, now: datetime) -> None:
        if until is not None:
            wait = max(1, round((until - now).total_seconds()))
            raise TooMany(f"操作过于频繁，请在{_spoken(wait)}后再试。", retry_after=wait)

    @asynccontextmanager
    async def _slowly(self) -> AsyncIterator[None]:
        """Delays a refusal, so that its cause cannot be read from the time that it took."""
        begun = self._clock.monotonic()
        try:
            yield
        except (WrongCode, WrongIdentity):
            await asyncio.sleep(max(0.0, self._bounds.least_seconds - (self._clock.monotonic() - begun)))
            raise


def _spoken(seconds: int) -> str:
    """A waiting time for people."""
    if seconds < 100:
        return f" {seconds} 秒"
    if seconds < 5400:
        return f" {-(-seconds // 60)} 分钟"
    return f" {-(-seconds // 3600)} 小时"
