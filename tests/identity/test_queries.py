"""Every named query of identity, audit and reports at 50,000 documents: by index, never by scan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backend.audit.store import SCHEMA as AUDIT
from backend.identity.store import SCHEMAS as IDENTITY
from backend.platform.database import Database, Document
from backend.platform.schema import Schema
from backend.reports.store import SCHEMA as REPORTS
from tests.explain import DOCUMENTS, assert_indexed

PATIENTS = next(schema for schema in IDENTITY if schema.collection == "patients")
SESSIONS = next(schema for schema in IDENTITY if schema.collection == "sessions")
START = datetime(2026, 1, 1, tzinfo=UTC)
# Far away, lest the server begins to sweep them.
EXPIRES = datetime(2126, 1, 1, tzinfo=UTC)


def documents(collection: str) -> Iterator[Document]:
    """What the collection holds after a while, as far as its indexes look."""
    for n in range(DOCUMENTS):
        time = START + timedelta(seconds=n)
        yield {
            "patients": {"person": f"p{n}", "phone_blind": f"b{n // 2}"},
            "sessions": {"subject": f"s{n // 10}", "maker": f"m{n // 10}", "created": time, "expires": EXPIRES},
            "audit": {"resource": f"r{n // 20}", "subject": f"s{n // 20}", "institution": f"i{n // 50}", "time": time},
            "reports": {"exam": f"e{n // 2}", "version": n % 2, "state": "final"},
        }[collection] | {"_id": f"{n:06d}"}


# Example values of the declared queries that are in the documents.
FILTERS: dict[str, dict[str, Document]] = {
    "patients": {"by_phone": {"phone_blind": "b77"}},
    "sessions": {"of_subject": {"subject": "s77"}},
    "audit": {
        "resource": {"resource": "r77", "time": {"$gte": START}},
        "subject": {"subject": "s77", "time": {"$gte": START}},
        "institution": {"institution": "i77", "time": {"$gte": START}},
        "month": {"time": {"$gte": START, "$lt": START + timedelta(days=31)}},
    },
    "reports": {"newest": {"exam": "e77"}, "of_exams": {"exam": {"$in": [f"e{n}" for n in range(20)]}}},
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("schema", [PATIENTS, SESSIONS, AUDIT, REPORTS], ids=lambda schema: schema.collection)
async def test_named_queries(database: Database, schema: Schema) -> None:
    filters = FILTERS[schema.collection]
    assert set(filters) == set(schema.queries)
    queries = [replace(schema.queries[name], filter=wanted) for name, wanted in filters.items()]
    await assert_indexed(database, schema, queries, documents(schema.collection))
    for query in queries:
        assert await database.collection(schema.collection).run(query)
