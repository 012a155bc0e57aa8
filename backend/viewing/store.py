"""The collection `viewer_links`: single-use links until they are used or expire."""

from __future__ import annotations

from backend.access.model import Grade
from backend.platform.database import Database, Document
from backend.platform.schema import Index, Schema
from backend.viewing.model import Link

_LINKS = "viewer_links"
SCHEMA = Schema(_LINKS, indexes=(Index(("expires",), expire_seconds=60),))


class LinkStore:
    """Links by the hash of their secret."""

    def __init__(self, database: Database) -> None:
        self._links = database.collection(_LINKS)

    async def add(self, link: Link) -> None:
        """Keeps a new link."""
        await self._links.insert_one(
            {
                "_id": link.digest,
                "exam": link.exam,
                "institution": link.institution,
                "maker": link.maker,
                "maker_session": link.maker_session,
                "maker_institution": link.maker_institution,
                "grade": link.grade.value,
                "made": link.made,
                "expires": link.expires,
            }
        )

    async def take(self, digest: str) -> Link | None:
        """The link, which is gone now: of many who ask at once, one gets it."""
        row = await self._links.find_one({"_id": digest})
        if row is None or await self._links.delete_one({"_id": digest}) == 0:
            return None
        return _link(row)


def _link(row: Document) -> Link:
    return Link(
        digest=row["_id"],
        exam=row["exam"],
        institution=row["institution"],
        maker=row["maker"],
        maker_session=row["maker_session"],
        maker_institution=row["maker_institution"],
        grade=Grade(row["grade"]),
        made=row["made"],
        expires=row["expires"],
    )
