"""Random sequences of sharing, opening, trying, revoking and waiting: at no moment does anybody see more than the policy says.

What must be allowed is told by a model of its own, a few lines long; what is allowed is asked of sessions, policy and database.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from backend.access.model import Action, Kind, Principal
from backend.access.rules import decide
from backend.platform.clock import ManualClock
from backend.platform.errors import YunyingError
from backend.sharing.guests import Guests
from backend.sharing.model import Wanted
from backend.sharing.owner import Shares
from backend.sharing.secrets import ShareSecrets
from backend.sharing.store import ShareStore
from backend.sharing.views import SharedViews
from tests.sharing.house import SharingHouse


@dataclass
class Kept:
    """What the model knows of a share."""

    id: str
    exams: dict[str, set[str] | None]
    report: bool
    passcode: str
    only: str
    limit: int
    ends: Any
    opened: int = 0
    wrong: int = 0
    revoked: bool = False

    def lives(self, now: Any) -> bool:
        return not self.revoked and self.wrong < 5 and now < self.ends


@dataclass
class Inside:
    """A guest's session as the model knows it."""

    session: str
    share: Kept
    until: Any


class World:
    """The real parts, without HTTP, on a loop of their own."""

    def __init__(self, uri: str, folder: Path) -> None:
        self.runner, self.stack = asyncio.Runner(), AsyncExitStack()
        self.house = SharingHouse()
        self.run(self.house.start(self.stack, uri, folder, ManualClock()))
        f, c = self.house.f, self.house.core

        async def name(code: str) -> str:
            return code

        class Gate:
            async def send_code(self, phone: str, purpose: Any) -> int:
                return 60

            async def verify(self, phone: str, code: str, purpose: Any) -> str:
                return c.people.blind_phone(phone)

        class Silent:
            async def send(self, message: Any) -> None:
                return None

        store, views, secrets = ShareStore(f.database, f.cipher), SharedViews(c.archive, name), ShareSecrets(f.keys)
        self.shares = Shares(store, views, secrets, c.sessions, c.people, c.guard, f.clock)
        self.guests = Guests(store, views, secrets, Gate(), c.sessions, Silent(), c.guard, f.clock)
        self.exams = {"ct": self.house.ct, "mr": self.house.mr, "foreign": self.house.foreign}
        self.series = {name: self.run(self.house.series(exam)) for name, exam in self.exams.items()}

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def close(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()


class Sharing(RuleBasedStateMachine):
    """One patient, three exams (one of them somebody else's), two guests' phones."""

    world: World
    shares = Bundle("shares")

    def __init__(self) -> None:
        super().__init__()
        self.inside: list[Inside] = []
        house = self.world.house
        blind = house.core.people.blind_phone("13800000001")
        self.maker = Principal(Kind.PATIENT, blind, persons=frozenset({house.ct.person}))

    @property
    def now(self) -> Any:
        return self.world.house.clock.now()

    def refused(self, work: Any) -> bool:
        try:
            self.result = self.world.run(work)
        except YunyingError:
            return True
        return False

    @rule(
        target=shares,
        exams=st.sets(st.sampled_from(["ct", "mr"]), min_size=1),
        some=st.booleans(),
        report=st.booleans(),
        passcode=st.booleans(),
        only=st.booleans(),
        limit=st.integers(1, 3),
        minutes=st.sampled_from([10, 60, 300]),
    )
    def share(
        self, exams: set[str], some: bool, report: bool, passcode: bool, only: bool, limit: int, minutes: int
    ) -> Kept:
        series = {name: frozenset(self.world.series[name][:1] if some else []) for name in exams}
        wanted = Wanted(
            {self.world.exams[name].exam: uids for name, uids in series.items()},
            report,
            minutes,
            passcode,
            limit,
            "13900000001" if only else "",
        )
        made = self.world.run(self.world.shares.create(self.maker, wanted))
        return Kept(
            made.share.id,
            {self.world.exams[name].exam: set(uids) or None for name, uids in series.items()},
            report,
            made.passcode,
            "13900000001" if only else "",
            limit,
            self.now + timedelta(minutes=minutes),
        )

    @rule()
    def share_of_somebody_else(self) -> None:
        exam = self.world.exams["foreign"].exam
        wanted = Wanted({exam: frozenset()}, True, 60, False, 5, "")
        assert self.refused(self.world.shares.create(self.maker, wanted))

    @rule(share=shares, phone=st.sampled_from(["13900000001", "13900000002"]), right=st.integers(0, 3))
    def open(self, share: Kept, phone: str, right: int) -> None:
        """Mostly with the right passcode."""
        code = self.world.guests._secrets.code(share.id)
        may = share.lives(self.now) and share.opened < share.limit
        assert self.refused(self.world.guests.verify(code, phone, "000000", "")) is not may
        if not may:
            return
        guest = self.result.session.principal
        passcode = share.passcode if right else "x"
        fits = (not share.passcode or passcode == share.passcode) and share.only in ("", phone)
        assert self.refused(self.world.guests.open(guest, share.id, passcode, "")) is not fits
        if fits:
            share.opened += 1
            until = min(share.ends, self.now + timedelta(hours=2))
            self.inside.append(Inside(self.result.session.id, share, until))
        else:
            share.wrong += 1

    @rule(share=shares)
    def renew_the_passcode(self, share: Kept) -> None:
        may = share.lives(self.now) and share.opened < share.limit
        assert self.refused(self.world.shares.renew(self.maker, share.id)) is not may
        if may:
            share.passcode, share.wrong = self.result.passcode, 0

    @rule(share=shares)
    def revoke(self, share: Kept) -> None:
        self.world.run(self.world.shares.revoke(self.maker, share.id))
        share.revoked = True

    @rule(minutes=st.sampled_from([1, 9, 50, 130]))
    def wait(self, minutes: int) -> None:
        self.world.house.clock.advance(minutes=minutes)

    @invariant()
    def nobody_sees_more(self) -> None:
        for one in self.inside:
            session = self.world.run(self.world.house.core.sessions.find(one.session))
            alive = one.share.lives(self.now) and self.now < one.until
            assert (session is not None) is alive
            if session is None:
                continue
            for name, exam in self.world.exams.items():
                shown = one.share.exams.get(exam.exam, set())
                may = exam.exam in one.share.exams
                seen = decide(session.principal, Action.EXAM_VIEW, exam.ref).allowed
                assert seen is may
                assert decide(session.principal, Action.REPORT_READ, exam.ref).allowed is (may and one.share.report)
                for uid in self.world.series[name]:
                    right = may and (shown is None or uid in shown)
                    ref = replace(exam.ref, series=uid)
                    assert decide(session.principal, Action.EXAM_VIEW, ref).allowed is right
                for action in set(Action) - {Action.EXAM_VIEW, Action.REPORT_READ, Action.SHARE_OPEN}:
                    assert not decide(session.principal, action, exam.ref).allowed


@pytest.fixture
def world(mongo_uri: str, tmp_path: Path) -> Any:
    made = World(mongo_uri, tmp_path)
    yield made
    made.close()


def test_nobody_ever_sees_more_than_the_policy_says(world: World) -> None:
    Sharing.world = world
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        Sharing, settings=settings(max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=slow)
    )
