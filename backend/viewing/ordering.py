"""In which order the frames of a series are shown.

Slices that lie side by side are ordered by their place along the normal (PS3.3 C.7.6.2.1.1), in the direction in which Instance Number rises.
Where several share a place (phases, b-values, a slice sent twice) whole passes through the body follow each other. What is no volume
(radiographs, cine, scouts in all directions) goes by temporal position, stack and instance number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from render import Geometry

SAME_PLACE = 0.01
"""Millimetres along the normal below which two frames lie at the same place."""
_SAME_DIRECTION = 1e-3
_MOST_ORIENTATIONS = 8


@dataclass(frozen=True, slots=True)
class Place:
    """What ordering needs of one frame."""

    geometry: Geometry
    sop_instance_uid: str
    frame: int
    """Index within the instance."""

    @property
    def number(self) -> tuple[float, int, str]:
        """Order in which the device made the frames; what has no Instance Number comes last."""
        number = self.geometry.instance_number
        return (float("inf") if number is None else number, self.frame, self.sop_instance_uid)


@dataclass(frozen=True, slots=True)
class Order:
    """The display order of a series."""

    order: tuple[int, ...]
    """Positions of the frames in what was given."""
    volume: bool
    """The frames are parallel slices, in order along their normal."""


def display_order(places: Sequence[Place]) -> Order:
    """The order of `places`; the same whatever order they come in."""
    everyone = sorted(range(len(places)), key=lambda n: places[n].number)
    stacks = _stacks(places, everyone)
    if stacks is None:
        return Order(tuple(sorted(everyone, key=lambda n: _by_number(places[n]))), False)
    ordered = [n for stack in stacks for n in _along_normal(places, stack)]
    return Order(tuple(ordered), len(stacks) == 1 and _distances(places, ordered) > 1)


def _by_number(place: Place) -> tuple[object, ...]:
    geometry = place.geometry
    temporal, stack = geometry.temporal_position, geometry.stack_position
    return (temporal or 0, geometry.stack_id, stack or 0, *place.number)


def _stacks(places: Sequence[Place], everyone: Sequence[int]) -> list[list[int]] | None:
    """Frames grouped by direction, in order of number; None where they are no stacks of slices."""
    stacks: list[tuple[tuple[float, ...], list[int]]] = []
    for n in everyone:
        geometry = places[n].geometry
        if geometry.orientation is None or geometry.position is None:
            return None
        for orientation, members in stacks:
            if max(abs(a - b) for a, b in zip(orientation, geometry.orientation, strict=True)) < _SAME_DIRECTION:
                members.append(n)
                break
        else:
            stacks.append((geometry.orientation, [n]))
            if len(stacks) > _MOST_ORIENTATIONS:
                return None
    # As many directions as frames: scouts, or projections that turn around the patient.
    if len(stacks) > 1 and len(stacks) * 2 > len(everyone):
        return None
    return [members for _, members in stacks]


def _along_normal(places: Sequence[Place], stack: Sequence[int]) -> list[int]:
    """One stack, given in order of number: passes through the body one after the other, each along the normal."""
    place_of = _slots(places, stack)
    passes: dict[int, list[int]] = {}
    for n, key in _pass_keys(places, stack, place_of).items():
        passes.setdefault(key, []).append(n)
    sign = _direction(places, stack, place_of)
    ordered: list[int] = []
    for key in sorted(passes):
        ordered += sorted(passes[key], key=lambda n: (sign * place_of[n], places[n].number))
    return ordered


def _slots(places: Sequence[Place], stack: Sequence[int]) -> dict[int, int]:
    """Frame -> rank of its place along the normal; frames closer than `SAME_PLACE` share one."""
    by_distance = sorted(stack, key=lambda n: places[n].geometry.distance or 0.0)
    slots = {by_distance[0]: 0}
    for before, n in pairwise(by_distance):
        step = (places[n].geometry.distance or 0.0) - (places[before].geometry.distance or 0.0)
        slots[n] = slots[before] + (step >= SAME_PLACE)
    return slots


def _pass_keys(places: Sequence[Place], stack: Sequence[int], slots: dict[int, int]) -> dict[int, int]:
    """Frame -> its pass: the temporal position if that tells frames apart, else how many came before at its place."""
    temporal = {n: places[n].geometry.temporal_position for n in stack}
    told = {(slots[n], temporal[n]) for n in stack}
    if len(told) == len(stack) and None not in temporal.values():
        return {n: temporal[n] or 0 for n in stack}
    seen: dict[int, int] = {}
    keys = {}
    for n in stack:
        keys[n] = seen.get(slots[n], 0)
        seen[slots[n]] = keys[n] + 1
    return keys


def _direction(places: Sequence[Place], stack: Sequence[int], slots: dict[int, int]) -> int:
    """+1 where places along the normal rise with Instance Number on the whole, else -1."""
    numbered = [n for n in stack if places[n].geometry.instance_number is not None]
    trend = sum((slots[b] > slots[a]) - (slots[b] < slots[a]) for a, b in pairwise(numbered))
    return -1 if trend < 0 else 1


def _distances(places: Sequence[Place], order: Sequence[int]) -> int:
    return len(set(_slots(places, order).values()))
