"""S1 to S3: CPU time of the server for one picture, against Orthanc and against a bare loop in the same run."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import tornado.websocket

from .client import Client
from .figures import Figures
from .orthanc import Orthanc
from .processes import cpu_seconds
from .product import Product
from .stream import parse

FRAME = 50
"""Frame of the CT that S1 looks at."""


def window_of(index: int) -> tuple[int, int]:
    """Another window for each request, as a finger drags it: no server can have the picture ready."""
    return -700 + index % 199, 1400 + index % 211


@dataclass(frozen=True, slots=True)
class Picture:
    """One image as DICOMweb names it."""

    study: str
    series: str
    instance: str

    @property
    def path(self) -> str:
        """Its resource."""
        return f"/dicom-web/studies/{self.study}/series/{self.series}/instances/{self.instance}"


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU and elapsed time of one request, milliseconds, and bytes of one answer."""

    cpu_ms: float
    wall_ms: float
    size: float


def measured(pid: int, count: int, one: Callable[[int], int]) -> Cost:
    """The cost of `one(index)` (which returns the answer's bytes) to process `pid`, over `count` calls after a few to warm up."""
    for index in range(min(count, 16)):
        one(count + index)
    cpu, wall, size = cpu_seconds(pid), time.perf_counter(), 0
    for index in range(count):
        size += one(index)
    return Cost(1000 * (cpu_seconds(pid) - cpu) / count, 1000 * (time.perf_counter() - wall) / count, size / count)


def rendered(client: Client, picture: Picture, *, viewport: int = 0) -> Callable[[int], int]:
    """WADO-RS rendered, another window each time; the same request for both servers."""

    def one(index: int) -> int:
        center, width = window_of(index)
        query = f"?window={center},{width},linear&quality=70" + (f"&viewport={viewport},{viewport}" if viewport else "")
        return len(client.call("GET", f"{picture.path}/rendered{query}", headers={"Accept": "image/jpeg"}))

    return one


def own_picture(client: Client, exam: str, frame: int | None = None, *, fit: str = "") -> Callable[[int], int]:
    """The product's own route; `frame` None: another frame each time."""

    def one(index: int) -> int:
        center, width = window_of(index)
        number = index if frame is None else frame
        query = f"window={center},{width}&format=jpeg&quality=70" + (f"&fit={fit}" if fit else "")
        return len(client.call("GET", f"/api/v1/exams/{exam}/series/0/frames/{number}/picture?{query}"))

    return one


def s1(
    figures: Figures,
    product: Product,
    peer: Orthanc | None,
    bare: tuple[int, int],
    exam: str,
    picture: Picture,
    count: int,
) -> None:
    """A CT frame in memory, window given."""
    pid = product.pid_of("serve")
    with product.staff() as client, Client(bare[0]) as floor:
        ours = {
            "own route": measured(pid, count, own_picture(client, exam, FRAME)),
            "dicomweb": measured(pid, count, rendered(client, picture)),
        }
        floor_cost = measured(bare[1], count, _bare(floor))
    ours["socket"] = asyncio.run(_over_socket(product, exam, pid, count))
    bare_socket = asyncio.run(_over_bare_socket(bare, count))
    theirs = _peer(peer, picture, count)
    for name, cost in ours.items():
        base = bare_socket if name == "socket" else floor_cost
        limit = 1 / 4 if name == "socket" else 1 / 3
        to_peer = cost.cpu_ms / theirs.cpu_ms if theirs else None
        to_bare = cost.cpu_ms / base.cpu_ms
        figures.tell(
            "S1", f"CT frame in memory, {name}", cpu_ms=cost.cpu_ms, wall_ms=cost.wall_ms, bytes=cost.size,
            peer_bytes=theirs.size if theirs else None,
            bare_ms=base.cpu_ms, peer_ms=theirs.cpu_ms if theirs else None, to_bare=to_bare, to_peer=to_peer,
            limit=f"peer {limit:.2f}" + ("" if name == "socket" else ", bare 1.5"),
            met=(to_peer is None or to_peer <= limit) and (name == "socket" or to_bare <= 1.5),
        )  # fmt: skip


