"""Work for the processor off the event loop: a bounded, ordered queue in front of a few threads.

What somebody looks at goes before what is fetched ahead, and both before background work. A job that nobody waits for any more is not begun.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

from prometheus_client import Counter, Gauge, Histogram

from backend.platform.errors import Overloaded

T = TypeVar("T")

_WAITING = Gauge("yunying_cpu_waiting", "Jobs that wait for a thread")
_WAITED = Histogram("yunying_cpu_wait_seconds", "Time from submission to begin", ["urgency"])
_REFUSED = Counter("yunying_cpu_refused", "Jobs refused or expired because the queue was too long")


class Urgency(IntEnum):
    """Order in which jobs begin; equal ones in the order of their submission."""

    SEEN = 0
    """Somebody looks at exactly this."""
    SHARPEN = 1
    """The same picture, better."""
    OVERVIEW = 2
    AHEAD = 3
    """What will probably be seen next."""
    BACKGROUND = 9
    """Derivation. Leaves one thread to the others where there are at least two."""


class Demand:
    """How urgently a piece of work is wanted; it may rise while the work waits, when somebody more pressing asks for the same."""

    def __init__(self, urgency: Urgency) -> None:
        self.urgency = urgency
        self._job: tuple[CpuPool, _Job] | None = None

    def rise(self, urgency: Urgency) -> None:
        """Moves the work forward in the queue if `urgency` is the more urgent one."""
        if urgency < self.urgency:
            self.urgency = urgency
            if self._job is not None:
                pool, job = self._job
                pool.promote(job, urgency)

    def attach(self, pool: CpuPool, job: _Job) -> None:
        """Called by the pool: this job is what the demand waits for now."""
        self._job = (pool, job)


@dataclass(eq=False)
class _Job:
    work: Callable[[], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    submitted: float
    urgency: int
    begun: bool = False
    dead: bool = False


class CpuPool:
    """A fixed number of threads behind one queue that is ordered by urgency and bounded in length."""

    def __init__(self, threads: int, queue: int) -> None:
        """`threads` run at once; at most `queue` jobs wait, the next is refused."""
        self.threads = threads
        self._limit = queue
        self._background_limit = max(1, threads - 1)
        self._background = 0
        self._heap: list[tuple[int, int, _Job]] = []
        self._waiting = 0
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._workers = [threading.Thread(target=self._serve, name=f"cpu-{n}", daemon=True) for n in range(threads)]
        for worker in self._workers:
            worker.start()

    @property
    def waiting(self) -> int:
        """Jobs that are wanted and have not begun."""
        return self._waiting

    async def run(
        self, work: Callable[[], T], urgency: Urgency | Demand = Urgency.SEEN, *, deadline: float | None = None
    ) -> T:
        """The result of `work()`, run in a thread.

        Raises Overloaded when the queue is full, or when the job has not begun within `deadline` seconds; else what `work` raises.
        Cancelling the caller takes the job out of the queue; one that runs is not interrupted, its result is dropped.
        """
        loop = asyncio.get_running_loop()
        level = urgency.urgency if isinstance(urgency, Demand) else urgency
        job = _Job(work, loop.create_future(), loop, time.monotonic(), int(level))
        self._submit(job)
        if isinstance(urgency, Demand):
            urgency.attach(self, job)
        timer = None if deadline is None else loop.call_later(deadline, self._expire, job)
        try:
            return await job.future  # type: ignore[no-any-return]
        finally:
            if timer is not None:
                timer.cancel()
            if not job.begun:
                self._withdraw(job)

    def promote(self, job: _Job, urgency: Urgency) -> None:
        """Lets a waiting job begin as if it had been submitted with this urgency now."""
        with self._changed:
            if not job.begun and not job.dead:
                job.urgency = int(urgency)
                heapq.heappush(self._heap, (job.urgency, next(self._order), job))
                self._changed.notify()

    def close(self) -> None:
        """Ends the threads after what runs now; waiting jobs are cancelled."""
        with self._changed:
            self._closed = True
            abandoned, self._heap = self._heap, []
            self._changed.notify_all()
        for _, _, job in abandoned:
            if not job.loop.is_closed():
                job.loop.call_soon_threadsafe(job.future.cancel)

    def _submit(self, job: _Job) -> None:
        with self._changed:
            if self._closed or self._waiting >= self._limit:
                _REFUSED.inc()
                raise Overloaded(retry_after=2)
            heapq.heappush(self._heap, (job.urgency, next(self._order), job))
            self._count(1)
            self._changed.notify()

    def _expire(self, job: _Job) -> None:
        if not job.begun and not job.future.done():
            _REFUSED.inc()
            job.future.set_exception(Overloaded(retry_after=2))

    def _withdraw(self, job: _Job) -> None:
        """Marks a waiting job as unwanted; it leaves the heap when its turn comes."""
        with self._changed:
            if not job.begun and not job.dead:
                job.dead = True
                self._count(-1)
                if len(self._heap) > 2 * self._waiting + 64:
                    self._heap = [entry for entry in self._heap if _wanted(entry)]
                    heapq.heapify(self._heap)

    def _count(self, change: int) -> None:
        self._waiting += change
        _WAITING.set(self._waiting)

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            _WAITED.labels(Urgency(job.urgency).name.lower()).observe(time.monotonic() - job.submitted)
            try:
                outcome, failure = job.work(), None
            except BaseException as error:
                outcome, failure = None, error
            finally:
                self._leave(job)
            if not job.loop.is_closed():
                job.loop.call_soon_threadsafe(_settle, job.future, outcome, failure)

    def _next(self) -> _Job | None:
        """The most urgent job that may begin now; None when the pool closes."""
        with self._changed:
            while not self._closed:
                while self._heap and not _wanted(self._heap[0]):
                    heapq.heappop(self._heap)
                if self._heap and self._may_begin(self._heap[0][2]):
                    job = heapq.heappop(self._heap)[2]
                    job.begun = True
                    self._count(-1)
                    self._background += job.urgency == Urgency.BACKGROUND
                    return job
                self._changed.wait()
            return None

    def _may_begin(self, job: _Job) -> bool:
        return job.urgency != Urgency.BACKGROUND or self._background < self._background_limit

    def _leave(self, job: _Job) -> None:
        if job.urgency == Urgency.BACKGROUND:
            with self._changed:
                self._background -= 1
                self._changed.notify()


def _wanted(entry: tuple[int, int, _Job]) -> bool:
    """False for what was given up, has begun, or was promoted to another place in the queue."""
    urgency, _, job = entry
    return not job.dead and not job.begun and urgency == job.urgency


def _settle(future: asyncio.Future[Any], outcome: Any, failure: BaseException | None) -> None:
    if future.done():
        return
    if failure is None:
        future.set_result(outcome)
    else:
        future.set_exception(failure)
