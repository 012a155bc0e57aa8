"""docs/conformance.md has a row for every clause, and names only tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "conformance.md").read_text()
CLAUSES = [*(f"A{n}" for n in range(1, 12)), *(f"B{n}" for n in range(1, 10)), *(f"C{n}" for n in range(1, 13))]


def test_every_clause_has_its_row() -> None:
    assert re.findall(r"^\| ([ABC]\d+) \|", PAGE, re.MULTILINE) == CLAUSES


def test_what_is_done_names_its_test() -> None:
    rows = [line for line in PAGE.splitlines() if re.match(r"\| [ABC]\d+ \|", line)]
    assert not [row for row in rows if "| done" in row and "`tests/" not in row]


def test_the_tests_named_exist() -> None:
    for page in ("conformance.md", "security.md"):
        named = re.findall(r"`(tests/[^`]*)`", (ROOT / "docs" / page).read_text())
        assert named
        assert not [name for name in named if not (ROOT / name).exists()]
