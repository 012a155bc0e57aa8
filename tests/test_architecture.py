"""The house rules that a machine can check: who imports whom is import-linter's; sizes, rooms and single owners are here."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted([*ROOT.glob("backend/**/*.py"), *ROOT.glob("render/**/*.py")])
MAX_FILE, MAX_FUNCTION = 400, 60


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).with_suffix("").parts[: -node.level] if node.level else ()
            yield ".".join([*package, *([node.module] if node.module else [])])


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= MAX_FILE, "a file that large is two"
    for node in ast.walk(ast.parse(text)):
        # A table of routes is data: it is long where the capability is wide.
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != "routes":
            assert node.end_lineno - node.lineno < MAX_FUNCTION, f"{node.name} is {node.end_lineno - node.lineno} lines"


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_one_place_for_each_outside_thing(path: Path) -> None:
    name, imports, text = _name(path), set(_imports(path)), path.read_text()
    if name != "backend/platform/database.py":
        assert not any(i.split(".")[0] == "motor" for i in imports), "motor is imported by platform/database.py alone"
    if name not in ("backend/platform/database.py", "backend/platform/collection.py"):
        assert not any(i.split(".")[0] == "pymongo" for i in imports), "pymongo's names come from platform/database.py"
    if name != "backend/platform/settings.py":
        assert not re.search(r"\bos\.(environ|getenv)\b", text), "settings.py alone reads the environment"
    if name != "backend/platform/clock.py":
        assert not re.search(r"\bdatetime\.(now|utcnow)\(|\btime\.time\(", text), "clock.py alone asks the time of day"


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if p.name in ("model.py", "rules.py", "routes.py", "store.py")], ids=_name
)
def test_rooms_of_a_capability(path: Path) -> None:
    imports = set(_imports(path))
    capability = path.parent.name
    foreign = [i for i in imports if re.fullmatch(r"backend\.\w+\.store", i) and i != f"backend.{capability}.store"]
    assert not foreign, "another capability's store is its own business"
    if path.name == "model.py":
        assert not any(i.startswith(("tornado", "backend.platform.database", "backend.web")) for i in imports)
    if path.name == "rules.py":
        assert not any(i.startswith(("tornado", "backend.web")) for i in imports), "rules know no HTTP"
    if path.name == "routes.py":
        assert f"backend.{capability}.store" not in imports, "routes ask rules, not stores"


def test_locks_carry_no_address() -> None:
    for name in ("requirements.lock", "requirements-embedded.txt", "package-lock.json"):
        text = (ROOT / name).read_text()
        assert not re.search(r'"resolved": "https?://|--index-url|--extra-index-url|--find-links', text), name


def test_no_unfinished_places() -> None:
    files = subprocess.run(
        ["git", "ls-files", "*.py", "*.ts", "*.tsx"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    marks = re.compile(r"\bNotImplementedError\b|\bTO" + r"DO\b|\bFIX" + r"ME\b|pytest\.mark\.(skip|xfail)")
    found = [
        f"{name}:{number}"
        for name in files.stdout.split()
        if (ROOT / name).exists() and name != "tests/test_architecture.py"
        for number, line in enumerate((ROOT / name).read_text().splitlines(), 1)
        if marks.search(line)
    ]
    assert not found
