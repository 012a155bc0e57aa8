"""The patient's side: making shares, looking at them, taking them back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NoReturn, Protocol

from backend.access.model import Action, Decision, Principal, Scenario, SharedExam
from backend.audit.rules import Guard
from backend.identity.documents import normal_phone
from backend.platform.clock import Clock
from backend.platform.errors import Conflict, Invalid, NotFound, Overloaded
from backend.platform.ids import digits, public_id

from .model import Listed, Made, Opening, Share, State, Wanted
from .rules import MOST_ACTIVE, ended, revoked, state_of, with_passcode
from .secrets import ShareSecrets, link_hash
from .store import ShareStore
from .traces import masked_phone
from .views import SharedViews

_ROUNDS = 100
"""Changes of one share that may come before this one: each wins one round."""


class GuestSessions(Protocol):
    """What taking back asks of identity."""

    async def end_all(self, subject: str) -> None:
        """Ends all sessions that were begun for a share's id."""
        ...


class Phones(Protocol):
    """What is asked of the records of persons."""

    def blind_phone(self, phone: str) -> str:
        """The blind index of a phone number. Raises `Invalid` for what is no mobile number."""
        ...

    async def phone_of(self, phone_blind: str) -> str:
        """The number behind the blind index; empty if no hospital recorded it."""
        ...


class Shares:
    """The use cases of a share's maker. An id that is not the maker's is answered like one that is not there."""

    def __init__(
        self,
        store: ShareStore,
        views: SharedViews,
        secrets: ShareSecrets,
        sessions: GuestSessions,
        phones: Phones,
        guard: Guard,
        clock: Clock,
    ) -> None:
        self._store, self._views, self._secrets = store, views, secrets
        self._sessions, self._phones, self._guard, self._clock = sessions, phones, guard, clock

    async def create(self, maker: Principal, wanted: Wanted) -> Made:
        """A new share of own exams. Raises `NotFound` for an exam or series that is not there or not the maker's, `Conflict`."""
        exams = [await self._shared(maker, exam, series, wanted.report) for exam, series in wanted.exams.items()]
        await self._check_room(maker)
        share_id, now = public_id(), self._clock.now()
        passcode = digits(6) if wanted.passcode else ""
        share = Share(
            id=share_id,
            link=link_hash(self._secrets.code(share_id)),
            maker=maker.subject,
            maker_phone=await self._phones.phone_of(maker.subject),
            exams=tuple(exams),
            passcode=self._secrets.passcode(share_id, passcode) if passcode else "",
            only_phone=self._phones.blind_phone(wanted.only_phone) if wanted.only_phone else "",
            only_phone_shown=masked_phone(normal_phone(wanted.only_phone)) if wanted.only_phone else "",
            limit=wanted.limit,
            created=now,
            expires=now + timedelta(minutes=wanted.minutes),
        )
        await self._note(maker, share.id, "created")
        await self._store.add(share)
        return Made(share, passcode)

    async def _shared(self, maker: Principal, exam_id: str, series: frozenset[str], report: bool) -> SharedExam:
        exam = await self._views.exam(exam_id)
        if exam is None:
            await self._deny(maker, exam_id)
        await self._guard.require(maker, Action.SHARE_CREATE, exam.ref)
        if not series <= await self._views.series_uids(exam):
            raise Invalid("所选序列不在该检查中，请刷新页面后重选。", code="invalid-field", field="series")
        return SharedExam(exam.exam, exam.person, series, report)

    async def _check_room(self, maker: Principal) -> None:
        living = [one for one in await self._store.of_maker(maker.subject) if self._state(one) is State.ACTIVE]
        if len(living) >= MOST_ACTIVE:
            raise Conflict(f"有效的分享已达 {MOST_ACTIVE} 个，请先撤销不再需要的分享。", code="too-many-shares")

    async def all(self, maker: Principal) -> list[Listed]:
        """The maker's shares, newest first."""
        await self._guard.require_action(maker, Action.SHARE_CREATE)
        listed = [await self._listed(maker, share) for share in await self._store.of_maker(maker.subject)]
        return [one for one in listed if one.exams]

    async def one(self, maker: Principal, share_id: str) -> Listed:
        """One share of the maker's. Raises `NotFound`."""
        return await self._listed(maker, await self._own(maker, share_id))

    async def code(self, maker: Principal, share_id: str) -> str:
        """The code in the link of a share that still opens. Raises `NotFound`, and `ShareEnded`."""
        share = await self._own(maker, share_id)
        self._active(share)
        return self._secrets.code(share.id)

    def code_of(self, made: Made) -> str:
        """The code in the link of a share made just now."""
        return self._secrets.code(made.share.id)

    async def openings(self, maker: Principal, share_id: str) -> Sequence[Opening]:
        """Who opened it, newest first. Raises `NotFound`."""
        return await self._store.openings((await self._own(maker, share_id)).id)

    async def renew(self, maker: Principal, share_id: str) -> Made:
        """Another passcode in the place of the former. Raises `NotFound`, and `ShareEnded` for one that does not open."""
        share = await self._own(maker, share_id)
        passcode = digits(6)
        await self._note(maker, share_id, "passcode renewed")
        for _ in range(_ROUNDS):
            self._active(share)
            changed = with_passcode(share, self._secrets.passcode(share_id, passcode))
            if await self._store.swap(changed):
                return Made(changed, passcode)
            share = await self._reread(share_id)
        raise Overloaded

    async def revoke(self, maker: Principal, share_id: str) -> None:
        """Takes a share back, and ends whoever is inside: at once here, within a second everywhere. Raises `NotFound`."""
        share = await self._own(maker, share_id)
        await self._note(maker, share_id, "revoked")
        for _ in range(_ROUNDS):
            if share.revoked or await self._store.swap(revoked(share)):
                # Also for one that was revoked before: its sessions may have outlived a failure between the two writes.
                await self._sessions.end_all(share_id)
                return
            share = await self._reread(share_id)
        raise Overloaded

    async def _own(self, maker: Principal, share_id: str) -> Share:
        """A share that the caller made, of somebody whose identity is proved in this session."""
        share = await self._store.read(share_id)
        if share is None or not self._is_of(share, maker):
            await self._deny(maker, share_id)
        return share

    @staticmethod
    def _is_of(share: Share, maker: Principal) -> bool:
        persons = {one.person for one in share.exams}
        return share.maker == maker.subject and bool(persons & maker.persons)

    async def _reread(self, share_id: str) -> Share:
        share = await self._store.read(share_id)
        if share is None:
            raise NotFound
        return share

    async def _listed(self, maker: Principal, share: Share) -> Listed:
        seen = [await self._views.view(maker, Action.SHARE_CREATE, one) for one in share.exams]
        return Listed(share, self._state(share), tuple(view for view in seen if view is not None))

    def _state(self, share: Share) -> State:
        return state_of(share, self._clock.now())

    def _active(self, share: Share) -> None:
        state = self._state(share)
        if state is not State.ACTIVE:
            raise ended(state)

    async def _note(self, maker: Principal, share_id: str, what: str) -> None:
        await self._guard.note(maker, Action.SHARE_CREATE, share_id, Decision(True, Scenario.OWN_EXAM, what))

    async def _deny(self, maker: Principal, resource: str) -> NoReturn:
        await self._guard.note(maker, Action.SHARE_CREATE, resource, Decision(False, reason="unknown or foreign"))
        raise NotFound
