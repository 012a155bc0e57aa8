"""Field encryption, blind indexes and keyed hashes.

A field is sealed with AES-256-GCM; its associated data names collection, field and record, so that a value cannot be moved to another record.
Each value carries the id of its key, so keys can be rotated. A blind index is HMAC-SHA-256 under a key of its own: equality can be
searched, nothing can be read, and without the key the small space of phone numbers cannot be tried through.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets as random_secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .errors import YunyingError

_KEY_FILE = "master.key"


class KeyProblem(YunyingError):
    """A key is missing, malformed, or is not the one that sealed the value."""

    code = "key-problem"
    default_text = "加密密钥不可用，请联系系统管理员。"


def load_master_key(path: Path, *, create: bool) -> bytes:
    """The 32-byte master key kept in `path`; made at first start when `create`, mode 0600. Raises `KeyProblem`."""
    if create and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}.tmp")
        fresh.touch(mode=0o600)
        fresh.write_text(random_secrets.token_hex(32))
        try:
            # A link fails if another process was first; then its key is the one.
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    try:
        key = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise KeyProblem(f"主密钥文件无法读取：{path.name}。请恢复该文件的备份。") from error
    if len(key) != 32:
        raise KeyProblem(f"主密钥文件长度不正确：{path.name}。应为 64 个十六进制字符。")
    return key


@dataclass(frozen=True, slots=True)
class Keys:
    """All keys of one installation, derived from one master key by HKDF with a label each."""

    master: bytes
    key_id: str = "k1"

    def derive(self, label: str, length: int = 32) -> bytes:
        """`length` bytes bound to `label`."""
        return HKDF(algorithm=hashes.SHA256(), length=length, salt=None, info=f"yunying/{label}".encode()).derive(
            self.master
        )

    def signing_key(self) -> Ed25519PrivateKey:
        """The Ed25519 key that signs tokens."""
        return Ed25519PrivateKey.from_private_bytes(self.derive("tokens"))


class FieldCipher:
    """Seals and opens personal fields, and makes their blind indexes."""

    def __init__(self, keys: Keys) -> None:
        self._key_id = keys.key_id.encode()
        self._aead = AESGCM(keys.derive("fields"))
        self._blind = keys.derive("blind")

    def seal(self, text: str, *, collection: str, field: str, record: str) -> bytes:
        """`text` encrypted for exactly this place: key id, a zero byte, 12 bytes of nonce, ciphertext and tag."""
        nonce = os.urandom(12)
        body = self._aead.encrypt(nonce, text.encode(), self._place(collection, field, record))
        return self._key_id + b"\0" + nonce + body

    def open(self, sealed: bytes, *, collection: str, field: str, record: str) -> str:
        """The text that was sealed here. Raises `KeyProblem` if key, place or content differ."""
        key_id, _, rest = bytes(sealed).partition(b"\0")
        if key_id != self._key_id or len(rest) < 28:
            raise KeyProblem
        try:
            return self._aead.decrypt(rest[:12], rest[12:], self._place(collection, field, record)).decode()
        except InvalidTag as error:
            raise KeyProblem from error

    def blind(self, field: str, value: str) -> str:
        """The blind index of a normalised `value` of `field`: 32 hexadecimal characters (128 bits)."""
        return self._mac(field, value)[:16].hex()

    def token(self, field: str, value: str) -> str:
        """A short blind token (64 bits, 16 hexadecimal characters) for searching parts of names; hits are checked against the opened value."""
        return self._mac(field, value)[:8].hex()

    def _mac(self, field: str, value: str) -> bytes:
        return hmac.digest(self._blind, f"{field}\0{value}".encode(), hashlib.sha256)

    @staticmethod
    def _place(collection: str, field: str, record: str) -> bytes:
        return f"{collection}|{field}|{record}".encode()
