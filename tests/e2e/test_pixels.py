"""The canvas at `final-image` is what an independent reading of the stored file gives, for every kind of picture of the demo."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from playwright.sync_api import Browser

from tests.browser.viewer_page import Viewer
from tests.e2e.demo_system import Demo, read
from tests.e2e.people import Patient
from tests.e2e.reference import assert_shown, levels
from tests.e2e.test_contract import DALIAN, SHENYANG

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("e2e")]


def by_link(demo: Demo, chromium: Browser, exam: dict, *, phone: bool = True) -> Viewer:
    """The exam as a radiologist's information system opens it."""
    body = {"study_instance_uid": exam["study_instance_uid"]}
    token = demo.token("radiologist", exam["institution"])
    url = demo.ask("POST", "/api/v1/viewer-links", token=token, json=body).json()["url"]
    size = (390, 844) if phone else (1440, 900)
    return Viewer(chromium, *size, phone=phone).open(url)


def files(demo: Demo, exam: dict) -> list[pydicom.Dataset]:
    token = demo.token("radiologist", exam["institution"])
    return [read(file) for file in demo.originals(exam["study_instance_uid"], token)]


def test_ct_frames_and_windows(demo: Demo, zhang: Patient, chromium: Browser) -> None:
    exam = demo.exam("CT", SHENYANG)
    ordered = sorted(files(demo, exam), key=lambda one: float(one.ImagePositionPatient[2]))
    viewer = zhang.viewer(chromium).open(f"{demo.url}/viewer/{exam['exam']}")
    assert viewer.page.evaluate("yunying.count()") == exam["frames"] == len(ordered)
    viewer.goto(0).rest()
    window = tuple(viewer.state()["window"])
    if not np.array_equal(viewer.grey(), levels(ordered[0], ordered[0].pixel_array, *window)):
        ordered.reverse()
    for change, (frame, window) in enumerate(((0, (-700, 1500)), (37, (40, 400)), (99, (300.5, 2000))), 2):
        viewer.goto(frame)
        viewer.page.evaluate(f"yunying.setWindow({window[0]}, {window[1]})")
        viewer.rest()
        state = viewer.state()
        assert (state["frame"], state["window"], state["series"]) == (frame, list(window), 0), change
        assert state["exam"] == exam["exam"] and state["grade"] in ("browse", "diagnostic")
        assert_shown(viewer.grey(), ordered[frame], window)
    marks = viewer.marks()
    for kind in ("first-image", "screen-image", "final-image"):
        assert kind in marks and f"{kind}:1" in marks
    assert marks["first-image"] <= marks["screen-image"] <= marks["final-image"]
    assert not viewer.errors
    viewer.context.close()


@pytest.mark.parametrize(("modality", "institution"), [("MR", SHENYANG), ("MR", DALIAN)])
def test_mr(demo: Demo, chromium: Browser, modality: str, institution: str) -> None:
    exam = demo.exam(modality, institution)
    viewer = by_link(demo, chromium, exam)
    window = tuple(viewer.rest().state()["window"])
    shown = viewer.grey()
    matches = [one for one in files(demo, exam) if np.array_equal(shown, levels(one, one.pixel_array, *window))]
    assert len(matches) == 1 and viewer.state()["grade"] == "diagnostic"
    viewer.context.close()


@pytest.mark.parametrize("phone", [True, False], ids=["phone", "desk"])
def test_radiographs_are_exact_at_the_size_shown(demo: Demo, chromium: Browser, phone: bool) -> None:
    for exam in (one for one in demo.info["exams"] if one["modality"] == "CR"):
        viewer = by_link(demo, chromium, exam, phone=phone)
        (dataset,) = files(demo, exam)
        assert_shown(viewer.rest().grey(), dataset, tuple(viewer.state()["window"]))
        viewer.page.evaluate("yunying.setWindow(9000, 12000)")
        viewer.rest()
        assert_shown(viewer.grey(), dataset, (9000, 12000))
        viewer.context.close()


def test_colour_ultrasound(demo: Demo, chromium: Browser) -> None:
    exam = demo.exam("US", DALIAN)
    viewer = by_link(demo, chromium, exam)
    (dataset,) = files(demo, exam)
    frames = dataset.pixel_array
    assert viewer.page.evaluate("yunying.count()") == len(frames) == exam["frames"]
    for frame in (0, 11, len(frames) - 1):
        viewer.goto(frame).rest()
        shown = viewer.pixels()
        assert np.array_equal(shown[..., :3], frames[frame]) and (shown[..., 3] == 255).all()
    assert viewer.state()["window"] == [128, 256]
    viewer.context.close()


def test_lossy_ultrasound_is_within_what_decoders_differ(demo: Demo, chromium: Browser) -> None:
    exam = demo.exam("US", SHENYANG)
    viewer = by_link(demo, chromium, exam)
    (dataset,) = files(demo, exam)
    viewer.goto(5).rest()
    difference = np.abs(viewer.pixels()[..., :3].astype(int) - dataset.pixel_array[5])
    assert difference.mean() < 1.5, difference.mean()
    assert "有损" in viewer.page.inner_text("body")
    viewer.context.close()
