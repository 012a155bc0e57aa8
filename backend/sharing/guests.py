"""The guest's side: the gate of a link, and what stands behind it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import datetime
from typing import NoReturn, Protocol
from weakref import WeakValueDictionary

from backend.access.model import Action, Decision, Kind, Principal, Scenario, SharedExam
from backend.audit.model import origin
from backend.audit.rules import Guard
from backend.identity.documents import normal_phone
from backend.identity.model import Purpose, Session, Started
from backend.notify.model import TextMessage
from backend.notify.rules import TextMessages
from backend.platform.clock import SHANGHAI, Clock
from backend.platform.errors import Conflict, NotFound, Overloaded, YunyingError

from .model import Look, Opening, Share, SharedView, State
from .rules import GATE_SESSION, Outcome, ShareEnded, WrongTry, attempt, ended, lives_until, state_of
from .secrets import ShareSecrets, link_hash
from .store import ShareStore
from .traces import device_of, masked_address, masked_phone
from .views import SharedViews

log = logging.getLogger("yunying.sharing")

_ROUNDS = 200
"""Tries of others that may come before this one: each wins one round."""
_NOTICE_SECONDS = 8.0


class PhoneGate(Protocol):
    """What the gate asks of identity: proof that somebody holds a phone number."""

    async def send_code(self, phone: str, purpose: Purpose) -> int:
        """Sends a code; returns the seconds until another may be sent."""
        ...

    async def verify(self, phone: str, code: str, purpose: Purpose) -> str:
        """The blind index of the number. Raises `WrongCode`."""
        ...


class GuestSessions(Protocol):
    """What the gate asks of identity: sessions of guests."""

    async def start_guest(
        self,
        subject: str,
        share: str,
        expires: datetime,
        *,
        shared: tuple[SharedExam, ...] = (),
        watermark: str = "",
        device: str = "",
    ) -> Started:
        """A session of a share's guest."""
        ...

    async def find(self, session_id: str) -> Session | None:
        """The session if it lives."""
        ...

    async def revoke(self, session_id: str) -> None:
        """Ends a session."""
        ...

    async def end_all(self, subject: str) -> None:
        """Ends all sessions that were begun for a share's id."""
        ...


