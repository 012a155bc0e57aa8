"""Fixtures shared by all tests."""

from __future__ import annotations

import os

pytest_plugins = ["tests.fixtures_platform"]

# A proxy variable would send loopback calls of the SDKs outside.
for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
    os.environ.pop(name, None)
