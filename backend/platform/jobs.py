"""Background work: the intent is written with its cause in one transaction, an executor runs it later.

An intent is one document, keyed by kind and key, that exists while something is wanted. It is run at least once: a
handler must be safe to repeat. Executors on other machines, or a job engine, can take the place of the in-process
one behind `Executor`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from backend.platform.clock import Clock, SystemClock
from backend.platform.database import Database, Document, OperationFailure, Query, Session
from backend.platform.ids import public_id
from backend.platform.schema import Index, Schema

COLLECTION = "intents"
_WRITE_CONFLICT = 112

# `due` is when an intent may next be claimed: at once, after a back-off, or when the lease of its runner ends. A dead
# one has none. So one index serves the new, the failed and the abandoned alike.
_EXAMPLE = Query(COLLECTION, {"kind": "example", "due": {"$lte": datetime(2000, 1, 1)}}, sort=("kind", "due"), limit=8)
SCHEMA = Schema(
    COLLECTION,
    indexes=(Index(("kind", "due")), Index(("state", "kind"))),
    queries={"due": _EXAMPLE, "dead": Query(COLLECTION, {"state": "dead"}, limit=100)},
)


@dataclass(frozen=True)
class Intent:
    """What a handler receives."""

    kind: str
    key: str
    payload: Mapping[str, Any]
    attempt: int
    """1 for the first try since the latest cause."""


@dataclass(frozen=True)
class DeadIntent:
    """Work that was given up, with the cause that an operator needs."""

    kind: str
    key: str
    attempts: int
    cause: str


Handler = Callable[[Intent], Awaitable[None]]


class Executor(Protocol):
    """Runs intents by the handlers that were registered for their kinds."""

    def handle(self, kind: str, handler: Handler, *, attempts: int = 8) -> None:
        """Registers the handler of a kind; after `attempts` failures in a row an intent is dead. Before `start`."""
        ...

    async def start(self) -> None:
        """Begins to run intents."""
        ...

    async def stop(self, grace_seconds: float = 10.0) -> None:
        """Takes no new work, lets running handlers end, cancels those that outlast the grace and gives them back."""
        ...


@dataclass(frozen=True)
class Claim:
    """The right to run an intent until its lease ends."""

    intent: Intent
    holder: str
    wanted: int
    """How many causes the claim covers; a later one makes the intent run again."""

    @property
    def id(self) -> str:
        """The intent's `_id`."""
        return f"{self.intent.kind}:{self.intent.key}"


