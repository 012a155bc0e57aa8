"""The master keys of an installation: one file a key, the first named by the settings, later ones beside it.

`master.key` is k1, `master.key.k2` the next. The newest seals, all open. `master.key.k3.new` is a key that is being handed out to the
machines: it opens already, so that it can be taken into use on one machine after the other, and seals nothing yet.
"""

from __future__ import annotations

import os
import re
import secrets as random_secrets
from pathlib import Path

from .crypto import FIRST_KEY, KeyProblem

_PREPARED = ".new"


def load_master_key(path: Path, *, create: bool) -> bytes:
    """The 32-byte master key kept in `path`; made at first start when `create`, mode 0600. Raises `KeyProblem`."""
    if create and not path.exists():
        _make(path)
    try:
        key = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise KeyProblem(f"主密钥文件无法读取：{path.name}。请恢复该文件的备份。") from error
    if len(key) != 32:
        raise KeyProblem(f"主密钥文件长度不正确：{path.name}。应为 64 个十六进制字符。")
    return key


class KeyRing:
    """All master keys, read again when the folder changes: a running process takes a new key into use by itself."""

    def __init__(self, first: Path) -> None:
        """`first` is the file of k1. Raises `KeyProblem` for a key file that cannot be read."""
        self._first = first
        self._named = re.compile(re.escape(first.name) + r"\.(k([2-9]|[1-9][0-9]{1,3}))(\.new)?")
        self._stamp = -1
        self._keys: dict[str, bytes] = {}
        self._newest = FIRST_KEY
        self._read()

    @property
    def newest(self) -> str:
        """Id of the key that seals."""
        if self._changed():
            self._read()
        return self._newest

    def key(self, key_id: str) -> bytes | None:
        """The master key of this id, None if this machine does not hold it."""
        if key_id not in self._keys:
            # The folder's time may be too coarse to show that a file has just come.
            self._read()
        return self._keys.get(key_id)

    def rotate(self, *, prepare: bool = False) -> str:
        """A fresh key, or the prepared one, in use; with `prepare` only made. Returns its id. Raises `KeyProblem`."""
        files = self._files()
        waiting = [path for path in files.values() if path.name.endswith(_PREPARED)]
        try:
            if waiting and not prepare:
                path = waiting[-1]
                path.rename(path.with_name(path.name.removesuffix(_PREPARED)))
            elif not waiting:
                number = max((int(key_id[1:]) for key_id in files), default=1) + 1
                path = self._first.with_name(f"{self._first.name}.k{number}{_PREPARED if prepare else ''}")
                _make(path)
            else:
                path = waiting[-1]
        except OSError as error:
            text = f"无法在 {self._first.parent} 写入新的主密钥。请把 64 个十六进制字符存为 {self._first.name}.k<编号>，或改用可写的密钥目录。"
            raise KeyProblem(text) from error
        self._read()
        return self._id(path)

    def _changed(self) -> bool:
        """Whether files came or went; one look at the folder, which costs less than sealing a field."""
        try:
            return self._first.parent.stat().st_mtime_ns != self._stamp
        except OSError:
            return False

    def _read(self) -> None:
        self._stamp = self._first.parent.stat().st_mtime_ns if self._first.parent.is_dir() else -1
        keys = {FIRST_KEY: load_master_key(self._first, create=False)}
        newest = FIRST_KEY
        for key_id, path in self._files().items():
            keys[key_id] = load_master_key(path, create=False)
            if not path.name.endswith(_PREPARED):
                newest = key_id
        self._keys, self._newest = keys, newest

    def _files(self) -> dict[str, Path]:
        """Key id -> file of every later key, by rising number."""
        found = [(match, path) for path in self._first.parent.iterdir() if (match := self._named.fullmatch(path.name))]
        return {match[1]: path for match, path in sorted(found, key=lambda each: int(each[0][2]))}

    def _id(self, path: Path) -> str:
        match = self._named.fullmatch(path.name)
        assert match is not None
        return match[1]


def _make(path: Path) -> None:
    """A file with a fresh key, unless another process was first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    fresh.touch(mode=0o600)
    fresh.write_text(random_secrets.token_hex(32))
    try:
        # A link fails if another process was first; then its key is the one.
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
