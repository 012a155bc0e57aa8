"""The import as a whole, and what the person at the terminal sees of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from backend.platform.errors import Invalid, YunyingError

from .connection import Connection, Server
from .discover import Candidate, NotDicom, count, discover
from .report import STOPPED, ImportReport, Refusal
from .request import batches
from .upload import Uploader

_BATCH_INSTANCES = 50
_BATCH_SIZE = 32 << 20
_PARALLEL = 4
_PATIENCE = 180.0
_SHOWN_SKIPS = 20


def run(paths: Sequence[str], server: str, token: str) -> int:
    """The command line's import: shows progress and result; the exit status (0 all stored, 1 something refused, 2 stopped)."""
    console = Console(stderr=False, highlight=False)
    try:
        report = import_paths([Path(path) for path in paths], server, token, console)
    except YunyingError as error:
        console.print(Text(error.text, style="red"))
        return STOPPED
    except KeyboardInterrupt:
        console.print(Text("已中断。重新执行同一命令即可继续，已上传的不会重复保存。", style="red"))
        return STOPPED
    show(report, console)
    return report.exit_status


def import_paths(
    paths: Sequence[Path],
    server: str,
    token: str,
    console: Console,
    *,
    parallel: int = _PARALLEL,
    patience: float = _PATIENCE,
) -> ImportReport:
    """Sends all DICOM files under `paths`; safe to repeat. The report says what became of every file.

    `parallel`: requests at once. `patience`: seconds for which a broken connection is tried again.
    Raises `Invalid` for paths that do not exist or an address or token that cannot be one, before anything is sent,
    and `Unavailable` if nobody answers there.
    """
    target = Server.parse(server, token)
    missing = [path for path in paths if not path.exists()]
    if missing or not paths:
        raise Invalid(
            "没有这个文件或文件夹：" + "、".join(map(str, missing)) if missing else "请给出要导入的文件或文件夹。"
        )
    probe = Connection(target)
    try:
        probe.open()
    finally:
        probe.close()
    report = ImportReport()
    with _Bar(console, count(paths), report) as bar:
        uploader = Uploader(target, report, bar.advance, parallel=parallel, patience=patience)
        found = bar.watched(discover(paths))
        uploader.run(batches(found, instances=_BATCH_INSTANCES, size=_BATCH_SIZE))
    return report


def show(report: ImportReport, console: Console) -> None:
    """Prints the result, and each file that was refused with its code and reason."""
    for path in report.skipped[:_SHOWN_SKIPS]:
        console.print(Text(f"跳过（不是 DICOM 文件）：{path}", style="dim"), soft_wrap=True)
    if len(report.skipped) > _SHOWN_SKIPS:
        console.print(Text(f"……另有 {len(report.skipped) - _SHOWN_SKIPS} 个不是 DICOM 的文件被跳过", style="dim"))
    for refusal in report.refused:
        console.print(Text(f"未保存：{refusal.path} [{refusal.code}] {refusal.reason}", style="red"), soft_wrap=True)
    console.print(
        f"新保存 {report.stored}，已存在 {report.duplicate}，未保存 {len(report.refused)}，"
        f"跳过 {len(report.skipped)}；共 {report.size / 1e6:.1f} MB。",
        soft_wrap=True,
    )
    if report.stopped:
        console.print(Text(f"导入中止：{report.stopped}", style="red"), soft_wrap=True)


class _Bar:
    """The progress bar; also the place where findings that are not sent are put into the report."""

    def __init__(self, console: Console, total: int, report: ImportReport) -> None:
        self._report = report
        self._progress = Progress(
            TextColumn("导入"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        )
        self._task = self._progress.add_task("import", total=total, note="")
        self._done, self._total = 0, total
        self._lock = threading.Lock()

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def watched(self, findings: Iterator[Candidate | NotDicom | Refusal]) -> Iterator[Candidate]:
        """The files to send; the others go to the report."""
        for finding in findings:
            if isinstance(finding, Candidate):
                yield finding
                continue
            if isinstance(finding, NotDicom):
                self._report.skipped.append(finding.path)
            else:
                self._report.refused.append(finding)
            self._step()

    def advance(self, note: str) -> None:
        """Moves the bar for a settled file; with a note, shows why it pauses."""
        if note:
            self._progress.update(self._task, note=note)
        else:
            self._step()

    def _step(self) -> None:
        with self._lock:
            self._done += 1
            # The records of a DICOMDIR are found while under way.
            self._total = max(self._total, self._done)
            self._progress.update(self._task, completed=self._done, total=self._total, note="")
