"""Sealing stored fields anew after a new key or another cipher was taken into use, in the background and in batches.

A pass walks a collection once and writes only what is not sealed by the newest key yet. It may be cut off at any moment and begun again:
what was done is skipped. A value that somebody writes meanwhile is left alone, since it was sealed by the newest key in the first place.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from backend.platform.crypto import FieldCipher, KeyProblem, sealed_by
from backend.platform.database import Collection, Database, Document, UpdateOne
from backend.platform.jobs import Intent, Intents
from backend.platform.schema import Schema

log = logging.getLogger("yunying.reseal")

KIND = "reseal-fields"
"""Kind of the intents: one a collection, its name the key."""
_BATCH = 200


@dataclass
class Tally:
    """What one pass over a collection found."""

    collection: str
    by_key: dict[tuple[str, str], int] = field(default_factory=dict)
    """(key id, cipher) -> values that say so, before the pass."""
    resealed: int = 0
    unreadable: int = 0


class Resealer:
    """Passes over the collections whose schemas declare sealed fields."""

    def __init__(self, database: Database, cipher: FieldCipher, intents: Intents, schemas: Sequence[Schema]) -> None:
        self._database, self._cipher, self._intents = database, cipher, intents
        self._fields: Mapping[str, tuple[str, ...]] = {s.collection: s.sealed for s in schemas if s.sealed}

    async def want(self) -> list[str]:
        """Arms the work for all collections; returns their names."""
        for name in self._fields:
            await self._intents.add(None, KIND, name)
        self._intents.wake()
        return list(self._fields)

    async def handle(self, intent: Intent) -> None:
        """Runs one intent. A collection that this program does not know any more has nothing to seal."""
        if intent.key in self._fields:
            tally = await self.run(intent.key)
            log.info("%s: %d values resealed, %d unreadable", intent.key, tally.resealed, tally.unreadable)

    async def survey(self) -> list[Tally]:
        """How many values each key and cipher sealed; every value is opened."""
        return [await self.run(name, change=False) for name in self._fields]

    async def run(self, name: str, *, change: bool = True) -> Tally:
        """One pass over a collection; with `change` False it only counts."""
        collection, fields, tally = self._database.collection(name), self._fields[name], Tally(name)
        updates: list[UpdateOne] = []
        rows = collection.iterate({}, batch=_BATCH, projection=dict.fromkeys(fields, 1))
        async for row in rows:
            for sealed_field in fields:
                if sealed_field in row:
                    update = self._look(tally, row, sealed_field, change)
                    updates += [update] if update else []
            if len(updates) >= _BATCH:
                tally.resealed += await self._write(collection, updates)
                updates = []
        tally.resealed += await self._write(collection, updates)
        return tally

    def _look(self, tally: Tally, row: Document, name: str, change: bool) -> UpdateOne | None:
        """Counts a value; the write that puts a newer one in its place, if there is need."""
        sealed, place = bytes(row[name]), {"collection": tally.collection, "field": name, "record": row["_id"]}
        by = sealed_by(sealed)
        tally.by_key[by] = tally.by_key.get(by, 0) + 1
        if change and self._cipher.is_current(sealed):
            return None
        try:
            text = self._cipher.open(sealed, **place)
        except KeyProblem:
            # It stays as it is: the key that opens it may yet be found in a backup.
            tally.unreadable += 1
            return None
        if not change:
            return None
        return UpdateOne({"_id": row["_id"], name: row[name]}, {"$set": {name: self._cipher.seal(text, **place)}})

    @staticmethod
    async def _write(collection: Collection, updates: list[UpdateOne]) -> int:
        await collection.bulk_write(updates, ordered=False)
        return len(updates)
