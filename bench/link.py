"""A TCP relay that behaves like a mobile link: rate per direction, round trip, handshake, slow start, small buffers.

It stands in front of a server and shapes requests and sockets alike; a browser's own throttling gives socket messages no latency.
`python -m bench.link --to PORT --profile slow` prints its port and runs until its input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

MSS = 1460
_READ = 2 * MSS
_INITIAL_WINDOW = 10 * MSS
_AHEAD = 0.010
"""Seconds for which the link is booked in advance, so that a late wake-up of this process leaves no gap on it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A link: kbit/s down and up, milliseconds there and back. Rate 0: unlimited."""

    down: float
    up: float
    rtt: float


PROFILES = {
    "none": Profile(0, 0, 0),
    "slow": Profile(1600, 750, 150),
    "mid": Profile(9000, 4500, 165),
    "fast": Profile(30000, 15000, 10),
    "edge": Profile(400, 200, 400),
    "drag": Profile(2000, 1000, 120),
}


class Lane:
    """One direction of the link, shared by all its connections: first come, first served."""

    def __init__(self, kbps: float, rtt: float) -> None:
        self._rate = kbps * 125.0
        self._free = 0.0
        self.bytes = 0
        product = self._rate * rtt
        self.window = max(2 * product, 65536.0) if self._rate else float(1 << 30)

    def book(self, size: int, now: float) -> float:
        """When the last of `size` bytes has left, having waited its turn."""
        self._free = max(self._free, now) + (size / self._rate if self._rate else 0.0)
        self.bytes += size
        return self._free


class Flow:
    """One direction of one connection, with a congestion window that doubles each round trip (slow start) up to the lane's."""

    def __init__(
        self, lane: Lane, rtt: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float
    ) -> None:
        self._lane, self._rtt, self._reader, self._writer = lane, rtt, reader, writer
        self._not_before = asyncio.get_running_loop().time() + delay
        self._window, self._flying = float(_INITIAL_WINDOW), 0
        self._room = asyncio.Event()
        self._arrivals: deque[tuple[float, bytes]] = deque()
        self._arrived = asyncio.Event()

    async def run(self) -> None:
        """Moves bytes until the sender ends, then ends the receiver's side."""
        delivery = asyncio.create_task(self._deliver())
        try:
            while data := await self._reader.read(_READ):
                await self._send(data)
            self._push(asyncio.get_running_loop().time() + self._rtt / 2, b"")
            await delivery
        except OSError:
            pass
        finally:
            delivery.cancel()

    async def _send(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        while self._flying and self._flying + len(data) > self._window:
            self._room.clear()
            await self._room.wait()
        self._flying += len(data)
        left = self._lane.book(len(data), max(loop.time(), self._not_before))
        self._push(left + self._rtt / 2, data)
        if (ahead := left - loop.time() - _AHEAD) > 0:
            await asyncio.sleep(ahead)

    def _push(self, at: float, data: bytes) -> None:
        self._arrivals.append((at, data))
        self._arrived.set()

    async def _deliver(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while not self._arrivals:
                self._arrived.clear()
                await self._arrived.wait()
            at, data = self._arrivals.popleft()
            if (wait := at - loop.time()) > 0:
                await asyncio.sleep(wait)
            if not data:
                break
            self._writer.write(data)
            await self._writer.drain()
            loop.call_later(self._rtt / 2, self._acknowledge, len(data))
        if self._writer.can_write_eof():
            self._writer.write_eof()

    def _acknowledge(self, size: int) -> None:
        self._flying -= size
        self._window = min(self._window + size, self._lane.window)
        self._room.set()


class Relay:
    """Listens on a free port of the loopback address and relays to `port` through the link."""

    def __init__(self, port: int, profile: Profile) -> None:
        self._to = port
        self._rtt = profile.rtt / 1000
        self._down, self._up = Lane(profile.down, self._rtt), Lane(profile.up, self._rtt)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def bytes(self) -> tuple[int, int]:
        """Bytes down and up so far."""
        return self._down.bytes, self._up.bytes

    async def start(self) -> int:
        """Begins to listen; the port."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        listener.bind(("127.0.0.1", 0))
        self._server = await asyncio.start_server(self._begin, sock=listener, limit=8192)
        return int(listener.getsockname()[1])

    async def stop(self) -> None:
        """Ends listening and every connection."""
        if self._server:
            self._server.close()
        for connection in self._connections:
            connection.cancel()

    def _begin(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Holds on to the connection's task: the event loop alone would let go of one that waits."""
        task = asyncio.create_task(self._serve(client, back))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            upstream = socket.socket()
            # A small buffer here is what makes the server feel that the link is full.
            upstream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
            upstream.setblocking(False)
            await asyncio.get_running_loop().sock_connect(upstream, ("127.0.0.1", self._to))
            server, forth = await asyncio.open_connection(sock=upstream, limit=8192)
            for writer in (back, forth):
                writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                await asyncio.gather(
                    Flow(self._up, self._rtt, client, forth, self._rtt).run(),
                    Flow(self._down, self._rtt, server, back, 0.0).run(),
                )
            finally:
                forth.close()
                back.close()


async def _main(port: int, profile: Profile) -> None:
    relay = Relay(port, profile)
    print(await relay.start(), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if line.strip() == "bytes":
            print(*relay.bytes, flush=True)
    await relay.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=int, required=True)
    parser.add_argument("--profile", choices=PROFILES, default="slow")
    options = parser.parse_args()
    asyncio.run(_main(options.to, PROFILES[options.profile]))
