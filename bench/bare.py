"""What a server costs at least: Tornado with nothing but a look-up table and a JPEG, over HTTP and over a socket; and the floor page.

`python -m bench.bare PORT PIXELS.npy PICTURE.jpg`
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tornado.web
import tornado.websocket
from numpy.typing import NDArray

from .processes import free_port, listening, running

PAGE = b"""<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,\
initial-scale=1"><title>floor</title><style>body{margin:0;background:#000}img{width:100vw}</style></head><body>\
<img id="i" src="/floor.jpg"><script>document.getElementById("i").decode().then(()=>requestAnimationFrame(()=>\
performance.mark("first-image")))</script></body></html>"""


@contextmanager
def bare_server(pixels: Path, picture: Path) -> Iterator[tuple[int, int]]:
    """The server in a process of its own: (port, process id)."""
    port = free_port()
    command = [sys.executable, "-m", "bench.bare", str(port), str(pixels), str(picture)]
    with running(command, ready=lambda: listening(port)) as child:
        yield port, child.pid


_HU = np.arange(65536, dtype=np.float64) - 1024


def table(center: float, width: float) -> NDArray[np.uint8]:
    """The window as a look-up table of unsigned 16 bit stored values of CT (rescale intercept -1024), PS3.3 C.11.2.1.2."""
    levels = _HU * (255 / (width - 1))
    levels += 128 - (center - 0.5) * (255 / (width - 1))
    np.clip(levels, 0, 255, out=levels)
    return levels.astype(np.uint8)


def windowed_jpeg(pixels: NDArray[np.uint16], center: float, width: float, quality: int) -> bytes:
    """The picture: nothing but `table`, cv2.LUT and cv2.imencode."""
    shown = cv2.LUT(pixels, table(center, width))
    return bytes(cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


class _Picture(tornado.web.RequestHandler):
    def initialize(self, pixels: NDArray[np.uint16]) -> None:
        self.pixels = pixels

    def get(self) -> None:
        center, width = (float(v) for v in self.get_argument("window").split(","))
        self.set_header("Content-Type", "image/jpeg")
        self.finish(windowed_jpeg(self.pixels, center, width, 70))


class _Socket(tornado.websocket.WebSocketHandler):
    def initialize(self, pixels: NDArray[np.uint16]) -> None:
        self.pixels = pixels

    def on_message(self, message: str | bytes) -> None:
        center, width = (float(v) for v in str(message).split(","))
        self.write_message(windowed_jpeg(self.pixels, center, width, 85), binary=True)


class _Fixed(tornado.web.RequestHandler):
    def initialize(self, body: bytes, kind: str) -> None:
        self.body, self.kind = body, kind

    def get(self) -> None:
        self.set_header("Content-Type", self.kind)
        self.set_header("Cache-Control", "no-store")
        self.finish(self.body)


async def _main(port: int, pixels: NDArray[np.uint16], picture: bytes) -> None:
    stored: dict[str, Any] = {"pixels": pixels}
    app = tornado.web.Application(
        [
            ("/ct", _Picture, stored),
            ("/ws", _Socket, stored),
            ("/", _Fixed, {"body": PAGE, "kind": "text/html; charset=utf-8"}),
            ("/floor.jpg", _Fixed, {"body": picture, "kind": "image/jpeg"}),
        ]
    )
    app.listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), np.load(sys.argv[2]), Path(sys.argv[3]).read_bytes()))
