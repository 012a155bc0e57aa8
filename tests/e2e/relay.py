"""A network between a phone and the demo that can be cut, on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from tests.browser.viewer_house import Relay


class Network:
    """An address that leads to the demo for as long as there is a network."""

    def __init__(self, port: int) -> None:
        self._relay = Relay()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._relay.start(port), self._loop).result(10)
        self.url = f"http://127.0.0.1:{self._relay.port}"

    def cut(self) -> None:
        """No network: connections end, new ones fail."""
        self._relay.reachable = False
        self._call(self._relay.cut)

    def mend(self) -> None:
        self._relay.reachable = True

    def stop(self) -> None:
        self._call(self._relay.cut)
        self._call(self._loop.stop)
        self._thread.join(5)

    def _call(self, work: Callable[[], Any]) -> None:
        self._loop.call_soon_threadsafe(work)
