"""Open streams of this process: ended within a second of their session, told of new instances within a few."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from typing import Protocol

from backend.identity.model import Session
from backend.platform.clock import Clock
from backend.platform.errors import YunyingError
from backend.viewing.rules import Viewing
from backend.viewing.terminal import Terminal

log = logging.getLogger("yunying.stream")

SESSION_SECONDS, SERIES_SECONDS = 0.5, 2.0


class LiveSessions(Protocol):
    """What streams ask of identity."""

    async def find(self, session_id: str) -> Session | None:
        """The session if it lives."""
        ...

    async def living(self, session_ids: Collection[str]) -> set[str]:
        """Those of the sessions that live; one question however many there are."""
        ...


class Connection(Protocol):
    """An open socket."""

    @property
    def terminal(self) -> Terminal | None:
        """What is shown; None before the first message."""
        ...

    def revoke(self) -> None:
        """Ends it because its session ended."""
        ...

    def tick(self, now: float) -> None:
        """About once a second."""
        ...


class Watch:
    """Looks after all streams of the process with one loop each for sessions and series, however many there are."""

    def __init__(self, sessions: LiveSessions, viewing: Viewing, clock: Clock) -> None:
        self._sessions, self._viewing, self._clock = sessions, viewing, clock
        self._open: set[Connection] = set()
        self._loops: list[asyncio.Task[None]] = []

    @property
    def count(self) -> int:
        """Open connections."""
        return len(self._open)

    def add(self, connection: Connection) -> None:
        """Begins to look after a connection."""
        self._open.add(connection)
        if not self._loops:
            self._loops = [asyncio.create_task(self._watch_sessions()), asyncio.create_task(self._watch_series())]

    def remove(self, connection: Connection) -> None:
        """The connection has ended."""
        self._open.discard(connection)
        if not self._open:
            self._end()

    def _end(self) -> None:
        for loop in self._loops:
            loop.cancel()
        self._loops = []

    async def _watch_sessions(self) -> None:
        while True:
            await asyncio.sleep(SESSION_SECONDS)
            now = self._clock.monotonic()
            begun = [(one, one.terminal) for one in list(self._open)]
            wanted = {terminal.session for _, terminal in begun if terminal is not None}
            try:
                living = await self._sessions.living(wanted) if wanted else set()
            except YunyingError as error:
                # Who cannot be asked about is not thrown out: nothing private comes while the database is away but what is in memory.
                log.warning("sessions cannot be watched: %s", error.code)
                living = wanted
            for connection, terminal in begun:
                connection.tick(now)
                if terminal is not None and terminal.session not in living:
                    connection.revoke()

    async def _watch_series(self) -> None:
        while True:
            await asyncio.sleep(SERIES_SECONDS)
            by_exam: dict[str, list[Terminal]] = {}
            for connection in self._open:
                if connection.terminal is not None:
                    by_exam.setdefault(connection.terminal.exam.key, []).append(connection.terminal)
            for terminals in by_exam.values():
                try:
                    series = await self._viewing.summaries(terminals[0].exam)
                    for terminal in terminals:
                        await terminal.refresh(series)
                except (YunyingError, ConnectionError) as error:
                    log.info("series cannot be watched: %s", type(error).__name__)
