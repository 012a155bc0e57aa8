"""The hash chain, and the guard through which every access goes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from backend.access.model import Action, Decision, ExamRef, Kind, Principal
from backend.access.rules import decide, decide_action
from backend.platform.clock import Clock
from backend.platform.errors import Forbidden, NotFound, Unauthenticated, Unavailable

from .chain import GENESIS, chain_hash
from .model import Entry, Link, origin

_BATCH = 500


class TrailStore(Protocol):
    """Where entries are kept."""

    async def append(self, links: Sequence[Link]) -> None:
        """Writes them durably, in order."""
        ...


class HeadKeeper(Protocol):
    """Where the heads of chains are anchored."""

    def note(self, chain: str, sequence: int, digest: str, entries: int) -> None:
        """The chain has grown by `entries` and ends with this one; returns at once."""
        ...


class Trail:
    """Appends entries to this process's own chain.

    Each process has a chain of its own (its first entry follows `GENESIS`), so that many processes write without waiting for each other.
    Entries that come while a write is under way go together into the next one.
    """

    def __init__(self, store: TrailStore, key: bytes, chain: str, heads: HeadKeeper | None = None) -> None:
        """`chain` is its name, that of no other; `heads` anchors it outside the store."""
        self._store, self._key, self._base, self._heads = store, key, chain, heads
        self._chain, self._breaks = chain, 0
        self._sequence, self._head = 0, GENESIS
        self._waiting: list[tuple[Entry, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def append(self, entry: Entry) -> None:
        """Records the entry durably; an access whose record fails must not happen, so errors propagate."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await future

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            links = self._link([entry for entry, _ in batch])
            try:
                await self._store.append(links)
            except Exception as error:
                self._begin_anew()
                _settle(batch, error)
            except BaseException:
                # The process ends: nobody may take what is unwritten for recorded.
                self._begin_anew()
                _settle([*batch, *self._waiting], Unavailable())
                raise
            else:
                self._sequence, self._head = self._sequence + len(links), links[-1].digest
                if self._heads is not None:
                    self._heads.note(self._chain, self._sequence - 1, self._head, len(links))
                _settle(batch, None)

    def _link(self, entries: Sequence[Entry]) -> list[Link]:
        links, previous = [], self._head
        for number, entry in enumerate(entries, self._sequence):
            digest = chain_hash(self._key, previous, self._chain, number, entry)
            links.append(Link(self._chain, number, previous, digest, entry))
            previous = digest
        return links

    def _begin_anew(self) -> None:
        """After a write whose outcome is unknown the old chain ends, wherever it ended, and a new one begins."""
        self._breaks += 1
        self._chain, self._sequence, self._head = f"{self._base}.{self._breaks}", 0, GENESIS


def _settle(batch: Sequence[tuple[Entry, asyncio.Future[None]]], error: Exception | None) -> None:
    for _, future in batch:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


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
