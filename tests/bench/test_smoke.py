"""The measurements run on tiny input and tell what they should; nothing here judges time."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from backend.phantom import PhantomRequest, generate, part10
from bench import figures as figures_module
from bench.bare import bare_server, table
from bench.browser import Phone, chromium
from bench.client import Client
from bench.figures import Figures, spread
from bench.ingest import copies
from bench.limits import s9
from bench.orthanc import orthanc
from bench.processes import children_of, cpu_seconds, running, shaped
from bench.serving import Picture, measured, rendered
from bench.stream import pictures
from render import Window, grey_lut, open_image


@pytest.fixture
def figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Figures:
    monkeypatch.setattr(figures_module, "_RESULTS", tmp_path / "results")
    return Figures()


def _bare(tmp_path: Path):
    np.save(tmp_path / "frame.npy", np.full((64, 64), 1064, np.uint16))
    (tmp_path / "floor.jpg").write_bytes(cv2.imencode(".jpg", np.zeros((64, 64), np.uint8))[1].tobytes())
    return bare_server(tmp_path / "frame.npy", tmp_path / "floor.jpg")


def test_limits_are_told_one_line_each(figures: Figures, capsys: pytest.CaptureFixture[str]) -> None:
    s9(figures, 4)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["what"] for line in lines][:2] == ["decode HTJ2K", "encode HTJ2K, verified"]
    assert all(line["target"] == "S9" and line["bare_ms"] >= 0 for line in lines)


def test_the_bare_window_is_the_products_window() -> None:
    """Else the comparison would be of different work."""
    image = open_image(part10(next(generate(PhantomRequest(slices=1, rows=64, columns=64)))))
    ours = grey_lut(image.transform(0), Window(40, 400), np.uint16)
    assert np.abs(ours[:4096].astype(int) - table(40, 400)[:4096]).max() <= 1


def test_a_bare_server_is_measured_and_ended(tmp_path: Path) -> None:
    with _bare(tmp_path) as (port, pid), Client(port) as client:
        cost = measured(pid, 3, lambda _: len(client.call("GET", "/ct?window=40,400")))
        assert cost.size > 100
        assert cpu_seconds(pid) > 0
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.browser
def test_the_floor_page_marks_its_picture_behind_the_link(tmp_path: Path) -> None:
    with (
        _bare(tmp_path) as (port, _),
        shaped(port, "fast") as relay,
        chromium() as browser,
        Phone(browser).visit(relay, "/", watch=True) as visit,
    ):
        first = visit.mark("first-image")
        visit.page.wait_for_timeout(300)
    assert 0.02 < first < 60
    assert any(address.endswith("/floor.jpg") for _, address, _ in visit.loaded)


def test_the_peer_stores_and_renders_where_it_is_installed() -> None:
    with orthanc() as peer:
        if peer is None:
            assert not Path("/usr/sbin/Orthanc").exists()
            return
        dataset = next(generate(PhantomRequest(slices=1, rows=64, columns=64)))
        picture = Picture(dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
        with peer.client() as client:
            client.stow([part10(dataset)])
            assert rendered(client, picture)(0) > 300


def test_copies_are_other_instances_of_equal_size() -> None:
    dataset = next(generate(PhantomRequest(slices=1, rows=32, columns=32)))
    template, uid = part10(dataset), str(dataset.SOPInstanceUID)
    made = list(copies(template, uid, "x", 5))
    assert len(set(made)) == 5
    assert {len(one) for one in made} == {len(template)}
    assert all(uid.encode() not in one for one in made)


def test_slices_of_a_message_become_one_picture() -> None:
    def message(header: dict[str, object], body: bytes) -> bytes:
        text = json.dumps(header).encode()
        return len(text).to_bytes(2, "big") + text + body

    whole = message({"k": "frame", "f": 3}, b"picture")
    parts = [
        message({"k": "part", "id": 1, "at": at, "of": len(whole)}, whole[at : at + 10])
        for at in range(0, len(whole), 10)
    ]
    found = list(pictures(enumerate([*parts, message({"k": "sheet", "frames": [1]}, b"s")])))
    assert [(header["k"], body) for _, header, body in found] == [("frame", b"picture"), ("sheet", b"s")]


def test_a_program_that_does_not_start_says_why() -> None:
    with (
        pytest.raises(RuntimeError, match="no such thing"),
        running(["sh", "-c", "echo no such thing; exit 3"], ready=lambda: False),
    ):
        pass


def test_children_are_found_at_every_depth() -> None:
    with running(["sh", "-c", "sleep 30 & wait"], ready=lambda: True) as child:
        subprocess.run(["sleep", "0.2"])
        assert any(command.startswith("sleep") for command in children_of(child.pid).values())


def test_spread_is_of_all_values() -> None:
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "p95": 3.0, "n": 3}
