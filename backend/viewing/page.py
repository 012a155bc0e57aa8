"""The viewer's page: one document with code, manifest and first picture inside, compressed as it goes.

The code never changes between two builds: it is compressed once, with the best effort, as deflate blocks that stand alone (RFC 1951 lets
blocks that refer to nothing before them follow each other), and copied into every answer. What is new in each answer is compressed as it
comes: the manifest with little effort, the picture's base64 by its letters' frequency alone, which brings it back to the picture's size.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.platform.errors import Unavailable

BOOT, MAIN = "src/viewer/boot.ts", "src/viewer/main.ts"
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


class NotBuilt(Unavailable):
    """The front ends were not built."""

    code = "viewer-not-built"
    default_text = "影像查看页面尚未构建。请在项目目录执行 npm ci 与 npm run build 后重试。"


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the page that is the same in every answer."""

    plain: bytes
    deflated: bytes


def part(plain: bytes) -> Part:
    """The piece with its deflate blocks, made once."""
    return Part(plain, _deflate(plain, 9, zlib.Z_DEFAULT_STRATEGY))


@dataclass(frozen=True, slots=True)
class Code:
    """Scripts and styles of the page."""

    boot_css: Part
    boot_js: Part
    main_css: Part
    main_js: Part


class Assets:
    """Reads the built front end; again when it was built anew."""

    def __init__(self, static: Path) -> None:
        """`static`: the folder that Vite builds into."""
        self._static = static
        self._stamp = 0
        self._code: Code | None = None

    def code(self) -> Code:
        """The page's code. Raises `NotBuilt`."""
        manifest = self._static / ".vite" / "manifest.json"
        try:
            stamp = manifest.stat().st_mtime_ns
            if self._code is None or stamp != self._stamp:
                self._code, self._stamp = self._read(json.loads(manifest.read_text())), stamp
        except (OSError, ValueError, KeyError) as error:
            raise NotBuilt from error
        return self._code

    def _read(self, manifest: dict[str, Any]) -> Code:
        boot, main = manifest[BOOT], manifest[MAIN]
        return Code(
            boot_css=self._files(boot.get("css", [])),
            boot_js=self._files([boot["file"]]),
            main_css=self._files(main.get("css", [])),
            main_js=self._files([main["file"]]),
        )

    def _files(self, names: list[str]) -> Part:
        return part(b"".join((self._static / name).read_bytes() for name in names))


class Page:
    """One answer: gives the pieces of the page in order, compressed if the browser reads gzip."""

    def __init__(self, code: Code, nonce: str, *, gzip: bool) -> None:
        self._code, self._nonce, self.gzip = code, nonce.encode(), gzip
        self._checksum, self._length = 0, 0

    def head(self) -> bytes:
        """Everything before the manifest: can be sent while the first picture is made."""
        start = (
            '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1,maximum-scale=1,viewport-fit=cover">'
            '<meta name="theme-color" content="#000000"><title>影像</title><style nonce='
        ).encode()
        piece = self._fresh(start + self._nonce + b">") + self._fixed(self._code.boot_css)
        return (_GZIP_HEAD if self.gzip else b"") + piece

    def data(self, manifest: dict[str, Any], first: dict[str, Any] | None) -> bytes:
        """Manifest, first picture and the code that paints it."""
        before = (
            b'</style></head><body><div id="app"></div><script type="application/json" id="manifest">'
            + _json(manifest)
            + b'</script><script type="application/json" id="first">'
        )
        picture = b"null"
        if first is not None:
            known = {name: value for name, value in first.items() if name != "data"}
            before += _json(known)[:-1] + b',"data":"'
            picture = first["data"].encode()
        after = b'"}' if first is not None else b""
        return b"".join(
            (
                self._fresh(before),
                self._letters(picture),
                self._fresh(after + b"</script><script nonce=" + self._nonce + b">"),
                self._fixed(self._code.boot_js),
            )
        )

    def rest(self) -> bytes:
        """All other code, and the end."""
        pieces = (
            self._fresh(b"</script><style nonce=" + self._nonce + b">"),
            self._fixed(self._code.main_css),
            self._fresh(b'</style><script type="module" nonce=' + self._nonce + b">"),
            self._fixed(self._code.main_js),
            self._fresh(b"</script></body></html>"),
        )
        return b"".join(pieces) + self._end()

    def _fresh(self, plain: bytes) -> bytes:
        return self._add(plain, lambda: _deflate(plain, 5, zlib.Z_DEFAULT_STRATEGY))

    def _letters(self, plain: bytes) -> bytes:
        return self._add(plain, lambda: _deflate(plain, 1, zlib.Z_HUFFMAN_ONLY))

    def _fixed(self, piece: Part) -> bytes:
        return self._add(piece.plain, lambda: piece.deflated)

    def _add(self, plain: bytes, deflated: Any) -> bytes:
        if not self.gzip:
            return plain
        self._checksum = zlib.crc32(plain, self._checksum)
        self._length += len(plain)
        return bytes(deflated())

    def _end(self) -> bytes:
        if not self.gzip:
            return b""
        return b"\x03\x00" + struct.pack("<II", self._checksum, self._length & 0xFFFFFFFF)


def _deflate(plain: bytes, level: int, strategy: int) -> bytes:
    """Deflate blocks that refer to nothing before them, ending on a byte, none of them the last."""
    engine = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
    return engine.compress(plain) + engine.flush(zlib.Z_FULL_FLUSH)


def _json(value: dict[str, Any]) -> bytes:
    """JSON that can stand inside a script element."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c").encode()


def content_security_policy(nonce: str, host: str, *, secure: bool) -> str:
    """The policy of the page; the socket's address is named, since not every browser counts it to 'self'."""
    socket = f"{'wss' if secure else 'ws'}://{host}"
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}' 'self'; style-src 'nonce-{nonce}' 'self'; "
        f"img-src 'self' data: blob:; connect-src 'self' {socket}; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
