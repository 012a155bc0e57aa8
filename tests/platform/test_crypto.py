"""Sealed fields open only where they were sealed; blind indexes are equal for equal values and keyed."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from backend.platform.crypto import FieldCipher, KeyProblem, Keys, load_master_key

PLACE = {"collection": "patients", "field": "name", "record": "r1"}


@pytest.fixture
def cipher() -> FieldCipher:
    return FieldCipher(Keys(b"\1" * 32))


def test_round_trip_and_fresh_nonces(cipher: FieldCipher) -> None:
    first, second = cipher.seal("欧阳䶮", **PLACE), cipher.seal("欧阳䶮", **PLACE)
    assert first != second
    assert cipher.open(first, **PLACE) == cipher.open(second, **PLACE) == "欧阳䶮"
    assert "欧阳䶮".encode() not in first


@pytest.mark.parametrize("other", [{"collection": "exams"}, {"field": "phone"}, {"record": "r2"}])
def test_a_value_moved_elsewhere_does_not_open(cipher: FieldCipher, other: dict[str, str]) -> None:
    sealed = cipher.seal("13800000000", **PLACE)
    with pytest.raises(KeyProblem):
        cipher.open(sealed, **{**PLACE, **other})


def test_a_changed_value_or_another_key_does_not_open(cipher: FieldCipher) -> None:
    sealed = bytearray(cipher.seal("13800000000", **PLACE))
    with pytest.raises(KeyProblem):
        FieldCipher(Keys(b"\2" * 32)).open(bytes(sealed), **PLACE)
    sealed[-1] ^= 1
    with pytest.raises(KeyProblem):
        cipher.open(bytes(sealed), **PLACE)
    with pytest.raises(KeyProblem):
        cipher.open(b"", **PLACE)


def test_blind_indexes_need_the_key(cipher: FieldCipher) -> None:
    assert cipher.blind("phone", "13800000000") == cipher.blind("phone", "13800000000")
    assert cipher.blind("phone", "13800000000") != cipher.blind("id_number", "13800000000")
    assert cipher.blind("phone", "13800000000") != FieldCipher(Keys(b"\2" * 32)).blind("phone", "13800000000")


def test_the_master_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"
    key = load_master_key(path, create=True)
    assert load_master_key(path, create=True) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("not a key")
    with pytest.raises(KeyProblem, match=r"master\.key"):
        load_master_key(path, create=False)