class Guests:
    """The use cases of whoever holds a link."""

    def __init__(
        self,
        store: ShareStore,
        views: SharedViews,
        secrets: ShareSecrets,
        gate: PhoneGate,
        sessions: GuestSessions,
        messages: TextMessages,
        guard: Guard,
        clock: Clock,
    ) -> None:
        self._store, self._views, self._secrets = store, views, secrets
        self._gate, self._sessions, self._messages = gate, sessions, messages
        self._guard, self._clock = guard, clock
        # Tries of one share wait for each other here; between processes the version of the share decides.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def share_of(self, code: str) -> Share:
        """The share of a link, whatever its state. Raises `ShareEnded` if there never was one."""
        share = await self._store.by_link(link_hash(code))
        if share is None:
            await self._refuse(Principal(Kind.GUEST, "guest"), "", "unknown link")
            raise ShareEnded
        return share

    async def look(self, share: Share, session_id: str) -> Look:
        """What a link's page needs to know, for the browser that holds this session (empty: none).

        Raises `ShareEnded` for a share that does not open, unless the browser is inside already.
        """
        inside = await self._inside(share, session_id)
        if not inside:
            await self._check(share, Principal(Kind.GUEST, "guest"))
        return Look(share.id, bool(share.passcode), inside)

    async def send_code(self, code: str, phone: str) -> int:
        """Sends a code to any number; returns the seconds until another may be sent. Raises `ShareEnded`."""
        await self._check(await self.share_of(code), Principal(Kind.GUEST, "guest"))
        return await self._gate.send_code(phone, Purpose.SHARE)

    async def verify(self, code: str, phone: str, digits: str, device: str) -> Started:
        """A session that may try to open the share, and nothing else. Raises `WrongCode`, and `ShareEnded`."""
        share = await self.share_of(code)
        await self._check(share, Principal(Kind.GUEST, "guest"))
        subject = f"guest:{await self._gate.verify(phone, digits, Purpose.SHARE)}"
        until = min(share.expires, self._clock.now() + GATE_SESSION)
        shown = masked_phone(normal_phone(phone))
        return await self._sessions.start_guest(subject, share.id, until, watermark=shown, device=device)

    async def open(self, guest: Principal, share_id: str, passcode: str, device: str) -> Started:
        """The session in which the guest sees what was shared. Each opening counts; refusals say not what was wrong.

        Raises `ShareEnded`, `WrongTry`, and `Conflict` for a guest who is inside: an opening cannot be made longer from within.
        """
        await self._belongs(guest, share_id)
        if guest.shared:
            raise Conflict("该分享已经打开，无需重复验证。", code="share-open")
        share = await self._try(guest, share_id, self._secrets.passcode(share_id, passcode))
        opening = self._opening(share, guest, device)
        await self._guard.note(guest, Action.SHARE_OPEN, share.id, Decision(True, Scenario.SHARE_GUEST, "opened"))
        await self._store.add_opening(opening, share.expires)
        started = await self._begin(share, guest, opening, device)
        await self._tell(share, opening)
        return started

    async def content(self, guest: Principal, share_id: str) -> list[SharedView]:
        """What was shared. Raises `NotFound` for another share than the guest's, and before the gate was passed."""
        await self._belongs(guest, share_id)
        seen = []
        for shared in guest.shared:
            view = await self._views.view(guest, Action.EXAM_VIEW, shared)
            if view is not None:
                seen.append(view)
        allowed = bool(seen)
        scenario = Scenario.SHARE_GUEST if allowed else Scenario.NONE
        await self._guard.note(guest, Action.SHARE_OPEN, share_id, Decision(allowed, scenario, "content"))
        if not allowed:
            raise NotFound
        return seen

    async def _inside(self, share: Share, session_id: str) -> bool:
        session = await self._sessions.find(session_id) if session_id else None
        return session is not None and session.opens(share.id) and bool(session.shared)

    async def _check(self, share: Share, guest: Principal) -> None:
        state = state_of(share, self._clock.now())
        if state is not State.ACTIVE:
            await self._refuse(guest, share.id, state.value)
            raise ended(state)

    async def _belongs(self, guest: Principal, share_id: str) -> None:
        if guest.share != share_id:
            await self._refuse(guest, share_id, "another share")
            raise NotFound

    async def _try(self, guest: Principal, share_id: str, passcode: str) -> Share:
        """The share with this try counted. Of tries made at once each sees the ones before it."""
        phone = guest.subject.removeprefix("guest:")
        turn = self._turns.setdefault(share_id, asyncio.Lock())
        async with turn:
            for _ in range(_ROUNDS):
                share = await self._store.read(share_id)
                if share is None:
                    raise ShareEnded
                outcome, changed = attempt(share, self._clock.now(), phone, passcode)
                if changed is share or await self._store.swap(changed):
                    break
            else:
                raise Overloaded
        if outcome is Outcome.OPENED:
            return changed
        return await self._refused(guest, changed, outcome)

    async def _refused(self, guest: Principal, share: Share, outcome: Outcome) -> NoReturn:
        state = state_of(share, self._clock.now())
        await self._refuse(guest, share.id, "wrong try" if outcome is Outcome.WRONG else state.value)
        if state is State.LOCKED:
            await self._sessions.end_all(share.id)
        if state is not State.ACTIVE:
            raise ended(state)
        raise WrongTry

    def _opening(self, share: Share, guest: Principal, device: str) -> Opening:
        return Opening(
            share=share.id,
            number=share.opened,
            time=self._clock.now(),
            phone=guest.watermark,
            address=masked_address(origin.get().address),
            device=device_of(device),
        )

    async def _begin(self, share: Share, guest: Principal, opening: Opening, device: str) -> Started:
        """The guest's session, unless the share was ended meanwhile.

        Ending a share writes the share first and ends its sessions then; here the session is written first and the share is read then.
        Whichever comes first, no session outlives its share.
        """
        now = opening.time
        started = await self._sessions.start_guest(
            guest.subject,
            share.id,
            lives_until(share, now),
            shared=share.exams,
            watermark=f"{opening.phone} {now.astimezone(SHANGHAI):%Y-%m-%d %H:%M}",
            device=device,
        )
        kept = await self._store.read(share.id)
        state = state_of(kept, now) if kept is not None else State.REVOKED
        if state not in (State.ACTIVE, State.USED_UP):
            await self._sessions.revoke(started.session.id)
            raise ended(state)
        await self._sessions.revoke(guest.session)
        return started

    async def _tell(self, share: Share, opening: Opening) -> None:
        """Tells the maker. A message that cannot be sent shuts nobody out: the list of openings says that it was not."""
        if not share.maker_phone:
            return
        time = f"{opening.time.astimezone(SHANGHAI):%m-%d %H:%M}"
        params = {"time": time, "phone": opening.phone, "number": str(opening.number)}
        with suppress(TimeoutError):
            async with asyncio.timeout(_NOTICE_SECONDS):
                try:
                    await self._messages.send(TextMessage(share.maker_phone, "share-opened", params))
                    await self._store.told(opening)
                except YunyingError as error:
                    log.warning("notice of an opening not sent: %s", error.code)

    async def _refuse(self, guest: Principal, share_id: str, reason: str) -> None:
        await self._guard.note(guest, Action.SHARE_OPEN, share_id, Decision(False, reason=reason))
