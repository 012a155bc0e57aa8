"""Field encryption, blind indexes and keyed hashes.

A field is sealed with AES-256-GCM or SM4-GCM; its associated data names collection, field and record, so that a value cannot be moved to
another record. Each value says which key and which cipher sealed it, so that keys are rotated and ciphers exchanged while old values stay
readable. A blind index is HMAC-SHA-256 under a key of its own: equality can be searched, nothing can be read, and without the key the
small space of phone numbers cannot be tried through.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .errors import YunyingError

FIRST_KEY = "k1"
"""Id of the master key that an installation begins with."""
_NONCE, _TAG = 12, 16


class KeyProblem(YunyingError):
    """A key is missing, malformed, or is not the one that sealed the value."""

    code = "key-problem"
    default_text = "加密密钥不可用，请联系系统管理员。"


@dataclass(frozen=True, slots=True)
class Keys:
    """All keys that are derived from one master key by HKDF with a label each."""

    master: bytes
    key_id: str = FIRST_KEY

    def derive(self, label: str, length: int = 32) -> bytes:
        """`length` bytes bound to `label`."""
        return HKDF(algorithm=hashes.SHA256(), length=length, salt=None, info=f"yunying/{label}".encode()).derive(
            self.master
        )

    def signing_key(self) -> Ed25519PrivateKey:
        """The Ed25519 key that signs tokens."""
        return Ed25519PrivateKey.from_private_bytes(self.derive("tokens"))


class Aead(Protocol):
    """Authenticated encryption; the ciphertext ends with the tag of 16 bytes."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        """Ciphertext and tag."""
        ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        """The plaintext. Raises `InvalidTag`."""
        ...


class Sm4Gcm:
    """SM4 in Galois/Counter Mode (GB/T 32907-2016; RFC 8998) with a 16-byte key, in the shape of `AESGCM`."""

    def __init__(self, key: bytes) -> None:
        self._sm4 = algorithms.SM4(key)

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        """Ciphertext and tag."""
        work = Cipher(self._sm4, modes.GCM(nonce)).encryptor()
        work.authenticate_additional_data(associated_data)
        return work.update(data) + work.finalize() + work.tag

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        """The plaintext. Raises `InvalidTag`."""
        work = Cipher(self._sm4, modes.GCM(nonce, data[-_TAG:])).decryptor()
        work.authenticate_additional_data(associated_data)
        return work.update(data[:-_TAG]) + work.finalize()


AES, SM4 = "aes-256-gcm", "sm4-gcm"
CIPHERS = (AES, SM4)
"""What the setting `field_cipher` offers."""
_MARKS = {AES: "aes", SM4: "sm4"}
_NAMES = {"": AES} | {mark: name for name, mark in _MARKS.items()}


def aead_of(cipher: str, keys: Keys) -> Aead:
    """The cipher under its own key of these: no two ciphers share key bits."""
    return AESGCM(keys.derive("fields")) if cipher == AES else Sm4Gcm(keys.derive("fields/sm4", 16))


class MasterKeys(Protocol):
    """The keys of an installation by id."""

    @property
    def newest(self) -> str:
        """Id of the key that seals."""
        ...

    def key(self, key_id: str) -> bytes | None:
        """The master key of this id, None if it is not held here."""
        ...


class _OneKey:
    def __init__(self, keys: Keys) -> None:
        self._keys, self.newest = keys, keys.key_id

    def key(self, key_id: str) -> bytes | None:
        return self._keys.master if key_id == self.newest else None


class FieldCipher:
    """Seals and opens personal fields, and makes their blind indexes.

    The blind index is made with the first master key for good: it is what links a person's records, it stands in `_id`s, in sessions and
    in shares, so that it cannot be exchanged record by record. Nothing can be read with it.
    """

    def __init__(self, keys: Keys, *, ring: MasterKeys | None = None, cipher: str = AES) -> None:
        """`keys` of the first master key; `ring` holds it and later ones; `cipher` is what new values are sealed with."""
        self._ring: MasterKeys = ring or _OneKey(keys)
        self._cipher = cipher
        self._aeads: dict[tuple[str, str], Aead] = {}
        self._blind = keys.derive("blind")

    def seal(self, text: str, *, collection: str, field: str, record: str) -> bytes:
        """`text` encrypted for exactly this place: key id and cipher, a zero byte, 12 bytes of nonce, ciphertext and tag."""
        key_id, nonce = self._ring.newest, os.urandom(_NONCE)
        body = self._aead(key_id, self._cipher).encrypt(nonce, text.encode(), self._place(collection, field, record))
        return self._head(key_id) + b"\0" + nonce + body

    def open(self, sealed: bytes, *, collection: str, field: str, record: str) -> str:
        """The text that was sealed here, by whichever key and cipher. Raises `KeyProblem` if key, place or content differ."""
        head, _, rest = bytes(sealed).partition(b"\0")
        key_id, _, mark = head.decode("latin-1").partition(".")
        if mark not in _NAMES or len(rest) < _NONCE + _TAG:
            raise KeyProblem
        aead = self._aead(key_id, _NAMES[mark])
        try:
            return aead.decrypt(rest[:_NONCE], rest[_NONCE:], self._place(collection, field, record)).decode()
        except InvalidTag as error:
            raise KeyProblem from error

    def is_current(self, sealed: bytes) -> bool:
        """Whether the newest key and the present cipher sealed this."""
        return bytes(sealed).startswith(self._head(self._ring.newest) + b"\0")

    def blind(self, field: str, value: str) -> str:
        """The blind index of a normalised `value` of `field`: 32 hexadecimal characters (128 bits)."""
        return self._mac(field, value)[:16].hex()

    def token(self, field: str, value: str) -> str:
        """A short blind token (64 bits, 16 hexadecimal characters) for searching parts of names; hits are checked against the opened value."""
        return self._mac(field, value)[:8].hex()

    def _head(self, key_id: str) -> bytes:
        return f"{key_id}.{_MARKS[self._cipher]}".encode()

    def _aead(self, key_id: str, cipher: str) -> Aead:
        aead = self._aeads.get((key_id, cipher))
        if aead is None:
            master = self._ring.key(key_id)
            if master is None:
                raise KeyProblem
            aead = self._aeads[key_id, cipher] = aead_of(cipher, Keys(master, key_id))
        return aead

    def _mac(self, field: str, value: str) -> bytes:
        return hmac.digest(self._blind, f"{field}\0{value}".encode(), hashlib.sha256)

    @staticmethod
    def _place(collection: str, field: str, record: str) -> bytes:
        return f"{collection}|{field}|{record}".encode()


def sealed_by(sealed: bytes) -> tuple[str, str]:
    """(key id, cipher) that a value says it was sealed by."""
    head = bytes(sealed).partition(b"\0")[0].decode("latin-1")
    key_id, _, mark = head.partition(".")
    return key_id, _NAMES.get(mark, mark)
