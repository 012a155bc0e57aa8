"""What a link carries: measured from what the terminal acknowledges, it says how much may be on its way and how good a JPEG may be.

Where the window was filled, the rate is taken as BBR takes it (draft-ietf-ccwg-bbr): bytes acknowledged since the message was sent, over
the time since then. Where it was not, the empty round trip is taken off first: else a link that has little to carry would look slow.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

LEAST_WINDOW = 24 * 1024
"""So much may always be on its way, bytes."""
QUEUE_SECONDS, MOVING_QUEUE_SECONDS = 0.1, 0.02
"""How much more than the link itself holds may wait in front of it, at rest and under a moving finger: what is seen next comes that much
later."""
_RATE_MEMORY, _RTT_MEMORY = 0.6, 20.0
_FASTEST = 12_500_000.0
"""Rates above 100 Mbit/s make no difference here, bytes a second."""
_FIRST_RTT = 0.2
_STARTUP_GAIN, _STARTUP_GROWTH, _STARTUP_ROUNDS = 1.5, 1.25, 3
_QUALITIES = ((600_000 / 8, 50), (3_000_000 / 8, 70))
_BEST_QUALITY = 85


@dataclass(frozen=True, slots=True)
class _Sent:
    end: int
    """Bytes sent in all when this message was out."""
    at: float
    acked: int
    """Bytes acknowledged in all when it was sent."""
    acked_at: float
    filled: bool
    """The window was nearly full."""


class Flow:
    """The account of one socket. Times are monotonic seconds, given by the caller."""

    def __init__(self, now: float) -> None:
        self._sent = self._acked = 0
        self._acked_at = now
        self._unacked: deque[_Sent] = deque()
        self._rates: deque[tuple[float, float]] = deque()
        self._rtts: deque[tuple[float, float]] = deque()
        self.queue_seconds = QUEUE_SECONDS
        """Set by whoever knows whether a finger moves."""
        self._startup = True
        self._best, self._flat_rounds, self._round_end = 0.0, 0, 0

    @property
    def in_flight(self) -> int:
        """Bytes sent and not yet acknowledged."""
        return self._sent - self._acked

    @property
    def acknowledged(self) -> int:
        """Bytes acknowledged in all."""
        return self._acked

    @property
    def goodput(self) -> float | None:
        """Bytes a second that arrive; None before anything was acknowledged."""
        return max(rate for _, rate in self._rates) if self._rates else None

    @property
    def round_trip(self) -> float:
        """Seconds to the terminal and back when the link is empty."""
        return min(rtt for _, rtt in self._rtts) if self._rtts else _FIRST_RTT

    @property
    def window(self) -> int:
        """Bytes that may be on their way. Half more while the rate of the link is still being found."""
        goodput = self.goodput
        if goodput is None:
            return LEAST_WINDOW * 2
        wanted = goodput * (self.round_trip + self.queue_seconds)
        return max(LEAST_WINDOW, int(wanted * (_STARTUP_GAIN if self._startup else 1.0)))

    def bytes_in(self, seconds: float) -> float:
        """What arrives in so many seconds; without bound before anything was measured."""
        return float("inf") if self.goodput is None else self.goodput * seconds

    @property
    def quality(self) -> int:
        """JPEG quality that the link can bear."""
        goodput = self.goodput
        if goodput is None:
            return 70
        return next((quality for limit, quality in _QUALITIES if goodput < limit), _BEST_QUALITY)

    def may_send(self, size: int) -> bool:
        """Whether a message of `size` bytes may go now; one alone always may."""
        return self.in_flight == 0 or self.in_flight + size <= self.window

    def sent(self, size: int, now: float) -> None:
        """A message of `size` bytes went out."""
        if self.in_flight == 0:
            self._acked_at = now
        self._sent += size
        filled = self.in_flight * 4 >= self.window * 3
        self._unacked.append(_Sent(self._sent, now, self._acked, self._acked_at, filled))

    def acked(self, total: int, now: float) -> bool:
        """The terminal has received `total` bytes in all. False for a number that cannot be."""
        if not self._acked <= total <= self._sent:
            return False
        newest = None
        while self._unacked and self._unacked[0].end <= total:
            newest = self._unacked.popleft()
        self._acked = total
        self._acked_at = now
        if newest is not None:
            self._measure(newest, now)
        return True

    def round_trip_seen(self, seconds: float, now: float) -> None:
        """A ping came back while nothing else was on its way."""
        _remember(self._rtts, seconds, now, _RTT_MEMORY, keep_smallest=True)

    def _measure(self, message: _Sent, now: float) -> None:
        delivered, elapsed = self._acked - message.acked, now - message.acked_at
        if elapsed <= 0:
            return
        rate, known = min(_FASTEST, delivered / elapsed), self.goodput
        if not message.filled and known is not None and self._rtts:
            beyond = max(elapsed - self.round_trip, delivered / _FASTEST)
            # The round trip may be taken too long; the estimate then grows in steps, not at once.
            rate = max(rate, min(delivered / beyond, 2 * known))
        _remember(self._rates, rate, now, max(_RATE_MEMORY, 2 * self.round_trip), keep_smallest=False)
        if self._startup and message.end >= self._round_end:
            self._end_round()

    def _end_round(self) -> None:
        """Once a round trip: the rate is found when it has not grown by a quarter for three rounds."""
        goodput = self.goodput or 0.0
        if goodput >= self._best * _STARTUP_GROWTH:
            self._best, self._flat_rounds = goodput, 0
        else:
            self._flat_rounds += 1
        self._round_end = self._sent
        self._startup = self._flat_rounds < _STARTUP_ROUNDS


def _remember(
    series: deque[tuple[float, float]], value: float, now: float, memory: float, *, keep_smallest: bool
) -> None:
    """Adds a measurement and forgets what is older than `memory` seconds, or can never be the extreme any more."""
    while series and (series[-1][1] >= value if keep_smallest else series[-1][1] <= value):
        series.pop()
    series.append((now, value))
    while len(series) > 1 and series[0][0] < now - memory:
        series.popleft()
