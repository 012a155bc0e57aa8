"""T1 to T5b: what a phone sees, and when, on shaped links."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import brotli
from playwright.sync_api import Browser

from .browser import Phone, Visit
from .figures import Figures, spread
from .processes import shaped
from .stream import pictures

LIMITS = {"slow": 1.0, "mid": 0.8, "fast": 0.45, "edge": 2.5}
_STATIC = Path(__file__).resolve().parent.parent / "backend" / "static"


@dataclass(frozen=True, slots=True)
class Scene:
    """What the measurements look at: public exam ids by name, the product's port and the floor's."""

    port: int
    floor: int
    exams: dict[str, str]
    cookie: tuple[str, str]


def t1(figures: Figures, browser: Browser, scene: Scene, runs: int) -> None:
    """Navigation to the first image, beside a page of 0.4 KB and one JPEG."""
    for profile, limit in LIMITS.items():
        with shaped(scene.port, profile) as ours, shaped(scene.floor, profile) as floor:
            times: dict[str, list[float]] = {"ours": [], "floor": []}
            for _ in range(runs):
                times["ours"].append(_first(Phone(browser, scene.cookie), ours, f"/viewer/{scene.exams['ct']}"))
                times["floor"].append(_first(Phone(browser), floor, "/"))
        values = spread(times["ours"])
        met = values["median"] <= limit and values["p95"] <= 1.5 * values["median"]
        figures.tell(
            "T1", f"first image, {profile}", seconds=values, floor=spread(times["floor"]), limit=limit, met=met
        )


def t2(figures: Figures, browser: Browser, scene: Scene, runs: int) -> None:
    """The same whatever the size of the exam."""
    for group in (("ct20", "ct200", "ct2000"), ("dx1000", "dx3000")):
        names = [name for name in group if name in scene.exams]
        times: dict[str, list[float]] = {name: [] for name in names}
        with shaped(scene.port, "slow") as port:
            for _ in range(runs):
                for name in names:
                    times[name].append(_first(Phone(browser, scene.cookie), port, f"/viewer/{scene.exams[name]}"))
        medians = {name: spread(values)["median"] for name, values in times.items()}
        ratio = max(medians.values()) / min(medians.values())
        figures.tell("T2", " / ".join(names), seconds=medians, ratio=ratio, limit=1.2, met=ratio <= 1.2)


def t3(figures: Figures, browser: Browser, scene: Scene) -> None:
    """Bytes of code and of everything before the first image; addresses loaded before it."""
    _code(figures)
    for name, limit in (("ct", 75_000), ("dx3000", 150_000)):
        if name not in scene.exams:
            continue
        with shaped(scene.port, "slow") as port:
            visit_path = f"/viewer/{scene.exams[name]}"
            with Phone(browser, scene.cookie).visit(port, visit_path, watch=True) as visit:
                first = visit.mark("first-image")
                visit.page.wait_for_timeout(4000)
            before = [item for item in visit.loaded if item[0] <= first or item[1].endswith(visit_path)]
            total = sum(size for _, _, size in before) + sum(len(m) for at, m in visit.messages if at <= first)
        figures.tell(
            "T3",
            f"bytes to the first image, {name}",
            bytes=total,
            limit=limit,
            met=total <= limit,
            requests=len(before),
        )


def _code(figures: Figures) -> None:
    """What the build's manifest says that each entry loads statically."""
    manifest = json.loads((_STATIC / ".vite" / "manifest.json").read_text())
    for entry, limit, how in (
        ("src/viewer/boot.ts", 30_000, "brotli"),
        ("src/viewer/main.ts", 60_000, "gzip"),
        ("src/portal/main.ts", 60_000, "gzip"),
    ):
        key = next((key for key in manifest if key.endswith(entry)), None)
        if key is None:
            continue
        data = [(_STATIC / name).read_bytes() for name in _closure(manifest, key)]
        size = sum(len(brotli.compress(d) if how == "brotli" else gzip.compress(d, 9)) for d in data)
        figures.tell("T3", f"code of {entry}, {how}", bytes=size, limit=limit, met=size <= limit)


def _closure(manifest: dict[str, Any], key: str) -> set[str]:
    files = {manifest[key]["file"], *manifest[key].get("css", [])}
    for imported in manifest[key].get("imports", []):
        files |= _closure(manifest, imported)
    return files


