"""Checking all chains, against themselves and against the heads that were anchored outside the database."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from .chain import GENESIS, canonical, chain_hash
from .model import Anchor, Fault, Link, Verdict


class WalkedTrail(Protocol):
    """What is checked."""

    def walk(self) -> AsyncIterator[Link]:
        """All links, chain by chain, each by rising sequence."""
        ...


class _Anchored:
    """The genuine heads, chain by chain, and the faults of those that are not."""

    def __init__(self, anchors: Iterable[Anchor]) -> None:
        self.heads: dict[str, dict[int, str]] = defaultdict(dict)
        self.faults: dict[str, Fault] = {}
        for anchor in anchors:
            if not anchor.genuine:
                self.faults.setdefault(anchor.chain, Fault(anchor.chain, anchor.sequence, "forged-anchor"))
            else:
                self.heads[anchor.chain][anchor.sequence] = anchor.digest


class _Walk:
    """Where in which chain the check is."""

    def __init__(self, anchored: _Anchored, key: bytes) -> None:
        self._anchored, self._key = anchored, key
        self.entries, self.chains, self.unanchored = 0, 0, 0
        self.faults: list[Fault] = []
        self._chain, self._expected, self._head, self._broken = "", 0, GENESIS, False

    def step(self, link: Link) -> None:
        """Checks the next link. In a chain that is broken the rest is not looked at."""
        if link.chain != self._chain or not self.chains:
            self.end_chain()
            self._begin(link.chain)
        if self._broken:
            return
        if link.sequence != self._expected:
            self._fault(self._expected, "missing")
        elif link.previous != self._head or self._hash(link) != link.digest:
            self._fault(link.sequence, "changed")
        elif self._anchored.heads.get(link.chain, {}).get(link.sequence, link.digest) != link.digest:
            self._fault(link.sequence, "rewritten")
        else:
            self.entries, self._expected, self._head = self.entries + 1, self._expected + 1, link.digest

    def end_chain(self) -> None:
        """The chain is over: the last head that was anchored must have been in it."""
        if not self.chains:
            return
        heads = self._anchored.heads.pop(self._chain, None)
        if heads is None:
            self.unanchored += 1
        elif not self._broken and max(heads) >= self._expected:
            self._fault(self._expected, "cut")

    def end(self) -> None:
        """All is walked: chains that were anchored and never came are gone as a whole."""
        self.end_chain()
        self.faults += [Fault(chain, 0, "cut") for chain in sorted(self._anchored.heads)]
        self.faults += self._anchored.faults.values()

    def _begin(self, chain: str) -> None:
        self._chain, self._expected, self._head, self._broken = chain, 0, GENESIS, False
        self.chains += 1

    def _hash(self, link: Link) -> str:
        return chain_hash(self._key, self._head, link.chain, link.sequence, link.entry)

    def _fault(self, sequence: int, what: str) -> None:
        self._broken = True
        self.faults.append(Fault(self._chain, sequence, what))


async def verify(store: WalkedTrail, key: bytes, anchors: Iterable[Anchor] = ()) -> Verdict:
    """Walks all chains; names in each the first entry that is changed, missing or out of its place, and what was cut off.

    Read the anchors before this walks, or heads that are younger than the walk are taken for cut ones.
    """
    walk = _Walk(_Anchored(anchors), key)
    async for link in store.walk():
        walk.step(link)
    walk.end()
    return Verdict(walk.entries, walk.chains, tuple(walk.faults), walk.unanchored)


def export_line(link: Link) -> str:
    """A link as a line of JSON. `entry` is the text that was hashed: with the key the export can be checked without the program."""
    place = {"chain": link.chain, "sequence": link.sequence, "previous": link.previous, "hash": link.digest}
    return json.dumps({**place, "entry": json.loads(canonical(link.entry))}, ensure_ascii=False)


async def export(store: WalkedTrail, file: Path) -> tuple[int, str]:
    """Writes all links to `file`, a line each, for its owner's eyes only; returns how many and the SHA-256 of the file.

    Raises FileExistsError: an export is evidence and is not overwritten.
    """
    count, digest = 0, sha256()
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        async for link in store.walk():
            line = export_line(link).encode() + b"\n"
            digest.update(line)
            out.write(line)
            count += 1
        out.flush()
        os.fsync(out.fileno())
    return count, digest.hexdigest()
