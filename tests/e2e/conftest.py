"""One running demo and one Chromium for all end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.viewer_page import CHROMIUM, FLAGS
from tests.e2e.demo_system import Demo
from tests.e2e.people import Patient


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo with its eight exams. At the end Ctrl-C, after which nothing may be left."""
    demo = Demo(tmp_path_factory.mktemp("demo") / "data")
    try:
        yield demo.start()
        assert demo.stop() == 0, demo.said()
        assert demo.processes() == []
    finally:
        if demo.processes():
            demo.kill()


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Ends with the package's last test: while it runs, its event loop keeps this thread from running asynchronous tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def zhang(demo: Demo) -> Patient:
    """A patient of both hospitals who has proved who he is."""
    return Patient(demo, "张晓东").sign_in()
