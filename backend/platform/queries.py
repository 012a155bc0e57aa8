"""Named queries as values: built by stores, run by `Collection`, explained by one test for all of them.

What an index serves on the embedded server (measured; a real MongoDB serves all of it): equality on leading fields and
then one range; one value of an array; `$in` on one field alone; `_id` by equality or `$in`. It scans for `$or`, `$all`,
a range or prefix of `_id`, `$regex`, `$ne`, and for a sort without a condition. A condition outside the index belongs
into `Query.residual`, `$in` followed by a range into one query for each value. Sorting is done in memory, so that a
page must be cut out of a bounded range.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions

from backend.platform.errors import Invalid

Document = dict[str, Any]


def prefix_range(prefix: str) -> Document:
    """The condition that a text begins with `prefix`, as a range, since the embedded server scans for `$regex`.

    Raises ValueError for an empty prefix.
    """
    if not prefix:
        raise ValueError("an empty prefix selects everything")
    return {"$gte": prefix, "$lt": prefix + "\U0010ffff"}


def sort_pairs(order: Sequence[str]) -> list[tuple[str, int]]:
    """Field names with direction 1 or -1, out of names of which "-" marks those that descend."""
    return [(name[1:], -1) if name.startswith("-") else (name, 1) for name in order]


@dataclass(frozen=True)
class Query:
    """A named query: what it selects, its order and its size.

    `filter` may use only fields of ONE index; every other condition belongs into `residual`, which becomes a
    second $match. A real MongoDB merges the two; an embedded server may scan everything for one mixed filter.
    """

    collection: str
    filter: Document
    residual: Document | None = None
    sort: tuple[str, ...] = ()
    """Field names, "-" before one that descends."""
    skip: int = 0
    limit: int = 0
    """0: no limit."""
    projection: Document | None = None
    examines: int = 0
    """How many documents it may examine by design beyond what it returns (a page cut out of a bounded range)."""

    def pipeline(self) -> list[Document]:
        """The same query as an aggregation."""
        stages: list[Document] = [{"$match": self.filter}]
        if self.residual:
            stages.append({"$match": self.residual})
        if self.sort:
            stages.append({"$sort": dict(sort_pairs(self.sort))})
        if self.skip:
            stages.append({"$skip": self.skip})
        if self.limit:
            stages.append({"$limit": self.limit})
        if self.projection:
            stages.append({"$project": self.projection})
        return stages

    def after(self, place: str | None) -> Query:
        """The query for the page that follows `place` (None: the first), one document longer than the page.

        The order must end with a unique field. The bound on the first sort field stays in the indexed filter,
        the rest of the comparison is residual. Raises Invalid for a place that was not made by `place_of`.
        """
        if place is None:
            return replace(self, limit=self.limit + 1)
        order = sort_pairs(self.sort)
        values = _read_place(place, len(order))
        name, direction = order[0]
        narrowed, held = dict(self.filter), self.filter.get(order[0][0])
        if held is None or isinstance(held, Mapping):
            narrowed[name] = {**(held or {}), **({"$gte": values[0]} if direction > 0 else _at_most(values[0]))}
        residual: Document = {"$or": _follows(order, values)}
        if self.residual:
            residual = {"$and": [self.residual, residual]}
        return replace(self, filter=narrowed, residual=residual, limit=self.limit + 1)

    def place_of(self, document: Document) -> str:
        """The opaque text from which the page after this document is found."""
        values = [document.get(name) for name, _ in sort_pairs(self.sort)]
        return base64.urlsafe_b64encode(bson.encode({"v": values})).decode().rstrip("=")


@dataclass(frozen=True)
class Page:
    """One page of a listing. `next` is an opaque text for the following page, None on the last."""

    items: list[Document]
    next: str | None


def _at_most(value: Any) -> Document:
    """The condition that a field is at most `value`, as "below the next value".

    The embedded server leaves out equality for `$lte` on a field of an index that has further fields.
    """
    if isinstance(value, str):
        return {"$lt": value + "\0"}
    if isinstance(value, int):
        return {"$lt": value + 1}
    if isinstance(value, float):
        return {"$lt": math.nextafter(value, math.inf)}
    if isinstance(value, datetime):
        return {"$lt": value + timedelta(milliseconds=1)}
    return {"$lte": value}


def _read_place(text: str, size: int) -> list[Any]:
    """The sort values in an opaque page text; only plain values, so that nobody smuggles an operator in."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        values: Any = bson.decode(raw, codec_options=CodecOptions(tz_aware=True, tzinfo=UTC))["v"]
    except (binascii.Error, bson.errors.BSONError, KeyError, ValueError) as error:
        raise Invalid("翻页参数无效，请从第一页重新开始。", code="invalid-page") from error
    plain = str | int | float | datetime | ObjectId | None
    if not isinstance(values, list) or len(values) != size or not all(isinstance(v, plain) for v in values):
        raise Invalid("翻页参数无效，请从第一页重新开始。", code="invalid-page")
    return values


def _follows(order: list[tuple[str, int]], place: list[Any]) -> list[Document]:
    """The alternatives under which a document comes after `place` in this order."""
    alternatives: list[Document] = []
    for depth, (name, direction) in enumerate(order):
        equal = {order[i][0]: place[i] for i in range(depth)}
        alternatives.append({**equal, name: {"$gt" if direction > 0 else "$lt": place[depth]}})
    return alternatives
