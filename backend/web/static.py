"""The built front ends' files: hashed names, compressed at build time, kept by browsers for good. They hold code, never data."""

from __future__ import annotations

import asyncio
import mimetypes
from pathlib import Path

from backend.platform.errors import NotFound

from .handler import Handler
from .router import Route, public

_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))


class StaticHandler(Handler):
    """One file of the build."""

    root: Path

    async def get(self, name: str) -> None:
        """The file in the best encoding that the client takes. The route's pattern keeps the path below the folder."""
        path = self.root / name
        if not path.is_file():
            raise NotFound("页面文件不存在，可能系统刚刚升级，请刷新页面。")
        accepted = {part.split(";")[0].strip() for part in self.request.headers.get("Accept-Encoding", "").split(",")}
        for encoding, ending in _ENCODINGS:
            packed = path.with_name(path.name + ending)
            if encoding in accepted and packed.is_file():
                path = packed
                self.set_header("Content-Encoding", encoding)
                break
        self.set_header("Vary", "Accept-Encoding")
        self.set_header("Cache-Control", "public, max-age=31536000, immutable")
        self.set_header("Content-Type", mimetypes.guess_type(name)[0] or "application/octet-stream")
        self.finish(await asyncio.to_thread(path.read_bytes))


def routes(root: Path) -> list[Route]:
    """`/static/...` below the folder of the built front ends."""
    return [
        Route(
            r"/static/(?P<name>(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*)",
            StaticHandler,
            {"GET": public("program code; holds nothing about persons or exams")},
            {"root": root},
        )
    ]
