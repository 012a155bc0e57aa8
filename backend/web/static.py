"""Built front ends under `/static/`: names carry their content's hash, so they may be kept for ever; compressed by the build, not here."""

from __future__ import annotations

import asyncio
import mimetypes
from pathlib import Path

from backend.platform.errors import NotFound

from .handler import Handler
from .router import Route, public

_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


class StaticHandler(Handler):
    """A file of the build."""

    folder: Path

    async def get(self, name: str) -> None:
        """The file, in the best encoding that the browser takes. Names have no dot at a beginning, so none leads elsewhere."""
        path = self.folder / name
        for encoding, suffix in _ENCODINGS:
            packed = path.with_name(path.name + suffix)
            if encoding in self.request.headers.get("Accept-Encoding", "") and packed.is_file():
                self.set_header("Content-Encoding", encoding)
                path = packed
                break
        try:
            content = await asyncio.to_thread(path.read_bytes)
        except OSError:
            raise NotFound("没有这个文件。页面可能已更新，请刷新后再试。") from None
        kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        self.set_header("Content-Type", kind)
        self.set_header("Cache-Control", "public, max-age=31536000, immutable")
        self.set_header("Vary", "Accept-Encoding")
        self.finish(content)


def routes(folder: Path) -> list[Route]:
    """`/static/...` out of the folder that the front ends were built into."""
    why = public("code and pictures of the pages; the same for everybody")
    name = r"(?P<name>(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*)"
    return [Route(rf"/static/{name}", StaticHandler, {"GET": why}, {"folder": folder})]
