"""Proof that a named query uses an index at scale, on whichever server the tests run.

A real MongoDB tells the truth by `explain`. The embedded server's explain names the index it would take for a whole
filter but makes up the numbers of examined keys, and prints COLLSCAN where a second look shows that an index was used.
There, the clock decides: the query must take a small part of the time of a full scan of the same collection.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from backend.platform.database import Database, Document, Query
from backend.platform.schema import Schema, create_indexes

DOCUMENTS = 50_000
_SLACK = 100
# Generous to a loaded machine: a document found by index costs the embedded server about 20 microseconds.
_SECONDS_A_DOCUMENT = 100e-6


async def assert_indexed(
    database: Database, schema: Schema, queries: Query | Sequence[Query], seed: Iterable[Document] = ()
) -> None:
    """Fails on a query that scans its collection or examines more than 3 x what it returns + 100 + `examines`.

    `seed` fills the schema's collection first, unless documents are there already; give at least 50,000.
    """
    await fill(database, schema, seed)
    embedded = "secantusVersion" in await database.command({"buildInfo": 1})
    whole = await _scan_seconds(database, schema.collection) if embedded else 0.0
    for query in [queries] if isinstance(queries, Query) else queries:
        assert query.collection == schema.collection
        returned = len(await database.collection(schema.collection).run(query))
        plan = await explain(database, query)
        stats = plan["executionStats"]
        if embedded:
            # Counted before the limit, and for a query with a residual before that: so many documents were loaded.
            examined = stats["nReturned"]
            await _assert_fast(database, query, examined, whole)
        else:
            assert "COLLSCAN" not in _stages(plan), f"{query} scans: {plan['queryPlanner']['winningPlan']}"
            examined = max(stats["totalDocsExamined"], stats["totalKeysExamined"])
        allowed = 3 * returned + _SLACK + query.examines
        assert examined <= allowed, f"{query} examines {examined} documents to return {returned}, allowed {allowed}"


async def fill(database: Database, schema: Schema, seed: Iterable[Document]) -> None:
    """Makes the schema's indexes and puts the documents into its collection.

    In this order, since the embedded server takes longer to index what is there than to insert into indexes.
    """
    await create_indexes(database, schema)
    collection = database.collection(schema.collection)
    documents = iter(seed)
    if not await collection.count({}, limit=1):
        while batch := list(islice(documents, 1000)):
            # Not a measure of the server: a busy machine may take its time.
            await collection.insert_many(batch, timeout=120)


async def explain(database: Database, query: Query) -> Document:
    """The server's plan and statistics, wherever this kind of server and query puts them."""
    command: Document = {"aggregate": query.collection, "pipeline": query.pipeline(), "cursor": {}}
    if not query.residual:
        command = {"find": query.collection, "filter": query.filter, "skip": query.skip, "limit": query.limit}
        command["sort"] = query.pipeline()[1]["$sort"] if query.sort else {}
    answer = await database.command({"explain": command, "verbosity": "executionStats"}, timeout=60)
    if "executionStats" in answer:
        return answer
    return dict(answer["stages"][0]["$cursor"])


def _stages(plan: Any) -> set[str]:
    """Names of all stages anywhere in a plan."""
    if isinstance(plan, dict):
        found = {plan["stage"]} if isinstance(plan.get("stage"), str) else set()
        return found.union(*map(_stages, plan.values()))
    return set().union(*map(_stages, plan)) if isinstance(plan, list) else set()


async def _scan_seconds(database: Database, collection: str) -> float:
    scan = Query(collection, {"no-such-field": 1})
    return min([await _seconds(database.collection(collection).run(scan)) for _ in range(2)])


async def _assert_fast(database: Database, query: Query, examined: int, whole: float) -> None:
    taken = min([await _seconds(database.collection(query.collection).run(query)) for _ in range(5)])
    allowed = whole / 5 + examined * _SECONDS_A_DOCUMENT
    assert taken < allowed, f"{query} takes {taken * 1e3:.1f} ms where a full scan takes {whole * 1e3:.1f} ms"


async def _seconds(work: Any) -> float:
    start = time.perf_counter()
    await work
    return time.perf_counter() - start
