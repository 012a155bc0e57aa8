"""Attribute matching of PS3.4 C.2.2.2 on the DICOM JSON model (PS3.18 F.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .model import Match

DataSet = Mapping[str, Any]
"""A data set of the DICOM JSON model: tag -> {"vr", "Value"}."""


def fulfils(dataset: DataSet, matches: Iterable[Match]) -> bool:
    """Whether the data set meets every condition."""
    return all(any(_meets(match, value) for value in values_of(dataset, match.attribute.path)) for match in matches)


def values_of(dataset: DataSet, path: tuple[str, ...]) -> Iterator[Any]:
    """All values of an attribute; of one in a sequence, those of all items."""
    element = dataset.get(path[0])
    values = element.get("Value", []) if isinstance(element, Mapping) else []
    for value in values:
        if len(path) == 1:
            yield value
        elif isinstance(value, Mapping):
            yield from values_of(value, path[1:])


def _meets(match: Match, value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_meets(match, group) for group in value.values() if isinstance(group, str))
    vr = match.attribute.vr
    text = str(value).strip()
    if match.values:
        return text in match.values or (vr == "IS" and text.lstrip("+").isdecimal() and str(int(text)) in match.values)
    if match.pattern:
        return wildcard(match.pattern.casefold(), text.casefold()) if vr == "PN" else wildcard(match.pattern, text)
    moment = whole_time(text) if vr == "TM" else text.replace(".", "")
    return (match.low is None or moment >= match.low) and (match.high is None or moment <= match.high)


def whole_time(text: str) -> str:
    """A TM value with all its digits: HHMMSS.FFFFFF (PS3.5 6.2); the ACR-NEMA form with colons is read as well."""
    clock, _, fraction = text.replace(":", "").partition(".")
    return f"{clock.ljust(6, '0')}.{fraction.ljust(6, '0')}"


def wildcard(pattern: str, text: str) -> bool:
    """Whether `text` fits: `*` is any run of characters, `?` any one (PS3.4 C.2.2.2.4).

    A regular expression could take exponential time on hostile patterns; this takes at most length times length.
    """
    at = star = resume = 0
    place, starred = 0, False
    while place < len(text):
        if at < len(pattern) and pattern[at] == "*":
            starred, star, resume = True, at, place
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[place]):
            at, place = at + 1, place + 1
        elif starred:
            resume += 1
            at, place = star + 1, resume
        else:
            return False
    return all(rest == "*" for rest in pattern[at:])
