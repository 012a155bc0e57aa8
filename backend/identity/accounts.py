"""Staff: accounts, passwords (argon2id) and the sign-in that answers with a bearer token."""

from __future__ import annotations

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from backend.access.model import Action, Decision, Kind, Principal, Role, Scenario
from backend.audit.model import origin
from backend.audit.rules import Guard
from backend.platform.clock import Clock
from backend.platform.errors import Invalid, TooMany, Unauthenticated

from .model import Account, GateLimits, Started
from .sessions import Sessions
from .store import AccountStore, LimitStore

_SHORTEST, _LONGEST = 8, 256


class WrongPassword(Unauthenticated):
    """Account or password is wrong: the answer does not say which."""

    code = "wrong-password"
    default_text = "账号或密码不正确。"


class Accounts:
    """Staff accounts. Hashing takes some 28 ms of a core, so it runs in threads, two at a time."""

    def __init__(
        self,
        store: AccountStore,
        limits: LimitStore,
        sessions: Sessions,
        guard: Guard,
        clock: Clock,
        *,
        bounds: GateLimits | None = None,
    ) -> None:
        self._store, self._limits, self._sessions = store, limits, sessions
        self._guard, self._clock, self._bounds = guard, clock, bounds or GateLimits()
        # 19 MiB, 2 passes, 1 lane: what OWASP names as the least.
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._nobody = self._hasher.hash("nobody's password")
        self._two = asyncio.Semaphore(2)

    async def put(self, name: str, institution: str, roles: frozenset[Role], password: str = "") -> Account:
        """Makes or renews an account; without a password it can sign in by token only. Raises `Invalid`."""
        if password and not _SHORTEST <= len(password) <= _LONGEST:
            raise Invalid(f"密码长度应在 {_SHORTEST} 至 {_LONGEST} 个字符之间。", field="password")
        hashed = await asyncio.to_thread(self._hasher.hash, password) if password else ""
        account = Account(name.strip().lower(), institution, roles, hashed)
        await self._store.write(account)
        return account

    async def sign_in(self, name: str, password: str, *, device: str = "") -> Started:
        """A bearer token. Raises `WrongPassword` for an unknown, disabled or wrongly opened account alike, and `TooMany`."""
        name, now = name.strip().lower(), self._clock.now()
        key = f"password:{name[:100]}:{origin.get().address}"
        until = await self._limits.take(key, (self._bounds.sign_in_tries,), now)
        if until is not None:
            wait = max(1, round((until - now).total_seconds()))
            raise TooMany(f"登录尝试过于频繁，请在 {-(-wait // 60)} 分钟后再试。", retry_after=wait)
        account = await self._store.read(name)
        async with self._two:
            right = await asyncio.to_thread(self._verify, account, password[:_LONGEST])
        await self._note(name, right)
        if account is None or not right:
            raise WrongPassword
        await self._limits.forget(key)
        return await self._sessions.start_staff(account, device=device)

    def _verify(self, account: Account | None, password: str) -> bool:
        """Takes the same time for an account that is not there."""
        usable = account is not None and bool(account.password_hash) and not account.disabled
        try:
            self._hasher.verify(account.password_hash if account and usable else self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return usable

    async def _note(self, name: str, right: bool) -> None:
        scenario = Scenario.SELF if right else Scenario.NONE
        principal = Principal(Kind.STAFF, name[:100])
        await self._guard.note(principal, Action.SESSION_MANAGE, "", Decision(right, scenario, "password"))
