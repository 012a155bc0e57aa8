"""Tests that share one running demo are kept together by pytest-xdist; a version of either that forgets it fails here."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("group")
def test_groups_are_in_the_ids_that_workers_schedule_by(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("dist", "no") == "loadgroup" and hasattr(request.config, "workerinput"):
        assert request.node.nodeid.endswith("@group")
