"""Who may send: institutions by AE title and by upload credential."""

from __future__ import annotations

import hashlib
import re

from backend.platform.clock import Clock
from backend.platform.errors import Conflict, Invalid, NotFound
from backend.platform.ids import secret

from .model import Credential, Institution, State
from .store import OrganisationStore

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}")
# PS3.5 6.2: the default character repertoire without backslash and control characters, at most 16, not only spaces.
_AE_TITLE = re.compile(r"[\x20-\x5b\x5d-\x7e]{1,16}")


class Organisation:
    """The institutions of the province and their credentials."""

    def __init__(self, store: OrganisationStore, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def register(self, institution: Institution) -> Institution:
        """Adds an institution or changes the one of the same code; as it is kept.

        Raises Invalid for a code or AE title that is none, Conflict for an AE title that belongs to another institution.
        """
        if not _CODE.fullmatch(institution.code):
            raise Invalid("机构代码只能由字母、数字和连字符组成，最长 32 个字符。", code="bad-code")
        titles = frozenset(title.strip() for title in institution.ae_titles)
        if not all(_AE_TITLE.fullmatch(title) for title in titles):
            raise Invalid("AE 标题应为 1 至 16 个 ASCII 字符，不含反斜杠。", code="bad-ae-title")
        kept = Institution(
            institution.code, institution.name.strip(), institution.city.strip(), titles, institution.state
        )
        if not await self._store.put(kept):
            raise Conflict("其中一个 AE 标题已属于其他机构，请更换后再保存。", code="ae-title-taken")
        return kept

    async def get(self, code: str) -> Institution:
        """The institution of this code. Raises NotFound."""
        found = await self._store.institution(code)
        if found is None:
            raise NotFound("没有这个机构，请核对机构代码。")
        return found

    async def all(self) -> list[Institution]:
        """All institutions, by code."""
        return await self._store.institutions()

    async def by_ae_title(self, title: str) -> Institution | None:
        """The active institution whose devices call with this title; None for a stranger, who must be turned away."""
        title = title.strip()
        found = await self._store.by_ae_title(title) if title else None
        return found if found is not None and found.state is State.ACTIVE else None

    async def issue_gateway_token(self, code: str) -> str:
        """A new upload credential of an institution: its secret, which is shown this once and kept nowhere. Raises NotFound."""
        institution = await self.get(code)
        fresh = secret()
        await self._store.add_credential(Credential(credential_id(fresh), institution.code, self._clock.now()))
        return fresh

    async def by_gateway_secret(self, given: str) -> Institution | None:
        """The active institution that holds this credential; None if there is none or it was revoked."""
        credential = await self._store.credential(credential_id(given))
        if credential is None or credential.revoked is not None:
            return None
        found = await self._store.institution(credential.institution)
        return found if found is not None and found.state is State.ACTIVE else None

    async def institution_of(self, secret: str) -> str | None:
        """Code of the institution that holds this credential, for the authenticator."""
        found = await self.by_gateway_secret(secret)
        return found.code if found else None

    async def credentials_of(self, code: str) -> list[Credential]:
        """All credentials of an institution, revoked ones included."""
        return await self._store.credentials_of(code)

    async def revoke(self, credential_id: str) -> None:
        """Ends a credential at once. Raises NotFound."""
        if not await self._store.revoke(credential_id, self._clock.now()):
            raise NotFound("没有这个上传凭证。")


def credential_id(given: str) -> str:
    """What is kept of a secret. It is random and long, so that a plain hash tells nothing."""
    return hashlib.sha256(given.encode()).hexdigest()