def s2(
    figures: Figures, product: Product, peer: Orthanc | None, exams: dict[str, tuple[str, Picture]], count: int
) -> None:
    """A radiograph and a mammogram fitted to 1080 pixels."""
    pid = product.pid_of("serve")
    for name, limit in (("radiograph", 1 / 8), ("mammogram", 1 / 25)):
        if name not in exams:
            continue
        exam, picture = exams[name]
        with product.staff() as client:
            fit = _fitted(client, exam, 1080)
            ours = measured(pid, count, own_picture(client, exam, 0, fit=fit))
            web = measured(pid, count, rendered(client, picture, viewport=1080))
        theirs = _peer(peer, picture, max(10, count // 8), viewport=1080)
        ratio = ours.cpu_ms / theirs.cpu_ms if theirs else None
        figures.tell(
            "S2", f"{name} fitted to 1080", cpu_ms=ours.cpu_ms, dicomweb_ms=web.cpu_ms, bytes=ours.size,
            peer_ms=theirs.cpu_ms if theirs else None, to_peer=ratio, limit=limit, met=ratio is None or ratio <= limit,
        )  # fmt: skip


def s3(figures: Figures, product: Product, peer: Orthanc | None, exams: dict[str, tuple[str, list[Picture]]]) -> None:
    """CT frames that are not in memory: each is asked for once."""
    pid = product.pid_of("serve")
    for name, limit in (("uncompressed", 1.0), ("jpeg2000", 1 / 6)):
        if name not in exams:
            continue
        exam, pictures = exams[name]
        with product.staff() as client:
            ours = _once(pid, len(pictures), own_picture(client, exam))
        theirs = None
        if peer:
            with peer.client() as client:
                calls = [rendered(client, picture) for picture in pictures]
                theirs = _once(peer.pid, len(pictures), lambda index, calls=calls: calls[index](index))  # type: ignore[misc]
        ratio = ours.cpu_ms / theirs.cpu_ms if theirs else None
        figures.tell(
            "S3", f"CT frame not in memory, arrived {name}", cpu_ms=ours.cpu_ms, wall_ms=ours.wall_ms,
            peer_ms=theirs.cpu_ms if theirs else None, to_peer=ratio, limit=limit, met=ratio is None or ratio <= limit,
        )  # fmt: skip


def _once(pid: int, count: int, one: Callable[[int], int]) -> Cost:
    cpu, wall, size = cpu_seconds(pid), time.perf_counter(), sum(one(index) for index in range(count))
    elapsed = time.perf_counter() - wall
    return Cost(1000 * (cpu_seconds(pid) - cpu) / count, 1000 * elapsed / count, size / count)


def _peer(peer: Orthanc | None, picture: Picture, count: int, *, viewport: int = 0) -> Cost | None:
    if peer is None:
        return None
    with peer.client() as client:
        return measured(peer.pid, count, rendered(client, picture, viewport=viewport))


def _bare(client: Client) -> Callable[[int], int]:
    def one(index: int) -> int:
        center, width = window_of(index)
        return len(client.call("GET", f"/ct?window={center},{width}"))

    return one


def _fitted(client: Client, exam: str, side: int) -> str:
    entry = client.json("GET", f"/api/v1/exams/{exam}/manifest")["series"][0]
    scale = min(1.0, side / entry["rows"], side / entry["columns"])
    return f"{round(entry['columns'] * scale)},{round(entry['rows'] * scale)}"


async def _over_socket(product: Product, exam: str, pid: int, count: int) -> Cost:
    """One frame, another window with each view, over the viewers' socket with nothing fetched ahead."""
    with product.staff() as client:
        manifest = client.json("GET", f"/api/v1/exams/{exam}/manifest")
    entry = manifest["series"][0]
    socket = await _connected(f"ws://127.0.0.1:{product.port}/stream")
    opening = {"t": "open", "ticket": manifest["ticket"], "v": 1, "keep": 0, "have": None}
    await socket.write_message(json.dumps(opening))
    received, size, cpu, wall = 0, 0, 0.0, 0.0
    warm = 32
    for seq in range(1, count + warm + 1):
        window = window_of(seq)
        if seq == warm + 1:
            cpu, wall, size = cpu_seconds(pid), time.perf_counter(), 0
        view = {
            "t": "view", "seq": seq, "series": 0, "frame": FRAME, "window": window, "tiles": None, "moving": True,
            "dir": 0, "have": 0, "fit": [entry["columns"], entry["rows"]],
        }  # fmt: skip
        await socket.write_message(json.dumps(view))
        shown = False
        while not shown:
            message = await socket.read_message()
            if message is None:
                raise RuntimeError(f"the stream was closed: {socket.close_code} {socket.close_reason}")
            if isinstance(message, bytes):
                received += len(message)
                await socket.write_message(json.dumps({"t": "ack", "n": received}))
                shown, size = _shows(message, window), size + len(message)
    cost = Cost(1000 * (cpu_seconds(pid) - cpu) / count, 1000 * (time.perf_counter() - wall) / count, size / count)
    socket.close()
    return cost


async def _connected(url: str) -> tornado.websocket.WebSocketClientConnection:
    """A socket that sends small messages at once, as a browser's does."""
    socket = await tornado.websocket.websocket_connect(url)
    assert socket.protocol is not None
    socket.protocol.set_nodelay(True)
    return socket


def _shows(message: bytes, window: tuple[int, int]) -> bool:
    """Whether the message ends a picture of the frame in this window."""
    header, _ = parse(message)
    if header["k"] == "part":
        return bool(header["at"] + len(parse(message)[1]) >= header["of"])
    return bool(header["k"] == "frame" and header["win"] == list(window))


async def _over_bare_socket(bare: tuple[int, int], count: int) -> Cost:
    socket = await _connected(f"ws://127.0.0.1:{bare[0]}/ws")
    cpu, wall, size = cpu_seconds(bare[1]), time.perf_counter(), 0
    for center, width in map(window_of, range(count)):
        await socket.write_message(f"{center},{width}")
        size += len(await socket.read_message() or b"")
    socket.close()
    return Cost(1000 * (cpu_seconds(bare[1]) - cpu) / count, 1000 * (time.perf_counter() - wall) / count, size / count)
