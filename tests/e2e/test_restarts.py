"""Killed at any moment, it comes back with everything that it had acknowledged; the operator's commands work on its data."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.e2e.demo_system import Demo, read, until
from tests.e2e.hospital import by_instance, chest, study_of, write
from tests.e2e.people import Patient
from tests.e2e.test_contract import SHENYANG
from tests.e2e.test_receive import same, stored

pytestmark = [pytest.mark.browser, pytest.mark.crash, pytest.mark.xdist_group("e2e")]

DAY = {"from": "2025-11-10", "to": "2025-11-10"}
"""Of all studies that are sent while something is killed."""


def kept(demo: Demo, study: str) -> dict[str, bytes]:
    """SOP Instance UID to original of what the archive has of a study; empty if it does not know it."""
    token = demo.token("radiologist", SHENYANG)
    listed = demo.get(f"/dicom-web/studies/{study}/instances", token)
    if listed.status_code != 200 or not listed.json():
        return {}
    return {str(read(file).SOPInstanceUID): file for file in demo.originals(study, token)}


def send_until(demo: Demo, folder: Path, acknowledged: int, strike: Any) -> set[str]:
    """Names of the files whose storage was acknowledged; `strike` happens after some of them."""
    sender = demo.storescu(folder, "SYHN_PACS")
    done, current = set(), ""
    for line in sender.stdout:
        if found := re.search(r"Sending file: (\S+)", line):
            current = Path(found[1]).name
        if "(Success)" in line:
            done.add(current)
            if len(done) == acknowledged:
                strike()
    sender.wait(30)
    return done


def listening(demo: Demo) -> bool:
    dicom = demo.info["dicom"]
    echo = ["echoscu", "-aet", "SYHN_PACS", "-aec", dicom["ae_title"], dicom["host"], str(dicom["port"])]
    return subprocess.run(echo, capture_output=True).returncode == 0


def fresh(demo: Demo, folder: Path, slices: int) -> tuple[str, Path]:
    """Study Instance UID and folder of a study that was never sent."""
    datasets = study_of(Patient(demo, "张晓东"), "20251110", chest(slices))
    return str(datasets[0].StudyInstanceUID), write(folder, datasets)


def whole(demo: Demo, study: str, folder: Path, only: set[str] | None = None) -> None:
    """Every file of `folder`, or `only` those of these names, is kept bit for bit."""
    here = kept(demo, study)
    for uid, path in by_instance(folder).items():
        if only is None or path.name in only:
            assert same(here[uid], path), path.name


def test_the_dicom_node_killed_while_receiving(demo: Demo, tmp_path: Path) -> None:
    study, folder = fresh(demo, tmp_path / "ct", 60)
    killed = demo.role_pid("dicom")
    acknowledged = send_until(demo, folder, 25, lambda: os.kill(killed, signal.SIGKILL))
    assert 25 <= len(acknowledged) < 60
    until(lambda: listening(demo), 30, "the DICOM node did not come back")
    assert demo.role_pid("dicom") not in (0, killed)
    whole(demo, study, folder, acknowledged)
    assert demo.storescu(folder, "SYHN_PACS").communicate()[0].count("(Success)") == 60
    whole(demo, study, folder)
    assert len(kept(demo, study)) == 60


def test_the_web_server_and_the_worker_killed(demo: Demo, zhang: Patient, chromium: Browser) -> None:
    viewer = zhang.viewer(chromium).open(f"{demo.url}/viewer/{demo.exam('CT', SHENYANG)['exam']}").rest()
    for role in ("serve", "worker"):
        os.kill(demo.role_pid(role), signal.SIGKILL)
    viewer.goto(8)
    viewer.until(lambda state: state["frame"] == 8 and state["level"] == "final" and not state["pending"], 40)
    until(lambda: demo.role_pid("worker"), 30)
    assert zhang.exams()
    viewer.context.close()


def test_the_database_killed_while_receiving(demo: Demo, zhang: Patient, tmp_path: Path) -> None:
    study, folder = fresh(demo, tmp_path / "ct", 40)
    killed = demo.database_pid()
    acknowledged = send_until(demo, folder, 15, lambda: os.kill(killed, signal.SIGKILL))
    until(lambda: demo.get("/readyz").status_code == 200 and listening(demo), 30, "the database did not come back")
    assert demo.database_pid() != killed
    whole(demo, study, folder, acknowledged)
    assert demo.storescu(folder, "SYHN_PACS").communicate()[0].count("(Success)") == 40
    whole(demo, study, folder)
    assert zhang.exams(), "sessions outlive it"


def test_dump_and_restore_give_equal_counts(demo: Demo, tmp_path: Path) -> None:
    file = tmp_path / "all.dump"
    dumped = demo.cli("dump", str(file))
    assert dumped.returncode == 0 and file.stat().st_size > 10_000, dumped.stderr
    keys = str(demo.data / "keys" / "master.key")
    other = {"YUNYING_DATA": str(tmp_path / "other"), "YUNYING_MASTER_KEY_FILE": keys}
    restored = demo.cli("restore", str(file), **other)
    assert restored.returncode == 0, restored.stderr
    counts = [{line.split()[0]: line for line in one.stdout.splitlines() if line.strip()} for one in (dumped, restored)]
    assert counts[0] == counts[1] and {"exams", "instances", "audit"} <= counts[0].keys(), counts
    again = demo.cli("restore", str(file), **other)
    assert again.returncode == 2 and "Traceback" not in again.stderr, (
        "a database that holds something is not overwritten"
    )
    verified = demo.cli("audit", "verify", **other)
    assert verified.returncode == 0 and "有误" not in verified.stdout, verified.stdout + verified.stderr


def test_commands_of_the_operator(demo: Demo) -> None:
    commands: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
        "check": (("check",), {}),
        "wrong": (("check",), {"YUNYING_HTTP_PORT": "eighty"}),
        "unsafe": (("check",), {"YUNYING_ENVIRONMENT": "production"}),
        "secret": (("check",), {"YUNYING_MONGODB_URI": "mongodb://me:hidden@db/"}),
        "token": (("gateway-token", SHENYANG), {}),
        "unknown": (("gateway-token", "999"), {}),
        "audit": (("audit", "verify"), {}),
    }
    with ThreadPoolExecutor(3) as pool:
        futures = {name: pool.submit(demo.cli, *words, **more) for name, (words, more) in commands.items()}
    ran = {name: future.result() for name, future in futures.items()}
    assert {name for name, one in ran.items() if one.returncode == 0} == {"check", "secret", "token", "audit"}
    assert not [name for name, one in ran.items() if "Traceback" in one.stderr]
    assert f"YUNYING_DATA={demo.data}" in ran["check"].stdout
    assert ran["wrong"].returncode == 2 and "YUNYING_HTTP_PORT=eighty" in ran["wrong"].stderr
    assert ran["unsafe"].returncode == 2 and "生产环境" in ran["unsafe"].stderr
    assert "hidden" not in ran["secret"].stdout + ran["secret"].stderr
    me = demo.get("/api/v1/session", ran["token"].stdout.strip()).json()
    assert (me["state"], me["institution"]) == ("gateway", SHENYANG)
    assert ran["unknown"].returncode == 2 and re.search(r"[\u4e00-\u9fff]", ran["unknown"].stderr)
    assert re.search(r"审计记录 \d{2,} 条", ran["audit"].stdout), ran["audit"].stdout


def test_power_failure_and_start_again(demo: Demo, zhang: Patient, tmp_path: Path) -> None:
    study, folder = fresh(demo, tmp_path / "ct", 40)
    before, exams = demo.info, {one["exam"] for one in zhang.exams(limit="100")}
    acknowledged = send_until(demo, folder, 15, demo.kill)
    demo.start()
    for name in ("base_url", "outbox", "gateway", "patients", "exams"):
        assert demo.info[name] == before[name], name
    whole(demo, study, folder, acknowledged)
    assert exams <= {one["exam"] for one in zhang.exams(limit="100")}, "the patient is still signed in"
    assert demo.storescu(folder, "SYHN_PACS").communicate()[0].count("(Success)") == 40
    whole(demo, study, folder)


def test_ctrl_c_and_start_again(demo: Demo, zhang: Patient) -> None:
    before, exams, objects = demo.info, zhang.exams(limit="100"), stored(demo)
    assert demo.stop() == 0, demo.said()
    assert demo.processes() == [], "something was left"
    demo.start()
    assert demo.info["exams"] == before["exams"] and demo.info["gateway"] == before["gateway"]
    assert stored(demo) == objects, "nothing was received twice"
    # Counts of a study whose receiver was killed are settled by the worker a moment later.
    assert [one["exam"] for one in zhang.exams(limit="100")] == [one["exam"] for one in exams]
    until(lambda: {one["instance_count"] for one in zhang.exams(limit="100", **DAY)} == {40, 60}, 30, "counts")
    assert demo.traces() == [] and "Traceback" not in demo.said()
