"""Hospitals' records: what makes two records one person, what proves it, what is sealed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.platform.database import Database
from tests.identity.house import ZHANG, House


async def test_one_person_at_two_hospitals(house: House) -> None:
    one = await house.people.record(None, ZHANG)
    two = await house.people.record(None, replace(ZHANG, institution="h2", patient_id="X9", phone="13800000002"))
    assert one == two != ""
    blind = house.people.blind_phone("13800000002")
    assert await house.people.proved_by(blind, "zhang xiaoming", "002x") == {one}


async def test_number_that_is_none_names_nobody_elsewhere(house: House) -> None:
    one = await house.people.record(None, replace(ZHANG, id_number="110105194912310021"))
    two = await house.people.record(None, replace(ZHANG, institution="h2", id_number="110105194912310021"))
    assert one != two and one and two
    assert await house.people.proved_by(house.people.blind_phone(ZHANG.phone), "张小明", "0021") == frozenset()


async def test_shared_patient_id_does_not_mix_persons(house: House) -> None:
    """A hospital that gives everybody the Patient ID UNKNOWN."""
    zhang = await house.people.record(None, replace(ZHANG, patient_id="UNKNOWN"))
    nobody = await house.people.record(None, replace(ZHANG, patient_id="UNKNOWN", id_number="", names=("李四",)))
    other = await house.people.record(
        None, replace(ZHANG, patient_id="UNKNOWN", id_number="440524188001010014", names=("王五",))
    )
    assert len({zhang, nobody, other}) == 3
    blind = house.people.blind_phone(ZHANG.phone)
    assert await house.people.proved_by(blind, "张小明", "002X") == {zhang}
    assert await house.people.proved_by(blind, "王五", "0014") == {other}
    assert await house.people.proved_by(blind, "王五", "002X") == frozenset()


async def test_family_on_one_phone(house: House) -> None:
    await house.people.record(None, ZHANG)
    child = await house.people.record(
        None, replace(ZHANG, patient_id="P002", id_number="440524188001010014", names=("张小小",))
    )
    blind = house.people.blind_phone(ZHANG.phone)
    assert await house.people.proved_by(blind, "张小小", "0014") == {child}


async def test_later_record_keeps_what_it_does_not_say(house: House) -> None:
    person = await house.people.record(None, ZHANG)
    await house.people.record(None, replace(ZHANG, phone="", names=("张晓明",)))
    blind = house.people.blind_phone(ZHANG.phone)
    assert await house.people.proved_by(blind, "张晓明", "002X") == {person}
    assert await house.people.proved_by(blind, "张小明", "002X") == frozenset()


async def test_person_without_any_identifier_has_no_key(house: House) -> None:
    assert await house.people.record(None, replace(ZHANG, patient_id=" ", id_number="")) == ""


@pytest.mark.parametrize(("name", "last"), [("", "002X"), ("^", "002X"), ("张小明", ""), ("张小明", "02X")])
async def test_half_a_proof_is_none(house: House, name: str, last: str) -> None:
    await house.people.record(None, ZHANG)
    assert await house.people.proved_by(house.people.blind_phone(ZHANG.phone), name, last) == frozenset()


async def test_nothing_readable_is_stored(house: House, database: Database) -> None:
    await house.people.record(None, ZHANG)
    (row,) = await database.collection("patients").find({})
    for secret in (*ZHANG.names, ZHANG.id_number, ZHANG.phone, ZHANG.patient_id, "002X"):
        assert secret not in str(row) and secret.encode() not in b"".join(
            v for v in row.values() if isinstance(v, bytes)
        )


async def test_record_is_part_of_the_callers_transaction(house: House, database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.transaction() as transaction:
            await house.people.record(transaction, ZHANG)
            raise RuntimeError
    assert await database.collection("patients").count({}) == 0
