"""The executor inside this process: claims due intents, renews their leases, retries with back-off."""

from __future__ import annotations

import asyncio
import logging
import random
import traceback
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from backend.platform.errors import DatabaseUnavailable, Invalid, TooLarge, Unavailable, Unsupported, YunyingError
from backend.platform.jobs import Claim, Handler, Intents

log = logging.getLogger(__name__)

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 600.0
# Repeating these cannot succeed.
_HOPELESS = (Invalid, TooLarge, Unsupported)


@dataclass(frozen=True)
class _Kind:
    handler: Handler
    attempts: int


class InProcessExecutor:
    """An `Executor` on this event loop; handlers bring their own threads for work on the processor.

    It is woken by `Intents.wake` in this process and looks every `poll_seconds` for what other processes added, for
    retries that came due and for leases whose runner was killed.
    """

    def __init__(
        self, intents: Intents, *, slots: int = 2, lease_seconds: float = 30.0, poll_seconds: float = 0.5
    ) -> None:
        self._intents = intents
        self._slots = slots
        self._lease = lease_seconds
        self._poll = poll_seconds
        self._kinds: dict[str, _Kind] = {}
        self._running: dict[asyncio.Task[None], Claim] = {}
        self._woken = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        intents.listen(self._woken.set)

    def handle(self, kind: str, handler: Handler, *, attempts: int = 8) -> None:
        """Registers the handler of a kind; after `attempts` failures in a row an intent is dead."""
        self._kinds[kind] = _Kind(handler, attempts)

    async def start(self) -> None:
        """Begins to run intents."""
        self._loop = asyncio.create_task(self._work(), name="executor")

    async def stop(self, grace_seconds: float = 10.0) -> None:
        """Takes no new work, waits for running handlers, cancels those that outlast the grace."""
        if self._loop is None:
            return
        self._loop.cancel()
        await asyncio.wait([self._loop])
        self._loop = None
        if self._running:
            await asyncio.wait(list(self._running), timeout=grace_seconds)
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def drain(self, timeout_seconds: float = 60.0) -> None:
        """Waits until no intent waits or runs. Raises TimeoutError. For demos and tests."""
        async with asyncio.timeout(timeout_seconds):
            self._woken.set()
            while await self._intents.pending():  # noqa: ASYNC110 - other processes finish intents, too
                await asyncio.sleep(0.02)

    async def _work(self) -> None:
        while True:
            self._woken.clear()
            try:
                busy = await self._claim_some()
            except DatabaseUnavailable:
                log.warning("The database does not answer; background work pauses.")
                busy = False
            except Exception as error:
                # Whatever it is, background work must not end with it.
                log.error("Background work could not be claimed: %s", describe(error))
                busy = False
            if not busy:
                try:
                    await asyncio.wait_for(self._woken.wait(), self._poll * (0.75 + random.random() / 2))  # noqa: S311
                except TimeoutError:
                    continue

    async def _claim_some(self) -> bool:
        """Starts what is due, kind after kind; whether anything was started."""
        started = False
        for kind in list(self._kinds):
            free = self._slots - len(self._running)
            if free <= 0:
                return False
            for claim in await self._intents.claim(kind, free, self._lease):
                task = asyncio.create_task(self._run(claim), name=f"intent {kind}")
                self._running[task] = claim
                task.add_done_callback(self._ended)
                started = True
        return started

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._woken.set()

    async def _run(self, claim: Claim) -> None:
        kind = self._kinds[claim.intent.kind]
        if claim.intent.attempt > kind.attempts:
            # Every try took its process down with it, so that no failure was ever recorded.
            await self._settle(self._intents.give_up(claim, "the process died at every try"))
            return
        work = asyncio.ensure_future(kind.handler(claim.intent))
        renewal = asyncio.create_task(self._keep(claim, work))
        try:
            await work
        except asyncio.CancelledError:
            await self._settle(self._intents.release(claim))
            raise
        except Exception as error:
            await self._settle(self._failed(claim, kind, error))
        else:
            await self._settle(self._intents.finish(claim))
        finally:
            renewal.cancel()
            work.cancel()

    async def _settle(self, outcome: Coroutine[Any, Any, None]) -> None:
        """Records an outcome; while the database is away nothing is lost, the lease ends and the work is repeated."""
        try:
            await outcome
        except DatabaseUnavailable:
            log.warning("The outcome of background work could not be recorded; it will be repeated.")
        except Exception as error:
            log.error("The outcome of background work could not be recorded: %s", describe(error))

    async def _failed(self, claim: Claim, kind: _Kind, error: Exception) -> None:
        cause = describe(error)
        intent = claim.intent
        waits = isinstance(error, Unavailable)
        log.warning("Intent %s failed, try %d: %s", intent.kind, intent.attempt, cause)
        if isinstance(error, _HOPELESS) or (intent.attempt >= kind.attempts and not waits):
            log.error("Intent %s was given up after %d tries: %s", intent.kind, intent.attempt, cause)
            await self._intents.give_up(claim, cause)
            return
        pause = min(_FIRST_PAUSE * 2 ** (intent.attempt - 1), _LONGEST_PAUSE) * (0.75 + random.random() / 2)  # noqa: S311
        await self._intents.retry(claim, pause, cause, counted=not waits)

    async def _keep(self, claim: Claim, work: asyncio.Future[None]) -> None:
        """Renews the lease while the handler runs; ends the handler when somebody else took the work over."""
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                if not await self._intents.renew(claim, self._lease):
                    work.cancel()
                    return
            except DatabaseUnavailable:
                continue


def describe(error: Exception) -> str:
    """Kind, code and place of an error. Never its message, in which a library may have put personal data."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else "?"
    code = f" {error.code}" if isinstance(error, YunyingError) else ""
    return f"{type(error).__name__}{code} at {place}"
