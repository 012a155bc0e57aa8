"""The one place that asks the time. Everything stored is UTC; days of statistics and pages are those of Asia/Shanghai."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


class Clock(Protocol):
    """Tells the time; injected, so that tests can turn it."""

    def now(self) -> datetime:
        """The present instant, aware, UTC, whole milliseconds (what BSON keeps)."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant in UTC, cut to milliseconds."""
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told; for tests of expiry."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
        self._monotonic = 1000.0

    def now(self) -> datetime:
        """The instant that it was set to."""
        return self._now

    def monotonic(self) -> float:
        """Seconds; moves with `advance`."""
        return self._monotonic

    def advance(self, **delta: float) -> None:
        """Moves both clocks by a `timedelta(**delta)`."""
        step = timedelta(**delta)
        self._now += step
        self._monotonic += step.total_seconds()
