"""`python -m bench all|seeing|serving|NAME... [--quick]`"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from . import exams, ingest, limits, seeing, serving
from .bare import bare_server
from .browser import chromium
from .figures import Figures
from .orthanc import Orthanc, orthanc
from .product import Product, product

SEEING = ("T1", "T2", "T3", "T4", "T5", "T5B")
SERVING = ("S1", "S2", "S3", "S4", "S5", "S9")


@dataclass(frozen=True, slots=True)
class Run:
    """What is measured, and how often."""

    names: frozenset[str]
    quick: bool

    def often(self, usual: int, quick: int) -> int:
        """A number of repetitions."""
        return quick if self.quick else usual

    def any_of(self, *names: str) -> bool:
        """Whether one of them is asked for."""
        return bool(self.names & set(names))


def main() -> None:
    """Measures what is asked for; ends everything that it started."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="+", help=f"all, seeing, serving, {', '.join((*SEEING, *SERVING))}")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions and smaller exams")
    options = parser.parse_args()
    groups = {"ALL": (*SEEING, *SERVING), "SEEING": SEEING, "SERVING": SERVING}
    names = {name for word in options.names for name in groups.get(word.upper(), (word.upper(),))}
    if unknown := names - set(groups["ALL"]):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    run, figures = Run(frozenset(names), options.quick), Figures()
    figures.tell("run", "machine", cores=os.cpu_count(), load=os.getloadavg()[0], quick=run.quick)
    if run.any_of("S9"):
        limits.s9(figures, run.often(200, 20))
    if names - {"S9"}:
        _with_product(run, figures)


def _with_product(run: Run, figures: Figures) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        began = time.monotonic()
        running = stack.enter_context(product())
        figures.tell("run", "demo ready", seconds=time.monotonic() - began)
        peer = stack.enter_context(orthanc()) if run.any_of("S1", "S2", "S3", "S4") else None
        if run.any_of(*SEEING):
            _see(run, figures, running, folder, stack)
        if run.any_of("S1", "S2", "S3", "S4", "S5"):
            _serve(run, figures, running, peer, folder, stack)


def _see(run: Run, figures: Figures, running: Product, folder: Path, stack: ExitStack) -> None:
    sent = {f"ct{n}": exams.send(running, exams.ct(running, n)).exam for n in _slices(run)}
    if run.any_of("T2", "T3", "T4"):
        for side in (1000, 3000):
            sent[f"dx{side}"] = exams.send(running, exams.radiograph(running, side, side)).exam
    for exam in sent.values():
        running.settle(exam)
    sent["ct"] = sent["ct100"]
    sent["cr"] = next(e["exam"] for e in running.demo["exams"] if e["modality"] == "CR")
    picture = folder / "floor.jpg"
    with running.staff() as client:
        path = f"/api/v1/exams/{sent['ct']}/series/0/frames/50/picture?format=jpeg&quality=70"
        picture.write_bytes(client.call("GET", path))
    np.save(folder / "floor.npy", np.zeros((512, 512), np.uint16))
    floor, _ = stack.enter_context(bare_server(folder / "floor.npy", picture))
    browser = stack.enter_context(chromium())
    scene = seeing.Scene(running.port, floor, sent, running.patient_cookie())
    runs = run.often(11, 3)
    steps: dict[str, Callable[[], None]] = {
        "T1": lambda: seeing.t1(figures, browser, scene, runs),
        "T2": lambda: seeing.t2(figures, browser, scene, run.often(7, 3)),
        "T3": lambda: seeing.t3(figures, browser, scene),
        "T4": lambda: seeing.t4(figures, browser, scene, run.often(5, 2)),
        "T5": lambda: seeing.t5(figures, browser, scene),
        "T5B": lambda: seeing.t5b(figures, browser, scene),
    }
    for name, step in steps.items():
        if name in run.names:
            _guarded(figures, name, step)


def _slices(run: Run) -> list[int]:
    wanted = {100}
    if run.any_of("T2"):
        wanted |= {20, 200} if run.quick else {20, 200, 2000}
    if run.any_of("T5"):
        wanted |= {200}
    return sorted(wanted)


def _serve(run: Run, figures: Figures, running: Product, peer: Orthanc | None, folder: Path, stack: ExitStack) -> None:
    picture = folder / "any.jpg"
    picture.write_bytes(cv2.imencode(".jpg", np.zeros((8, 8), np.uint8))[1].tobytes())
    base, frame = exams.demo_ct(running, peer)
    np.save(folder / "frame.npy", frame)
    bare = stack.enter_context(bare_server(folder / "frame.npy", picture))
    if run.any_of("S1"):
        count = run.often(1000, 200)
        _guarded(
            figures,
            "S1",
            lambda: serving.s1(figures, running, peer, bare, base.exam, base.pictures[serving.FRAME], count),
        )
    if run.any_of("S2"):
        large = {}
        for name, rows, columns in (("radiograph", 2128, 2000), ("mammogram", 4664, 3064)):
            sent = exams.send(running, exams.fresh(exams.radiograph(running, rows, columns)), peer)
            running.settle(sent.exam)
            large[name] = (sent.exam, sent.pictures[0])
        _guarded(figures, "S2", lambda: serving.s2(figures, running, peer, large, run.often(200, 40)))
    if run.any_of("S3"):
        cold = {}
        for name in ("uncompressed", "jpeg2000"):
            request = exams.fresh(exams.ct(running, run.often(200, 40)))
            sent = exams.send(running, request, peer, jpeg2000=name == "jpeg2000")
            running.settle(sent.exam)
            cold[name] = (sent.exam, sent.pictures)
        _guarded(figures, "S3", lambda: serving.s3(figures, running, peer, cold))
    if run.any_of("S4"):
        _guarded(figures, "S4", lambda: ingest.s4(figures, running, peer, run.often(300, 60)))
    if run.any_of("S5"):
        _guarded(figures, "S5", lambda: ingest.s5(figures, running, base.exam, run.often(300, 60)))


def _guarded(figures: Figures, name: str, step: Callable[[], None]) -> None:
    """One target that cannot be measured does not keep the others from being measured."""
    try:
        step()
    except Exception as error:
        figures.tell(name, "could not be measured", error=repr(error)[:600], met=False)


if __name__ == "__main__":
    main()
