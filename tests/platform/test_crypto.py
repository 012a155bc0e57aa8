"""Sealed fields open only where they were sealed, by whichever cipher and key; blind indexes are equal for equal values and keyed."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backend.platform.crypto import AES, CIPHERS, SM4, FieldCipher, KeyProblem, Keys, Sm4Gcm, aead_of, sealed_by
from backend.platform.keyring import KeyRing, load_master_key

PLACE = {"collection": "patients", "field": "name", "record": "r1"}
FIRST = Keys(b"\1" * 32)


@pytest.fixture(params=CIPHERS)
def cipher(request: pytest.FixtureRequest) -> FieldCipher:
    return FieldCipher(FIRST, cipher=request.param)


def test_aes_256_gcm_gives_the_known_answer() -> None:
    """Test case 16 of the GCM specification (McGrew and Viega)."""
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
    nonce, aad = bytes.fromhex("cafebabefacedbaddecaf888"), bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    plain = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    sealed = bytes.fromhex(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        "76fc6ece0f4e1768cddf8853bb2d551b"
    )
    assert AESGCM(key).encrypt(nonce, plain, aad) == sealed
    assert AESGCM(key).decrypt(nonce, sealed, aad) == plain


def test_sm4_gcm_gives_the_known_answer() -> None:
    """RFC 8998, appendix A.1."""
    work = Sm4Gcm(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
    nonce, aad = bytes.fromhex("00001234567800000000ABCD"), bytes.fromhex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2")
    plain = bytes.fromhex("".join(letter * 16 for letter in "ABCDEFEA"))
    sealed = bytes.fromhex(
        "17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735"
        "D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D"
        "83DE3541E4C2B58177E065A9BF7B62EC"
    )
    assert work.encrypt(nonce, plain, aad) == sealed
    assert work.decrypt(nonce, sealed, aad) == plain


def test_round_trip_and_fresh_nonces(cipher: FieldCipher) -> None:
    first, second = cipher.seal("欧阳䶮", **PLACE), cipher.seal("欧阳䶮", **PLACE)
    assert first != second
    assert cipher.open(first, **PLACE) == cipher.open(second, **PLACE) == "欧阳䶮"
    assert "欧阳䶮".encode() not in first
    assert cipher.is_current(first)


@pytest.mark.parametrize("other", [{"collection": "exams"}, {"field": "phone"}, {"record": "r2"}])
def test_a_value_moved_elsewhere_does_not_open(cipher: FieldCipher, other: dict[str, str]) -> None:
    sealed = cipher.seal("13800000000", **PLACE)
    with pytest.raises(KeyProblem):
        cipher.open(sealed, **{**PLACE, **other})


def test_a_changed_value_or_another_key_does_not_open(cipher: FieldCipher) -> None:
    sealed = cipher.seal("13800000000", **PLACE)
    with pytest.raises(KeyProblem):
        FieldCipher(Keys(b"\2" * 32)).open(sealed, **PLACE)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(KeyProblem):
            cipher.open(bytes(changed), **PLACE)
    for broken in (b"", b"\0", b"k1\0short", sealed[:-17], b"k9.aes" + sealed[6:], b"k1.des" + sealed[6:]):
        with pytest.raises(KeyProblem):
            cipher.open(broken, **PLACE)


def test_both_ciphers_are_read_side_by_side() -> None:
    aes, sm4 = FieldCipher(FIRST, cipher=AES), FieldCipher(FIRST, cipher=SM4)
    old, new = aes.seal("张小明", **PLACE), sm4.seal("张小明", **PLACE)
    assert (sealed_by(old), sealed_by(new)) == (("k1", AES), ("k1", SM4))
    assert sm4.open(old, **PLACE) == aes.open(new, **PLACE) == "张小明"
    assert sm4.is_current(new) and not sm4.is_current(old)
    # The other cipher's name on a value opens nothing.
    with pytest.raises(KeyProblem):
        aes.open(b"k1.sm4" + old[6:], **PLACE)


def test_values_of_before_ciphers_were_named_still_open(cipher: FieldCipher) -> None:
    """As this program wrote them at first: key id, zero byte, nonce, AES-256-GCM under the label `fields`."""
    body = AESGCM(FIRST.derive("fields")).encrypt(b"n" * 12, "张小明".encode(), b"patients|name|r1")
    sealed = b"k1\0" + b"n" * 12 + body
    assert cipher.open(sealed, **PLACE) == "张小明"
    assert sealed_by(sealed) == ("k1", AES) and not cipher.is_current(sealed)


def test_no_two_ciphers_or_keys_share_key_bits() -> None:
    assert FIRST.derive("fields")[:16] != FIRST.derive("fields/sm4", 16)
    assert isinstance(aead_of(SM4, FIRST), Sm4Gcm)


def test_blind_indexes_need_the_key() -> None:
    cipher = FieldCipher(FIRST)
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


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    load_master_key(tmp_path / "keys" / "master.key", create=True)
    return tmp_path / "keys" / "master.key"


def ringed(key_file: Path) -> FieldCipher:
    return FieldCipher(Keys(load_master_key(key_file, create=False)), ring=KeyRing(key_file))


def test_a_new_key_seals_and_old_values_still_open_in_running_processes(key_file: Path) -> None:
    running, elsewhere = ringed(key_file), ringed(key_file)
    old, blind = running.seal("张小明", **PLACE), running.blind("phone", "1")
    assert KeyRing(key_file).rotate() == "k2"
    assert stat.S_IMODE(key_file.with_name("master.key.k2").stat().st_mode) == 0o600
    new = running.seal("张小明", **PLACE)
    assert (sealed_by(old)[0], sealed_by(new)[0]) == ("k1", "k2")
    assert elsewhere.open(new, **PLACE) == elsewhere.open(old, **PLACE) == "张小明"
    assert not running.is_current(old) and running.is_current(new)
    # What links a person's records stays as it is.
    assert running.blind("phone", "1") == blind == ringed(key_file).blind("phone", "1")
    assert [KeyRing(key_file).rotate() for _ in range(9)][-1] == "k11"
    assert sealed_by(running.seal("", **PLACE))[0] == "k11"


def test_a_prepared_key_opens_and_seals_nothing_until_it_is_taken_into_use(key_file: Path) -> None:
    assert KeyRing(key_file).rotate(prepare=True) == "k2"
    assert KeyRing(key_file).rotate(prepare=True) == "k2"
    here = ringed(key_file)
    assert sealed_by(here.seal("", **PLACE))[0] == "k1"
    there = key_file.parent.with_name("there")
    there.mkdir()
    for file in key_file.parent.iterdir():
        (there / file.name).write_bytes(file.read_bytes())
    assert KeyRing(there / "master.key").rotate() == "k2"
    assert here.open(ringed(there / "master.key").seal("张小明", **PLACE), **PLACE) == "张小明"
    assert sealed_by(here.seal("", **PLACE))[0] == "k1"


def test_a_broken_later_key_is_named(key_file: Path) -> None:
    key_file.with_name("master.key.k2").write_text("00")
    with pytest.raises(KeyProblem, match=r"master\.key\.k2"):
        KeyRing(key_file)


def test_a_key_that_is_lost_opens_nothing(key_file: Path) -> None:
    KeyRing(key_file).rotate()
    sealed = ringed(key_file).seal("张小明", **PLACE)
    key_file.with_name("master.key.k2").unlink()
    with pytest.raises(KeyProblem):
        ringed(key_file).open(sealed, **PLACE)
