"""Tolerant access to header attributes: a malformed optional attribute counts as absent."""

import math
from collections.abc import Sequence
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset


def value(dataset: Dataset, keyword: str) -> Any:
    """Value of the attribute, or None where it is absent, empty or cannot be parsed."""
    try:
        found = dataset.get(keyword)
    except Exception:  # pydicom converts lazily and raises nearly anything on broken elements
        return None
    if found is None or (isinstance(found, str | bytes | Sequence) and len(found) == 0):
        return None
    return found


def present(dataset: Dataset, keyword: str) -> bool:
    """True where the attribute is there and not empty, whether or not it can be parsed."""
    if keyword not in dataset:
        return False
    try:
        held = dataset.get_item(tag_for_keyword(keyword) or 0).value
    except Exception:  # what cannot even be looked at is there, and broken
        return True
    return held is not None and held not in (b"", "")


def text(dataset: Dataset, keyword: str, default: str = "") -> str:
    """First value of a text attribute without padding, or `default`."""
    found = value(dataset, keyword)
    if found is None:
        return default
    if not isinstance(found, str) and isinstance(found, Sequence):
        found = found[0]
    return str(found).strip().rstrip("\0") or default


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """All values of a numeric attribute as finite floats; empty where one of them is not a number."""
    found = value(dataset, keyword)
    if found is None or isinstance(found, bytes):
        return ()
    many = found if isinstance(found, Sequence) and not isinstance(found, str) else [found]
    try:
        read = tuple(float(one) for one in many)
    except (TypeError, ValueError, OverflowError):
        return ()
    return read if all(math.isfinite(one) for one in read) else ()


def number(dataset: Dataset, keyword: str) -> float | None:
    """First value of a numeric attribute, or None."""
    found = numbers(dataset, keyword)
    return found[0] if found else None


def integer(dataset: Dataset, keyword: str) -> int | None:
    """First value of a numeric attribute as a whole number, or None."""
    found = number(dataset, keyword)
    return None if found is None else int(found)


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """All values of a text attribute without padding."""
    found = value(dataset, keyword)
    if found is None or isinstance(found, bytes):
        return ()
    many = found if isinstance(found, Sequence) and not isinstance(found, str) else [found]
    return tuple(str(one).strip() for one in many)


def items(dataset: Dataset, keyword: str) -> Sequence[Dataset]:
    """Items of a sequence attribute; empty where it is absent or is no sequence."""
    found = value(dataset, keyword)
    if found is None or isinstance(found, str | bytes) or not isinstance(found, Sequence):
        return ()
    return found if len(found) and isinstance(found[0], Dataset) else ()


def functional_group(dataset: Dataset, index: int, keyword: str) -> Dataset | None:
    """The functional group macro `keyword` that holds for frame `index` (PS3.3 C.7.6.16).

    The per-frame group goes before the shared one; None where neither has it.
    """
    per_frame = items(dataset, "PerFrameFunctionalGroupsSequence")
    if index < len(per_frame):
        group = items(per_frame[index], keyword)
        if group:
            return group[0]
    shared = items(dataset, "SharedFunctionalGroupsSequence")
    group = items(shared[0], keyword) if shared else ()
    return group[0] if group else None
