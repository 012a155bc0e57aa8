"""The import command against the real server: everything stored once, whatever breaks on the way."""

from __future__ import annotations

import asyncio
import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from backend.access.model import Role
from backend.importer.command import import_paths, run, show
from backend.importer.report import REFUSED, STOPPED, STORED, ImportReport
from backend.platform.errors import Invalid, StorageFull, StorageUnavailable, Unavailable
from tests.dicomweb.house import UPLOAD_TOKEN, DicomWebHouse, tiny
from tests.images import shared_dicom
from tests.importer.relay import Relay


async def imported(
    paths: list[Path], server: str, token: str = UPLOAD_TOKEN, **options: Any
) -> tuple[ImportReport, str]:
    """The report, and what the person at the terminal reads."""
    console = Console(file=io.StringIO(), width=200)

    def work() -> ImportReport:
        report = import_paths(paths, server, token, console, **options)
        show(report, console)
        return report

    report = await asyncio.to_thread(work)
    assert isinstance(console.file, io.StringIO)
    return report, console.file.getvalue()


def folder_of(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


async def stored_hashes(house: DicomWebHouse) -> int:
    return len([row async for row in house.archive.all_instances()])


async def test_a_folder_twice(house: DicomWebHouse, slices: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for source in slices:
        shutil.copy(source, folder)
    (folder / "readme.txt").write_text("x")
    report, text = await imported([folder], house.url)
    assert (report.stored, report.duplicate, report.exit_status) == (10, 0, STORED)
    assert report.size == sum(s.stat().st_size for s in slices)
    assert "readme.txt" in text
    assert "新保存 10" in text
    report, text = await imported([folder, folder / slices[0].name], house.url + "/dicom-web/")
    assert (report.stored, report.duplicate, report.exit_status) == (0, 11, STORED)
    assert "已存在 11" in text
    assert await stored_hashes(house) == 10


async def test_refusals_are_listed(house: DicomWebHouse, tmp_path: Path) -> None:
    good = tiny(1, PatientName="张^三")
    folder = folder_of(
        tmp_path / "in",
        {
            "a.dcm": good,
            "b.dcm": tiny(2),
            "changed.dcm": tiny(1, PatientName="李^四"),
            "cut.dcm": tiny(3)[:400],
            "no-uid.dcm": tiny(4, StudyInstanceUID=""),
            "meta-only.dcm": good[:132] + b"\x02\x00\x10\x00",
            "z.dcm": tiny(5),
        },
    )
    # One request at a time: which of two files with one UID comes first decides which is kept.
    report, text = await imported([folder], house.url, parallel=1)
    assert (report.stored, report.exit_status) == (3, REFUSED)
    refused = {refusal.path.name: refusal for refusal in report.refused}
    assert refused.keys() == {"changed.dcm", "cut.dcm", "no-uid.dcm", "meta-only.dcm"}
    assert refused["changed.dcm"].code == "uid-conflict"
    assert refused["no-uid.dcm"].code == "no-uid"
    for refusal in refused.values():
        assert f"{refusal.path} [{refusal.code}] {refusal.reason}" in text
        assert any("\u4e00" <= c <= "\u9fff" for c in refusal.reason)


async def test_broken_connections_are_taken_up_again(
    house: DicomWebHouse, relay: Relay, slices: list[Path], tmp_path: Path
) -> None:
    relay.cuts = [100_000, 1_500_000, 200]
    report, _ = await imported(list(slices), relay.url, parallel=2)
    assert report.exit_status == STORED
    assert report.stored + report.duplicate == 10
    assert report.retries >= 3
    assert await stored_hashes(house) == 10


async def test_a_server_that_is_away_for_a_moment(relay: Relay, slices: list[Path], house: DicomWebHouse) -> None:
    relay.cuts = [600_000]

    async def away() -> None:
        while relay.cuts:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        relay.down = True
        await asyncio.sleep(1.5)
        relay.down = False

    (report, _), _ = await asyncio.gather(imported(list(slices), relay.url, parallel=1), away())
    assert report.exit_status == STORED
    assert report.stored + report.duplicate == 10
    assert await stored_hashes(house) == 10


async def test_a_full_store_is_waited_for(house: DicomWebHouse, slices: list[Path]) -> None:
    put, failures = house.objects.put_addressed_sync, [StorageFull(), StorageUnavailable()] * 7

    def full_at_first(prefix: str, pieces: Any) -> Any:
        if failures:
            raise failures.pop()
        return put(prefix, pieces)

    house.objects.put_addressed_sync = full_at_first  # type: ignore[method-assign]
    report, _ = await imported(list(slices), house.url)
    assert report.exit_status == STORED
    assert report.retries >= 1
    assert await stored_hashes(house) == 10


async def test_interrupted_it_says_how_to_go_on(
    house: DicomWebHouse, slices: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("backend.importer.command.count", interrupted)
    assert await asyncio.to_thread(run, [str(slices[0])], house.url, UPLOAD_TOKEN) == STOPPED
    assert "重新执行" in capsys.readouterr().out


async def test_it_gives_up_in_the_end(relay: Relay, slices: list[Path]) -> None:
    relay.cuts = [1000] * 1000
    report, text = await imported(list(slices), relay.url, patience=1.0)
    assert report.exit_status == STOPPED
    assert "重新执行" in text
    assert not report.refused


async def test_a_bad_credential_stops_at_once(house: DicomWebHouse, slices: list[Path]) -> None:
    for token in ("wrong", await house.token(Role.CLINICIAN)):
        report, text = await imported(list(slices), house.url, token)
        assert report.exit_status == STOPPED
        assert report.stopped in text
        assert report.retries == 0
    assert await stored_hashes(house) == 0


async def test_wrong_usage(house: DicomWebHouse, slices: list[Path], tmp_path: Path) -> None:
    console = Console(file=io.StringIO())
    for paths, server, token in (
        ([tmp_path / "nothing"], house.url, UPLOAD_TOKEN),
        ([], house.url, UPLOAD_TOKEN),
        (slices, "ftp://x", UPLOAD_TOKEN),
        (slices, "http://x:99999999", UPLOAD_TOKEN),
        (slices, house.url, "凭证"),
    ):
        with pytest.raises(Invalid):
            import_paths(list(paths), server, token, console)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
        await asyncio.to_thread(import_paths, list(slices), "http://127.0.0.1:1", UPLOAD_TOKEN, console)
    report, _ = await imported(list(slices), house.url + "/elsewhere")
    assert report.exit_status == STOPPED
    assert "--server" in report.stopped


async def test_the_command(house: DicomWebHouse, slices: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = str(slices[0])
    assert await asyncio.to_thread(run, [path], house.url, UPLOAD_TOKEN) == STORED
    assert await asyncio.to_thread(run, [path + "x"], house.url, UPLOAD_TOKEN) == STOPPED
    assert "没有这个文件或文件夹" in capsys.readouterr().out


async def test_every_real_syntax(house: DicomWebHouse) -> None:
    """Files that the archive takes come back from the folder of syntaxes, whatever the others are refused for."""
    folder = (
        shared_dicom("ts_ladder", "cornerstone3D")
        if shared_dicom("ts_ladder", "cornerstone3D").is_dir()
        else shared_dicom("charset")
    )
    report, _ = await imported([folder], house.url)
    assert report.stored > 5
    assert report.exit_status in (STORED, REFUSED)
    assert await stored_hashes(house) == report.stored
