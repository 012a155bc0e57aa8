"""Bodies of multipart/related (PS3.18 8.6.1.2), written piece by piece at the pace of the reader."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass

from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from backend.platform.errors import NotFound, YunyingError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """One part, or the whole of a single-part body."""

    content_type: str
    body: bytes | AsyncIterator[bytes]
    location: str = ""
    """URL of the resource that the part represents."""
    size: int | None = None
    """Bytes of the body, where known before it is read."""


async def send_parts(handler: RequestHandler, media: str, parts: AsyncGenerator[Part, None]) -> None:
    """Sends all parts. Nothing is sent before the first one could be made, so that its errors can still be told.

    Waits for the reader after each piece: memory stays that of one piece. Raises `NotFound` if there is no part at all.
    """
    first = await anext(parts, None)
    if first is None:
        raise NotFound
    boundary = secrets.token_hex(16)
    handler.set_header("Content-Type", f'multipart/related; type="{media}"; boundary={boundary}')
    with cut_if_begun(handler):
        async with aclosing(parts):
            await _send(handler, first, boundary)
            async for part in parts:
                await _send(handler, part, boundary)
        await handler.finish(f"--{boundary}--\r\n")


async def send_single(handler: RequestHandler, part: Part) -> None:
    """Sends one part as the body itself."""
    handler.set_header("Content-Type", part.content_type)
    if part.location:
        handler.set_header("Content-Location", part.location)
    if part.size is not None:
        handler.set_header("Content-Length", str(part.size))
    with cut_if_begun(handler):
        await _content(handler, part.body)
        await handler.finish()


@contextmanager
def cut_if_begun(handler: RequestHandler) -> Iterator[None]:
    """Ends a body that cannot be finished by cutting the connection: a proper end would tell the reader that it has everything.

    An error before the first byte goes on to be told; a reader that went away is nobody's error.
    """
    try:
        yield
    except StreamClosedError:
        return
    except Exception as error:
        if not handler._headers_written:
            raise
        code = error.code if isinstance(error, YunyingError) else type(error).__name__
        log.warning("a body was cut: %s", code)
        handler.detach().close()


async def _send(handler: RequestHandler, part: Part, boundary: str) -> None:
    lines = [f"--{boundary}", f"Content-Type: {part.content_type}"]
    size = len(part.body) if isinstance(part.body, bytes) else part.size
    if size is not None:
        lines.append(f"Content-Length: {size}")
    if part.location:
        lines.append(f"Content-Location: {part.location}")
    handler.write("\r\n".join(lines) + "\r\n\r\n")
    await _content(handler, part.body)
    handler.write("\r\n")


async def _content(handler: RequestHandler, body: bytes | AsyncIterator[bytes]) -> None:
    if isinstance(body, bytes):
        handler.write(body)
        await handler.flush()
        return
    async for piece in body:
        handler.write(piece)
        await handler.flush()
