"""Sends batches over a few connections at once, again after broken ones, and keeps the account."""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

from backend.platform.errors import YunyingError

from .answer import TEMPORARY, outcomes
from .connection import Busy, Connection, RequestRefused, Server
from .discover import Candidate
from .report import ImportReport, Refusal
from .request import Batch, FileChanged

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
Advance = Callable[[str], None]
"""Told of each file that is settled (with an empty text), and of each pause (with why)."""


class Uploader:
    """A few worker threads over one bounded queue: whatever the number of files, few are in memory."""

    def __init__(
        self, server: Server, report: ImportReport, advance: Advance, *, parallel: int, patience: float
    ) -> None:
        """`patience`: seconds for which a batch is tried again before the import stops."""
        self._server, self._report, self._advance = server, report, advance
        self._parallel, self._patience = parallel, patience
        self._batches: queue.Queue[Batch | None] = queue.Queue(maxsize=parallel)
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def run(self, batches: Iterator[Batch]) -> None:
        """Sends everything, or until an error that concerns all; that one is told in the report."""
        workers = [threading.Thread(target=self._work, daemon=True) for _ in range(self._parallel)]
        for worker in workers:
            worker.start()
        try:
            for batch in batches:
                if not self._enqueue(batch):
                    break
            for _ in workers:
                self._enqueue(None)
            for worker in workers:
                worker.join()
        finally:
            # After an interruption nobody waits for what is on its way: sent again, it is a duplicate.
            self._stop.set()

    def _enqueue(self, batch: Batch | None) -> bool:
        """Waits for room; False once the import has stopped."""
        while not self._stop.is_set():
            with suppress(queue.Full):
                self._batches.put(batch, timeout=0.2)
                return True
        return False

    def _work(self) -> None:
        connection = Connection(self._server)
        try:
            while not self._stop.is_set():
                try:
                    batch = self._batches.get(timeout=0.2)
                except queue.Empty:
                    continue
                if batch is None:
                    return
                self._deliver(connection, batch)
        except Exception as error:
            self._halt(error)
        finally:
            connection.close()

    def _halt(self, error: Exception) -> None:
        """Ends the import for a reason that concerns every file."""
        with self._lock:
            if not self._report.stopped:
                self._report.stopped = error.text if isinstance(error, YunyingError) else f"内部错误（{error!r}）。"
        self._stop.set()

    def _deliver(self, connection: Connection, batch: Batch) -> None:
        """Sends a batch until each of its files is settled."""
        patience = _Patience(self._patience)
        while batch.files:
            try:
                answer = connection.send(batch)
            except Busy as error:
                self._pause(patience, error)
            except FileChanged as error:
                self._settle(error.candidate, Refusal(error.candidate.path, error.code, error.text))
                batch = batch.without(error.candidate)
            except RequestRefused as error:
                self._refused(connection, batch, error)
                return
            else:
                batch = self._account(connection, batch, answer, patience)

    def _refused(self, connection: Connection, batch: Batch, error: RequestRefused) -> None:
        """The request as a whole was refused: one of its files is to blame, or all are too much at once."""
        if len(batch.files) == 1:
            self._settle(batch.files[0], Refusal(batch.files[0].path, error.code, error.text))
        else:
            for single in batch.split():
                self._deliver(connection, single)

    def _account(self, connection: Connection, batch: Batch, answer: dict[str, object], patience: _Patience) -> Batch:
        """Settles what the answer tells; the files that the server could not take for the moment, to be sent again."""
        again: list[Candidate] = []
        cause = ""
        for file, outcome in outcomes(batch, answer):
            if outcome is None:
                self._deliver(connection, Batch((file,)))
            elif isinstance(outcome, Refusal) and outcome.code in TEMPORARY:
                again.append(file)
                cause = outcome.reason
            else:
                self._settle(file, outcome)
        if again:
            self._pause(patience, Busy(cause))
        return Batch(tuple(again))

    def _pause(self, patience: _Patience, error: Busy) -> None:
        """Waits before a request is sent again. Raises `Busy` when patience is at its end."""
        if patience.ended or self._stop.is_set():
            raise Busy(f"{error.text}多次重试未能恢复，请稍后重新执行，已上传的不会重复保存。") from error
        wait = patience.next_pause(error.details.get("retry_after"))
        with self._lock:
            self._report.retries += 1
            self._advance(f"连接中断或服务器忙，{wait:.0f} 秒后重试")
        self._stop.wait(wait)

    def _settle(self, file: Candidate, outcome: bool | Refusal) -> None:
        """Keeps the account of one file."""
        with self._lock:
            if isinstance(outcome, Refusal):
                self._report.refused.append(outcome)
            else:
                self._report.size += file.size
                self._report.stored += outcome
                self._report.duplicate += not outcome
            self._advance("")


class _Patience:
    """How long a batch has waited, and how long it waits next: pauses grow and are spread at random."""

    def __init__(self, seconds: float) -> None:
        self._left, self._pause = seconds, _FIRST_PAUSE

    @property
    def ended(self) -> bool:
        """Whether it has waited long enough."""
        return self._left <= 0

    def next_pause(self, asked: object) -> float:
        """Seconds to wait now: what the server asked for, if it did."""
        wait = asked if isinstance(asked, float) else self._pause * (0.5 + random.random())  # noqa: S311 - guards nothing
        wait = min(wait, _LONGEST_PAUSE)
        self._left -= wait
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return wait
