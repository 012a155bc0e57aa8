"""Collection `audit`: append-only, one document an entry; `_id` is `{chain}/{sequence}`, so that a place is taken once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime

from backend.platform.database import Database, Document, Query
from backend.platform.schema import Index, Schema

from .model import Entry, Link, Origin, TrailQuery

_AUDIT = "audit"
_EXAMPLE = {"$gte": datetime(2000, 1, 1, tzinfo=UTC)}


def _of(field: str, value: str, since: datetime, limit: int) -> Query:
    return Query(_AUDIT, {field: value, "time": {"$gte": since}}, sort=("-time", "-_id"), limit=limit)


def _search(wanted: TrailQuery, limit: int) -> Query:
    """One condition and the time on an index, the most telling one; the others on what that gives."""
    given = {name: value for name in ("resource", "subject", "institution") if (value := getattr(wanted, name))}
    first = dict(list(given.items())[:1])
    rest: Document = {name: value for name, value in given.items() if name not in first}
    if wanted.actions:
        rest["action"] = {"$in": sorted(wanted.actions)}
    if wanted.allowed is not None:
        rest["allowed"] = wanted.allowed
    time = {"$gte": wanted.since, "$lt": wanted.until}
    return Query(_AUDIT, {**first, "time": time}, rest or None, ("-time", "-_id"), limit=limit)


_MONTH = TrailQuery(since=datetime(2026, 1, 1, tzinfo=UTC), until=datetime(2026, 2, 1, tzinfo=UTC))
SCHEMA = Schema(
    _AUDIT,
    indexes=(
        Index(("resource", "-time", "-_id")),
        Index(("subject", "-time", "-_id")),
        Index(("institution", "-time", "-_id")),
        Index(("-time", "-_id")),
    ),
    queries={
        **{field: _of(field, "-", _EXAMPLE["$gte"], 100) for field in ("resource", "subject", "institution")},
        # A page cut out of a month: the embedded server looks through it, MongoDB goes along the index.
        "month": replace(_search(_MONTH, 50), examines=50_000),
    },
)


_APPEND_SECONDS = 5.0
"""Everybody's request waits for its record: when the database is away, they are to be told soon."""


class AuditStore:
    """Writes and reads entries; changes none."""

    def __init__(self, database: Database) -> None:
        self._audit = database.collection(_AUDIT)

    async def append(self, links: Sequence[Link]) -> None:
        """Writes them durably, in order."""
        await self._audit.insert_many([_document(link) for link in links], timeout=_APPEND_SECONDS)

    async def walk(self) -> AsyncIterator[Link]:
        """All links, chain by chain, each by rising sequence."""
        async for row in self._audit.iterate({}, sort=("_id",)):
            yield _link(row)

    async def of(self, field: str, value: str, since: datetime, limit: int = 100) -> list[Entry]:
        """Entries of a `resource` (who opened this exam), `subject` or `institution` since then, newest first."""
        return [_link(row).entry for row in await self._audit.run(_of(field, value, since, limit))]

    async def page(self, query: TrailQuery, limit: int, after: str | None) -> tuple[Sequence[Link], str | None]:
        """Up to `limit` links, newest first, and the place of the next page. Raises Invalid for an `after` that is none."""
        found = await self._audit.find_page(_search(query, limit), after)
        return [_link(row) for row in found.items], found.next


def _document(link: Link) -> Document:
    place = {"_id": f"{link.chain}/{link.sequence:012d}", "chain": link.chain, "sequence": link.sequence}
    return {**place, "previous": link.previous, "hash": link.digest, **asdict(link.entry)}


def _link(row: Document) -> Link:
    fields = {
        name: row[name]
        for name in ("time", "subject", "kind", "action", "resource", "institution", "scenario", "allowed", "reason")
    }
    return Link(
        row["chain"], row["sequence"], row["previous"], row["hash"], Entry(**fields, origin=Origin(**row["origin"]))
    )
