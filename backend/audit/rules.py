"""The hash chain, and the guard through which every access goes."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from dataclasses import asdict
from typing import Protocol

from backend.access.model import Action, Decision, ExamRef, Kind, Principal
from backend.access.rules import decide, decide_action
from backend.platform.clock import Clock
from backend.platform.errors import Forbidden, NotFound, Unauthenticated

from .model import Entry, origin

GENESIS = "0" * 64


def chain_hash(key: bytes, previous: str, chain: str, sequence: int, entry: Entry) -> str:
    """HMAC-SHA-256 over the previous hash, the entry's place and its canonical JSON; 64 hexadecimal characters."""
    body = json.dumps(asdict(entry), ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
    return hmac.digest(key, f"{previous}|{chain}|{sequence}|{body}".encode(), hashlib.sha256).hex()


class TrailStore(Protocol):
    """Where entries are kept."""

    async def append(self, chain: str, sequence: int, previous: str, digest: str, entry: Entry) -> None:
        """Writes one entry durably."""
        ...


class Trail:
    """Appends entries to this process's own chain.

    Each process has a chain of its own (its first entry follows `GENESIS`), so that many processes write without waiting for each other.
    """

    def __init__(self, store: TrailStore, key: bytes, chain: str) -> None:
        self._store, self._key, self._chain = store, key, chain
        self._sequence, self._head = 0, GENESIS
        self._lock = asyncio.Lock()

    async def append(self, entry: Entry) -> None:
        """Records the entry durably; an access whose record fails must not happen, so errors propagate."""
        async with self._lock:
            digest = chain_hash(self._key, self._head, self._chain, self._sequence, entry)
            await self._store.append(self._chain, self._sequence, self._head, digest, entry)
            self._sequence, self._head = self._sequence + 1, digest


class Guard:
    """Decides by the policy and records every decision. Rules ask it before they touch anything private."""

    def __init__(self, trail: Trail, clock: Clock) -> None:
        self._trail, self._clock = trail, clock

    async def require(self, principal: Principal, action: Action, exam: ExamRef) -> Decision:
        """Allows or raises `NotFound`: to a stranger, denial and absence look alike."""
        decision = decide(principal, action, exam)
        await self._record(principal, action, exam.exam, exam.institution, decision)
        if not decision.allowed:
            raise NotFound
        return decision

    async def require_action(self, principal: Principal, action: Action, *, institution: str = "") -> Decision:
        """Allows an action that is about no single exam, or raises `Unauthenticated` or `Forbidden`."""
        decision = decide_action(principal, action)
        await self._record(principal, action, "", institution or principal.institution, decision)
        if not decision.allowed:
            raise Unauthenticated if principal.kind is Kind.ANONYMOUS else Forbidden
        return decision

    async def note(self, principal: Principal, action: Action, resource: str, decision: Decision) -> None:
        """Records something that was decided elsewhere, such as a wrong code at the gate."""
        await self._record(principal, action, resource, principal.institution, decision)

    async def _record(
        self, who: Principal, action: Action, resource: str, institution: str, decision: Decision
    ) -> None:
        await self._trail.append(
            Entry(
                time=self._clock.now(),
                subject=who.subject,
                kind=who.kind.value,
                action=action.value,
                resource=resource,
                institution=institution,
                scenario=decision.scenario.value,
                allowed=decision.allowed,
                reason=decision.reason,
                origin=origin.get(),
            )
        )
