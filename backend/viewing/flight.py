"""Work that many wait for is done once, and kept while there is room."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from cachetools import LRUCache

from backend.platform.cpu import Demand, Urgency

T = TypeVar("T")


class _Flight(Generic[T]):
    def __init__(self, demand: Demand, task: asyncio.Task[T]) -> None:
        self.demand, self.task, self.waiters = demand, task, 0


class SharedCache(Generic[T]):
    """Results by key, bounded in bytes, least recently used first out; a result that is being made is not made twice."""

    def __init__(self, max_bytes: int, size_of: Callable[[T], int]) -> None:
        self._kept: LRUCache[Hashable, T] = LRUCache(max_bytes, getsizeof=size_of)
        self._size_of = size_of
        self._flights: dict[Hashable, _Flight[T]] = {}

    @property
    def bytes(self) -> int:
        """Bytes kept now."""
        return int(self._kept.currsize)

    def peek(self, key: Hashable) -> T | None:
        """The result if it is there already."""
        return self._kept.get(key)

    def keep(self, key: Hashable, value: T) -> None:
        """Keeps a result if it fits at all."""
        if self._size_of(value) <= self._kept.maxsize:
            self._kept[key] = value

    async def get(self, key: Hashable, make: Callable[[Demand], Awaitable[T]], urgency: Urgency) -> T:
        """The kept result, or that of `make`, shared by all who ask meanwhile.

        The most urgent one sets the pace. When all who wait were cancelled, so is the work; errors go to all of them and are not kept.
        """
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        flight = self._flights.get(key)
        if flight is None:
            demand = Demand(urgency)
            flight = _Flight(demand, asyncio.ensure_future(self._make(key, make, demand)))
            self._flights[key] = flight
        else:
            flight.demand.rise(urgency)
        flight.waiters += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.task.done():
                self._flights.pop(key, None)
                flight.task.cancel()

    async def _make(self, key: Hashable, make: Callable[[Demand], Awaitable[T]], demand: Demand) -> T:
        try:
            value = await make(demand)
            self.keep(key, value)
            return value
        finally:
            flight = self._flights.get(key)
            if flight is not None and flight.demand is demand:
                del self._flights[key]
