"""Sends batches over a few connections at once, again after broken ones, and keeps the account."""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

from backend.platform.errors import YunyingError

from .answer import outcomes
from .connection import Busy, Connection, RequestRefused, Server
from .discover import Candidate
from .report import ImportReport, Refusal
from .request import Batch, FileChanged

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
Advance = Callable[[Candidate | None, Refusal | str], None]
"""Told of each file that is settled (with its refusal, or "" if it is on the server) and, with None, of each pause."""


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
        except BaseException:
            self._stop.set()
            raise
        finally:
            for _ in workers:
                self._enqueue(None)
            for worker in workers:
                worker.join()

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
        try:
            answer = self._persist(connection, batch)
        except FileChanged as error:
            self._settle(error.candidate, Refusal(error.candidate.path, error.code, error.text))
            rest = batch.without(error.candidate)
            if rest.files:
                self._deliver(connection, rest)
        except RequestRefused as error:
            if len(batch.files) > 1:
                for single in batch.split():
                    self._deliver(connection, single)
            else:
                self._settle(batch.files[0], Refusal(batch.files[0].path, error.code, error.text))
        else:
            for file, outcome in outcomes(batch, answer):
                self._settle(file, outcome)

    def _persist(self, connection: Connection, batch: Batch) -> dict[str, object]:
        """The server's answer, asked again with growing pauses while the connection breaks or the server is busy."""
        waited, pause = 0.0, _FIRST_PAUSE
        while True:
            try:
                return connection.send(batch)
            except Busy as error:
                if waited >= self._patience or self._stop.is_set():
                    raise Busy(f"{error.text}多次重试未能恢复，请稍后重新执行，已上传的不会重复保存。") from error
                asked = error.details.get("retry_after")
                wait = float(asked) if isinstance(asked, float) else pause * (0.5 + random.random())  # noqa: S311
            wait = min(wait, _LONGEST_PAUSE)
            with self._lock:
                self._report.retries += 1
                self._advance(None, f"连接中断或服务器忙，{wait:.0f} 秒后重试")
            self._stop.wait(wait)
            waited, pause = waited + wait, min(pause * 2, _LONGEST_PAUSE)

    def _settle(self, file: Candidate, outcome: bool | Refusal) -> None:
        """Keeps the account of one file."""
        with self._lock:
            if isinstance(outcome, Refusal):
                self._report.refused.append(outcome)
            else:
                self._report.size += file.size
                self._report.stored += outcome
                self._report.duplicate += not outcome
            self._advance(file, outcome if isinstance(outcome, Refusal) else "")
