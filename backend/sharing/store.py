"""Collections `shares` and `share_openings`. Links and passcodes are kept as hashes, phone numbers sealed or masked."""

from __future__ import annotations

from datetime import datetime, timedelta

from backend.access.model import SharedExam
from backend.platform.crypto import FieldCipher
from backend.platform.database import Database, Document, Query
from backend.platform.schema import Index, Schema

from .model import Opening, Share

_SHARES, _OPENINGS = "shares", "share_openings"
_KEPT = timedelta(days=180)
"""For so long after its end a patient can look up who opened a share."""
_MOST = 200


def _by_link(link: str) -> Query:
    return Query(_SHARES, {"link": link}, limit=1)


def _of_maker(maker: str) -> Query:
    return Query(_SHARES, {"maker": maker}, sort=("-created",), limit=_MOST)


def _of_share(share: str) -> Query:
    return Query(_OPENINGS, {"share": share}, sort=("-number",), limit=_MOST)


SCHEMAS = (
    Schema(
        _SHARES,
        indexes=(Index(("link",)), Index(("maker", "-created")), Index(("gone",), expire_seconds=0)),
        queries={"by_link": _by_link("-"), "of_maker": _of_maker("-")},
        sealed=("maker_phone",),
    ),
    Schema(
        _OPENINGS,
        indexes=(Index(("share", "-number")), Index(("gone",), expire_seconds=0)),
        queries={"of_share": _of_share("-")},
    ),
)


class ShareStore:
    """Shares and openings."""

    def __init__(self, database: Database, cipher: FieldCipher) -> None:
        self._shares, self._openings = database.collection(_SHARES), database.collection(_OPENINGS)
        self._cipher = cipher

    async def add(self, share: Share) -> None:
        """Keeps a new share."""
        await self._shares.insert_one(self._document(share))

    async def read(self, share_id: str) -> Share | None:
        """The share of this id."""
        row = await self._shares.find_one({"_id": share_id})
        return self._share(row) if row else None

    async def by_link(self, link: str) -> Share | None:
        """The share whose link has this hash."""
        rows = await self._shares.run(_by_link(link))
        return self._share(rows[0]) if rows else None

    async def of_maker(self, maker: str) -> list[Share]:
        """A patient's shares, newest first, at most 200."""
        return [self._share(row) for row in await self._shares.run(_of_maker(maker))]

    async def swap(self, changed: Share) -> bool:
        """Keeps a share in the place of its former version; False if that is not what is kept any more."""
        before = {"_id": changed.id, "version": changed.version - 1}
        fields = ("opened", "wrong", "revoked", "version", "passcode")
        change = {"$set": {name: getattr(changed, name) for name in fields}}
        return await self._shares.update_one(before, change) == 1

    async def add_opening(self, opening: Opening, share_expires: datetime) -> None:
        """Keeps who opened a share."""
        await self._openings.insert_one(
            {
                "_id": f"{opening.share}/{opening.number:06d}",
                "share": opening.share,
                "number": opening.number,
                "time": opening.time,
                "phone": opening.phone,
                "address": opening.address,
                "device": opening.device,
                "told": opening.told,
                "gone": share_expires + _KEPT,
            }
        )

    async def told(self, opening: Opening) -> None:
        """The maker was told of an opening."""
        await self._openings.update_one({"_id": f"{opening.share}/{opening.number:06d}"}, {"$set": {"told": True}})

    async def openings(self, share_id: str) -> list[Opening]:
        """Openings of a share, newest first, at most 200."""
        names = ("share", "number", "time", "phone", "address", "device", "told")
        rows = await self._openings.run(_of_share(share_id))
        return [Opening(**{name: row[name] for name in names}) for row in rows]

    def _document(self, share: Share) -> Document:
        phone = self._cipher.seal(share.maker_phone, collection=_SHARES, field="maker_phone", record=share.id)
        return {
            "_id": share.id,
            "link": share.link,
            "maker": share.maker,
            "maker_phone": phone,
            "exams": [
                {"exam": one.exam, "person": one.person, "series": sorted(one.series), "report": one.report}
                for one in share.exams
            ],
            "passcode": share.passcode,
            "only_phone": share.only_phone,
            "only_phone_shown": share.only_phone_shown,
            "limit": share.limit,
            "created": share.created,
            "expires": share.expires,
            "gone": share.expires + _KEPT,
            "opened": share.opened,
            "wrong": share.wrong,
            "revoked": share.revoked,
            "version": share.version,
        }

    def _share(self, row: Document) -> Share:
        return Share(
            id=row["_id"],
            link=row["link"],
            maker=row["maker"],
            maker_phone=self._cipher.open(
                row["maker_phone"], collection=_SHARES, field="maker_phone", record=row["_id"]
            ),
            exams=tuple(
                SharedExam(one["exam"], one["person"], frozenset(one["series"]), one["report"]) for one in row["exams"]
            ),
            passcode=row["passcode"],
            only_phone=row["only_phone"],
            only_phone_shown=row["only_phone_shown"],
            limit=row["limit"],
            created=row["created"],
            expires=row["expires"],
            opened=row["opened"],
            wrong=row["wrong"],
            revoked=row["revoked"],
            version=row["version"],
        )
