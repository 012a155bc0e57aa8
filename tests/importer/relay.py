"""A relay that passes bytes on until it is told to cut: the connection that breaks in the middle."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Relay:
    """Listens on a free port and passes everything to `target` on this machine."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.cuts: list[int] = []
        """For each of the next connections: how many bytes of the client pass before both sides are cut."""
        self.down = False
        self.url = ""
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.down:
            writer.transport.abort()
            return
        limit = None
        if self.cuts:
            # Connections that only probe whether somebody answers do not use up a cut.
            first = await reader.read(1)
            if not first:
                writer.transport.abort()
                return
            limit = self.cuts.pop(0) if self.cuts else None
        else:
            first = b""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        far_writer.write(first)
        back = asyncio.create_task(self._pass(far_reader, writer, None))
        self._tasks.add(back)
        await self._pass(reader, far_writer, limit)
        for side in (writer, far_writer):
            side.transport.abort()
        back.cancel()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None) -> None:
        with suppress(ConnectionError):
            passed = 0
            while (limit is None or passed < limit) and (piece := await reader.read(65536)):
                writer.write(piece)
                await writer.drain()
                passed += len(piece)
