"""Fixtures shared by all tests."""

from __future__ import annotations

import os

pytest_plugins = [
    name
    for name in ("tests.fixtures_platform",)
    if os.path.exists(f"{os.path.dirname(__file__)}/{name.split('.')[1]}.py")
]
# A proxy variable would send loopback calls of the SDKs outside.
for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
    os.environ.pop(name, None)
