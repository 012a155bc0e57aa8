"""One viewing house and one Chromium for all browser tests of a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.viewer_house import STATIC, ViewingThread
from tests.browser.viewer_page import CHROMIUM, FLAGS, Viewer


@pytest.fixture(scope="session")
def viewing(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ViewingThread]:
    """The house with its exam; the front end must have been built (scripts/build_web.sh)."""
    assert (STATIC / ".vite" / "manifest.json").exists(), "build the front ends first: make web"
    thread = ViewingThread(mongo_uri, tmp_path_factory.mktemp("viewing"))
    yield thread
    thread.stop()


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Ends with the package's last test: while it runs, its event loop keeps this thread from running asynchronous tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def phone(viewing: ViewingThread, chromium: Browser) -> Iterator[Viewer]:
    """A phone with the CT series at rest on its screen."""
    viewer = Viewer(chromium, 390, 844)
    yield viewer.open(viewing.link())
    errors = viewer.errors
    viewer.context.close()
    assert not errors


@pytest.fixture
def desk(viewing: ViewingThread, chromium: Browser) -> Iterator[Viewer]:
    """A desktop with the CT series at rest on its screen."""
    viewer = Viewer(chromium, 1440, 900, phone=False)
    yield viewer.open(viewing.link())
    errors = viewer.errors
    viewer.context.close()
    assert not errors