def t4(figures: Figures, browser: Browser, scene: Scene, runs: int) -> None:
    """Lossless at the size shown, after the first image, on the slow link."""
    for name, limit in (("ct", 1.5), ("dx3000", 4.0), ("cr", 4.0)):
        if name not in scene.exams:
            continue
        waits = []
        with shaped(scene.port, "slow") as port:
            for _ in range(runs):
                with Phone(browser, scene.cookie).visit(port, f"/viewer/{scene.exams[name]}") as visit:
                    first = visit.mark("first-image")
                    waits.append(visit.mark("final-image") - first)
        values = spread(waits)
        figures.tell("T4", f"final after first, {name}", seconds=values, limit=limit, met=values["median"] <= limit)


def t5(figures: Figures, browser: Browser, scene: Scene) -> None:
    """Until every frame of 200 has its overview; then ten frames a second without a blank or wrong one."""
    for profile, limit in (("slow", 6.0), ("mid", 2.0)):
        with (
            shaped(scene.port, profile) as port,
            Phone(browser, scene.cookie).visit(port, f"/viewer/{scene.exams['ct200']}", watch=True) as visit,
        ):
            visit.mark("first-image")
            count = int(visit.page.evaluate("() => window.yunying ? window.yunying.count() : 200"))
            browsable = _browsable(visit, count, 60.0)
            changes = _scroll(visit, list(range(count)), 100)
        painted, gap = _painted(changes)
        figures.tell(
            "T5",
            f"{count} frames browsable, {profile}",
            seconds=browsable,
            limit=limit,
            met=browsable <= limit,
            scrolled=len(changes["asked"]),
            painted=painted,
            longest_gap=gap,
            wrong=changes["wrong"],
        )


def _browsable(visit: Visit, count: int, seconds: float) -> float:
    """When the last frame had its overview (or a picture of its own), in seconds since navigation."""
    for _ in range(int(seconds * 5)):
        held: set[int] = set()
        for at, header, _ in pictures(list(visit.messages)):
            held |= set(header["frames"]) if header["k"] == "sheet" else {header["f"]}
            if len(held) >= count:
                return at
        visit.page.wait_for_timeout(200)
    return float("inf")


def t5b(figures: Figures, browser: Browser, scene: Scene) -> None:
    """A finger drags a cold series of 100 frames at ten a second over 2 Mbit/s, 120 ms."""
    with (
        shaped(scene.port, "drag") as port,
        Phone(browser, scene.cookie).visit(port, f"/viewer/{scene.exams['ct100']}") as visit,
    ):
        visit.mark("first-image")
        visit.page.wait_for_function("() => window.yunying")
        changes = _scroll(visit, list(range(1, 100)), 100)
        last = len(changes["asked"])
        exact = visit.mark(f"final-image:{changes['first'] + last - 1}") - changes["asked"][-1]
    painted, gap = _painted(changes)
    met = painted >= 90 and gap <= 0.3 and exact <= 1.5
    figures.tell("T5b", "cold drag", painted=painted, asked=last, longest_gap=gap, exact_after=exact, met=met)


_DRIVE = """([frames, every]) => new Promise(done => {
  const asked = [], wrong = [];
  let i = 0;
  const before = performance.getEntriesByType("mark").map(e => +(e.name.split(":")[1] || 0));
  const first = Math.max(0, ...before) + 1;
  const timer = setInterval(() => {
    if (i > 0) {
      const state = window.yunying.state();
      if (state.frame !== frames[i - 1]) wrong.push(frames[i - 1]);
    }
    if (i === frames.length) {
      clearInterval(timer);
      done({asked, wrong: wrong.length, first});
      return;
    }
    asked.push(performance.now() / 1000);
    window.yunying.goto(frames[i++]);
  }, every);
})"""


def _scroll(visit: Visit, frames: list[int], every: int) -> dict[str, Any]:
    """Asks for one frame each `every` ms as a finger would; when each was asked for and when each was painted."""
    current = int(visit.page.evaluate("() => window.yunying.state().frame"))
    frames = [frame for index, frame in enumerate(frames) if index or frame != current]
    changes = dict(visit.page.evaluate(_DRIVE, [frames, every]))
    visit.page.wait_for_timeout(300)
    marks = visit.marks()
    changes["painted"] = [marks.get(f"first-image:{changes['first'] + i}") for i in range(len(frames))]
    return changes


def _painted(changes: dict[str, Any]) -> tuple[int, float]:
    """How many changes were painted at some quality, and the longest time without a new picture."""
    times = sorted(at for at in changes["painted"] if at is not None)
    moments = [changes["asked"][0], *times]
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    return len(times), max(gaps, default=float("inf"))


def _first(phone: Phone, port: int, path: str) -> float:
    with phone.visit(port, path) as visit:
        return visit.mark("first-image")
