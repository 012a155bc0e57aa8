"""Collections `institutions` and `credentials`."""

from __future__ import annotations

from datetime import datetime

from backend.platform.database import Database, Document, DuplicateKey, Query
from backend.platform.schema import Index, Schema

from .model import Credential, Institution, State

INSTITUTIONS, CREDENTIALS = "institutions", "credentials"
_NONE = "\\"

SCHEMAS = (
    Schema(
        INSTITUTIONS,
        indexes=(Index(("ae_titles",), unique=True),),
        queries={"by AE title": Query(INSTITUTIONS, {"ae_titles": "CT1"})},
    ),
    Schema(
        CREDENTIALS,
        indexes=(Index(("institution",)),),
        queries={"of institution": Query(CREDENTIALS, {"institution": "H1"})},
    ),
)


class OrganisationStore:
    """Reads and writes institutions and credentials."""

    def __init__(self, database: Database) -> None:
        self._institutions = database.collection(INSTITUTIONS)
        self._credentials = database.collection(CREDENTIALS)

    async def put(self, institution: Institution) -> bool:
        """Writes an institution, replacing one of the same code; False when an AE title belongs to another."""
        document: Document = {
            "_id": institution.code,
            "name": institution.name,
            "city": institution.city,
            "state": institution.state.value,
            # One that is no AE title but unique stands for "none": a unique index holds an absent field only once.
            "ae_titles": sorted(institution.ae_titles) or [_NONE + institution.code],
        }
        try:
            await self._institutions.replace_one({"_id": institution.code}, document, upsert=True)
        except DuplicateKey:
            return False
        return True

    async def institution(self, code: str) -> Institution | None:
        """The institution of this code."""
        return _institution(await self._institutions.find_one({"_id": code}))

    async def institutions(self) -> list[Institution]:
        """All institutions, by code."""
        rows = await self._institutions.find({}, sort=("_id",))
        return [found for row in rows if (found := _institution(row))]

    async def by_ae_title(self, title: str) -> Institution | None:
        """The institution whose device calls with this AE title."""
        return _institution(await self._institutions.find_one({"ae_titles": title}))

    async def add_credential(self, credential: Credential) -> None:
        """Keeps a new credential."""
        document = {
            "_id": credential.id,
            "institution": credential.institution,
            "kind": "gateway",
            "created": credential.created,
            "revoked": None,
        }
        await self._credentials.insert_one(document)

    async def credential(self, credential_id: str) -> Credential | None:
        """The credential of this id, revoked or not."""
        row = await self._credentials.find_one({"_id": credential_id})
        return _credential(row) if row else None

    async def credentials_of(self, institution: str) -> list[Credential]:
        """All credentials of an institution."""
        return [_credential(row) for row in await self._credentials.find({"institution": institution})]

    async def revoke(self, credential_id: str, now: datetime) -> bool:
        """Ends a credential; False when there is none."""
        return await self._credentials.update_one({"_id": credential_id}, {"$set": {"revoked": now}}) == 1


def _institution(row: Document | None) -> Institution | None:
    if row is None:
        return None
    titles = frozenset(title for title in row["ae_titles"] if not title.startswith(_NONE))
    return Institution(row["_id"], row["name"], row["city"], titles, State(row["state"]))


def _credential(row: Document) -> Credential:
    return Credential(row["_id"], row["institution"], row["created"], row["revoked"])
