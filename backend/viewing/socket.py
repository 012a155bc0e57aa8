"""`/stream`: the WebSocket of the viewers. Takes messages, keeps time, ends what may not go on; what to send is decided elsewhere."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from prometheus_client import Gauge
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from backend.audit.model import Origin, origin
from backend.platform.clock import Clock
from backend.platform.errors import Invalid, NotFound, Unauthenticated, YunyingError
from backend.viewing import messages
from backend.viewing.rules import Viewing
from backend.viewing.terminal import Terminal
from backend.viewing.tickets import Tickets
from backend.viewing.watch import LiveSessions, Watch
from backend.web.handler import Handler

log = logging.getLogger("yunying.stream")

CLOSE_UNKNOWN, CLOSE_TICKET, CLOSE_REVOKED, CLOSE_MISUSE, CLOSE_OVERLOADED = 1008, 4401, 4403, 4409, 1013
FIRST_MESSAGE_SECONDS = 10.0
_PING_SECONDS, _SILENCE_SECONDS = 5.0, 30.0
_MESSAGES_A_SECOND = 1000
_OPEN = Gauge("yunying_streams", "Open streams")


class StreamHandler(Handler, WebSocketHandler):
    """One connection."""

    viewing: Viewing
    tickets: Tickets
    sessions: LiveSessions
    watch: Watch
    clock: Clock
    public_host: str
    most_streams: int

    _terminal: Terminal | None = None
    _work: asyncio.Task[None] | None = None
    _timer: asyncio.TimerHandle | None = None
    _heard = 0.0
    _counted = 0.0
    _pinged = 0.0
    _budget = float(_MESSAGES_A_SECOND)

    @property
    def max_message_size(self) -> int:
        """Bytes of a terminal's message."""
        return messages.LONGEST

    def check_origin(self, origin: str) -> bool:
        """Pages of this site only; a client that is no browser sends no Origin at all."""
        host = urlsplit(origin).netloc.lower()
        return host in (self.request.host.lower(), self.public_host)

    def open(self, *args: str, **kwargs: str) -> None:
        """Waits for the first message."""
        self.set_nodelay(True)
        self._heard = self.clock.monotonic()
        if self.watch.count >= self.most_streams:
            self.close(CLOSE_OVERLOADED, "overloaded")
            return
        self.watch.add(self)
        _OPEN.set(self.watch.count)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(FIRST_MESSAGE_SECONDS, self._if_silent)

    async def on_message(self, message: str | bytes) -> None:
        """Acts on one message, or ends the connection with the reason."""
        if not self._within_budget():
            self.close(CLOSE_MISUSE, "too many messages")
            return
        try:
            parsed = messages.parse(message)
            if self._terminal is not None:
                await self._take(self._terminal, parsed)
            elif isinstance(parsed, messages.Open):
                await self._begin(parsed)
            else:
                raise Invalid
        except messages.UnknownMessage:
            self.close(CLOSE_UNKNOWN, "unknown message")
        except Invalid:
            self.close(CLOSE_MISUSE, "malformed message")
        except (Unauthenticated, NotFound):
            self.close(CLOSE_TICKET, "ticket")
        except YunyingError as error:
            log.info("stream -> %s [%s]", error.code, self.request_id)
            self.close(CLOSE_OVERLOADED, error.code)
        except (WebSocketClosedError, ConnectionError):
            self.close()

    async def _take(self, terminal: Terminal, message: messages.Message) -> None:
        acknowledged = terminal.stream.flow.acknowledged
        await terminal.take(message)
        if terminal.stream.flow.acknowledged > acknowledged:
            self._budget += 1  # Whoever receives much must acknowledge much.

    async def _begin(self, opening: messages.Open) -> None:
        ticket = self.tickets.verify(opening.ticket)
        session = await self.sessions.find(ticket.session)
        if session is None or session.principal.subject != ticket.subject:
            raise Unauthenticated
        principal = session.principal
        origin.set(
            Origin(
                address=self.request.remote_ip or "",
                agent=self.request.headers.get("User-Agent", "")[:200],
                request_id=self.request_id,
                entry="stream",
            )
        )
        opened = await self.viewing.open(principal, ticket.exam)
        terminal = Terminal(self.viewing, self, self.clock, principal, opened, opening)
        await terminal.greet()
        self._terminal = terminal
        self._ping()
        self._work = asyncio.create_task(self._run(terminal), name="stream")

    async def _run(self, terminal: Terminal) -> None:
        try:
            await terminal.stream.run()
        except (WebSocketClosedError, ConnectionError):
            self.close()
        except Exception:
            log.exception("stream failed [%s]", self.request_id)
            self.close(CLOSE_OVERLOADED, "internal")

    async def send(self, message: bytes | dict[str, Any]) -> None:
        """Sends a binary message or a JSON text; returns when the kernel has it."""
        if isinstance(message, bytes):
            await self.write_message(message, binary=True)
        else:
            await self.write_message(json.dumps(message, ensure_ascii=False, separators=(",", ":")))

    @property
    def terminal(self) -> Terminal | None:
        """What is shown; None before the first message."""
        return self._terminal

    def revoke(self) -> None:
        """The session has ended: nothing more is sent."""
        self._stop()
        self.close(CLOSE_REVOKED, "session ended")

    def tick(self, now: float) -> None:
        """Called about once a second: measures the round trip, ends what has gone silent."""
        if now - self._heard > _SILENCE_SECONDS:
            self.close(1001, "silent")
        elif self._terminal is not None and now - self._pinged > _PING_SECONDS:
            self._ping()

    def _ping(self) -> None:
        """Asks for a sign of life; its way there and back is the link's alone when no picture is on it."""
        assert self._terminal is not None
        self._pinged = self.clock.monotonic()
        quiet = self._terminal.stream.flow.in_flight == 0
        with suppress(WebSocketClosedError):
            self.ping(f"{'q' if quiet else 'b'}{self._pinged!r}".encode())

    def on_pong(self, data: bytes) -> None:
        """Takes the round trip."""
        now = self._heard = self.clock.monotonic()
        if data[:1] == b"q" and data == f"q{self._pinged!r}".encode() and self._terminal is not None:
            self._terminal.stream.flow.round_trip_seen(now - self._pinged, now)

    def on_close(self) -> None:
        """Stops the work for this connection."""
        self._stop()
        self.watch.remove(self)
        _OPEN.set(self.watch.count)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._work is not None:
            self._work.cancel()

    def _if_silent(self) -> None:
        if self._terminal is None:
            self.close(CLOSE_TICKET, "no ticket")

    def _within_budget(self) -> bool:
        now = self._heard = self.clock.monotonic()
        self._budget = min(float(_MESSAGES_A_SECOND), self._budget + (now - self._counted) * _MESSAGES_A_SECOND) - 1
        self._counted = now
        return self._budget > 0
