"""How figures are told: one line of JSON each, on standard output and in bench/results/."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

_RESULTS = Path(__file__).parent / "results"


class Figures:
    """Collects the figures of one run; each is printed and kept as it comes."""

    def __init__(self) -> None:
        _RESULTS.mkdir(exist_ok=True)
        self._file = _RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}.jsonl"
        self.told: list[dict[str, Any]] = []

    def tell(self, target: str, what: str, **values: Any) -> None:
        """One figure of `target`; floats are rounded to a thousandth."""
        line = {"target": target, "what": what, **{key: _rounded(value) for key, value in values.items()}}
        self.told.append(line)
        text = json.dumps(line, ensure_ascii=False)
        print(text, flush=True)
        with self._file.open("a") as file:
            file.write(text + "\n")


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, 95th percentile and number of `values`."""
    ordered = sorted(values)
    return {
        "median": median(ordered),
        "p95": ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))],
        "n": len(ordered),
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return value