class Intents:
    """The store of intents."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._intents = database.collection(COLLECTION)
        self._clock = clock or SystemClock()
        self._listeners: list[Callable[[], None]] = []

    async def add(
        self,
        session: Session | None,
        kind: str,
        key: str,
        payload: Mapping[str, Any] | None = None,
        *,
        delay_seconds: float = 0.0,
    ) -> None:
        """Says that the work `kind` on `key` is wanted, in the caller's transaction.

        Adding what is wanted already renews its payload; what runs at the moment runs once more afterwards; what was
        dead is tried again. Call `wake` after the commit, lest the work waits for the next poll.
        """
        due = self._clock.now() + timedelta(seconds=delay_seconds)
        running = {"$eq": ["$state", "running"]}
        fresh = {
            "kind": {"$literal": kind},
            "key": {"$literal": key},
            "payload": {"$literal": dict(payload or {})},
            "wanted": {"$add": [{"$ifNull": ["$wanted", 0]}, 1]},
            "state": {"$cond": [running, "running", "waiting"]},
            "due": {"$cond": [running, "$due", due]},
            "attempts": {"$cond": [running, "$attempts", 0]},
        }
        await self._intents.update_one({"_id": f"{kind}:{key}"}, [{"$set": fresh}], upsert=True, session=session)

    async def withdraw(self, session: Session | None, kind: str, key: str) -> None:
        """Says that the work is wanted no longer, in the caller's transaction; one that runs at the moment runs to its end."""
        await self._intents.delete_one({"_id": f"{kind}:{key}"}, session=session)

    def wake(self) -> None:
        """Tells executors in this process that intents were committed."""
        for listener in self._listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Calls `listener` at every `wake`."""
        self._listeners.append(listener)

    async def claim(self, kind: str, limit: int, lease_seconds: float) -> list[Claim]:
        """Up to `limit` due intents of a kind, each now leased to the caller alone."""
        now = self._clock.now()
        query = Query(COLLECTION, {"kind": kind, "due": {"$lte": now}}, sort=("kind", "due"), limit=max(limit * 2, 8))
        claims: list[Claim] = []
        for row in await self._intents.run(query):
            if len(claims) == limit:
                break
            claim = await self._take(row, now + timedelta(seconds=lease_seconds))
            if claim is not None:
                claims.append(claim)
        return claims

    async def _take(self, row: Document, until: datetime) -> Claim | None:
        """The claim, unless somebody was faster. The seen `due` and `wanted` say that nothing happened in between."""
        holder, attempt = public_id(), row["attempts"] + 1
        seen = {"_id": row["_id"], "due": row["due"], "wanted": row["wanted"]}
        change = {"$set": {"state": "running", "due": until, "holder": holder, "attempts": attempt}}
        try:
            if not await self._intents.update_one(seen, change):
                return None
        except OperationFailure as error:
            if error.code != _WRITE_CONFLICT:
                raise
            return None
        return Claim(Intent(row["kind"], row["key"], row["payload"], attempt), holder, row["wanted"])

    async def renew(self, claim: Claim, lease_seconds: float) -> bool:
        """Prolongs the lease. False when it was lost: the work belongs to somebody else."""
        until = self._clock.now() + timedelta(seconds=lease_seconds)
        return await self._change(claim, {"due": until})

    async def finish(self, claim: Claim) -> None:
        """The work is done: the intent vanishes, or waits anew when another cause came meanwhile."""
        mine = {"_id": claim.id, "holder": claim.holder}
        if not await self._intents.delete_one({**mine, "wanted": claim.wanted}):
            await self.release(claim)

    async def release(self, claim: Claim) -> None:
        """Gives the work back, to be done at once, its tries forgotten."""
        await self._change(claim, {"state": "waiting", "due": self._clock.now(), "attempts": 0, "holder": None})

    async def retry(self, claim: Claim, delay_seconds: float, cause: str, *, counted: bool = True) -> None:
        """The try failed: the work waits for `delay_seconds`, or runs at once when another cause came meanwhile."""
        later = self._clock.now() + timedelta(seconds=delay_seconds)
        attempts = claim.intent.attempt if counted else claim.intent.attempt - 1
        change = {"state": "waiting", "due": later, "attempts": attempts, "cause": cause, "holder": None}
        await self._unless_wanted_again(claim, change)

    async def give_up(self, claim: Claim, cause: str) -> None:
        """The work is dead until it is added anew or revived; the cause is kept."""
        await self._unless_wanted_again(claim, {"state": "dead", "due": None, "cause": cause, "holder": None})

    async def _unless_wanted_again(self, claim: Claim, change: Document) -> None:
        seen = {"_id": claim.id, "holder": claim.holder, "wanted": claim.wanted}
        if not await self._intents.update_one(seen, {"$set": change}):
            await self.release(claim)

    async def _change(self, claim: Claim, change: Document) -> bool:
        return await self._intents.update_one({"_id": claim.id, "holder": claim.holder}, {"$set": change}) == 1

    async def dead(self, limit: int = 100) -> list[DeadIntent]:
        """Work that was given up."""
        rows = await self._intents.find({"state": "dead"}, limit=limit)
        return [DeadIntent(row["kind"], row["key"], row["attempts"], row.get("cause", "")) for row in rows]

    async def revive(self, kind: str, key: str) -> bool:
        """Tries dead work again. False when there is none."""
        change = {"$set": {"state": "waiting", "due": self._clock.now(), "attempts": 0}}
        found = await self._intents.update_one({"_id": f"{kind}:{key}", "state": "dead"}, change) == 1
        self.wake()
        return found

    async def pending(self, kind: str | None = None) -> int:
        """How many intents wait or run, of one kind or in all."""
        alive = {"state": {"$in": ["waiting", "running"]}}
        return await self._intents.count(alive if kind is None else {**alive, "kind": kind})
