"""Institutions and their credentials on a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from backend.organisation.model import Institution, State
from backend.organisation.rules import Organisation
from backend.organisation.store import CREDENTIALS, SCHEMAS, OrganisationStore
from backend.platform.clock import ManualClock
from backend.platform.database import Database, Document
from backend.platform.errors import Conflict, Invalid, NotFound
from backend.platform.schema import migrate
from tests.explain import DOCUMENTS, assert_indexed


@pytest.fixture
async def organisation(database: Database) -> AsyncIterator[Organisation]:
    await migrate(database, SCHEMAS)
    yield Organisation(OrganisationStore(database), ManualClock())


async def test_ae_titles_name_one_institution(organisation: Organisation) -> None:
    await organisation.register(Institution("H1", "第一医院", "沈阳", frozenset({"CT1 ", "MR1"})))
    await organisation.register(Institution("H2", "第二医院", "大连"))
    await organisation.register(Institution("H3", "第三医院", "鞍山"))
    found = await organisation.by_ae_title("CT1")
    assert found is not None and found.code == "H1"
    assert await organisation.by_ae_title("CT2") is None
    assert await organisation.by_ae_title("") is None
    with pytest.raises(Conflict):
        await organisation.register(Institution("H2", "第二医院", "大连", frozenset({"CT1"})))
    await organisation.register(Institution("H1", "第一医院", "沈阳", frozenset({"CT1"}), State.SUSPENDED))
    assert await organisation.by_ae_title("CT1") is None
    assert [i.code for i in await organisation.all()] == ["H1", "H2", "H3"]


@pytest.mark.parametrize("code", ["", "a/b", "中", "x" * 33, "-a"])
async def test_codes_stay_safe_in_keys(organisation: Organisation, code: str) -> None:
    with pytest.raises(Invalid):
        await organisation.register(Institution(code, "某医院"))


@pytest.mark.parametrize("title", ["", "A\\B", "x" * 17, "CT\n"])
async def test_ae_titles_are_titles(organisation: Organisation, title: str) -> None:
    if title == "CT\n":
        title = "C\nT"
    with pytest.raises(Invalid):
        await organisation.register(Institution("H1", "某医院", "", frozenset({title})))


async def test_credentials_are_kept_as_hashes_and_end_when_revoked(
    organisation: Organisation, database: Database
) -> None:
    await organisation.register(Institution("H1", "第一医院"))
    token = await organisation.issue_gateway_token("H1")
    assert await organisation.institution_of(token) == "H1"
    assert await organisation.institution_of(token[:-1]) is None
    assert token not in str(await database.collection(CREDENTIALS).find({}))
    (credential,) = await organisation.credentials_of("H1")
    await organisation.revoke(credential.id)
    assert await organisation.by_gateway_secret(token) is None
    with pytest.raises(NotFound):
        await organisation.issue_gateway_token("H9")
    with pytest.raises(NotFound):
        await organisation.revoke("0" * 64)


def _institutions() -> Iterator[Document]:
    for n in range(DOCUMENTS):
        yield {"_id": f"H{n}", "name": "医院", "city": "", "state": "active", "ae_titles": [f"CT{n}"]}


def _credentials() -> Iterator[Document]:
    for n in range(DOCUMENTS):
        yield {"_id": f"{n:064x}", "institution": f"H{n}", "kind": "gateway", "created": None, "revoked": None}


@pytest.mark.parametrize(("schema", "seed"), zip(SCHEMAS, (_institutions, _credentials), strict=True))
async def test_queries_use_indexes(database: Database, schema, seed) -> None:
    await assert_indexed(database, schema, list(schema.queries.values()), seed())
