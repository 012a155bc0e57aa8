"""The relay: bytes arrive whole, in order, both ways, and no sooner than the link allows."""

from __future__ import annotations

import asyncio

import pytest

from bench.link import PROFILES, Lane, Profile, Relay


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def test_what_goes_in_comes_out() -> None:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    relay = Relay(server.sockets[0].getsockname()[1], Profile(80_000, 80_000, 2))
    reader, writer = await asyncio.open_connection("127.0.0.1", await relay.start())
    sent = bytes(range(256)) * 2000
    writer.write(sent)
    writer.write_eof()
    assert await reader.read(-1) == sent
    assert relay.bytes == (len(sent), len(sent))
    writer.close()
    await relay.stop()
    server.close()


async def test_nothing_arrives_before_its_round_trips() -> None:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    relay = Relay(server.sockets[0].getsockname()[1], Profile(0, 0, 100))
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", await relay.start())
    began = loop.time()
    writer.write(b"x")
    await reader.readexactly(1)
    # One round trip for the handshake, one for the question and its answer.
    assert loop.time() - began >= 0.199
    writer.close()
    await relay.stop()
    server.close()


@pytest.mark.parametrize("name", [name for name in PROFILES if name != "none"])
def test_a_lane_lets_through_no_more_than_its_rate(name: str) -> None:
    profile = PROFILES[name]
    lane = Lane(profile.down, profile.rtt / 1000)
    left = [lane.book(1460, 5.0) for _ in range(100)][-1]
    assert left - 5.0 == pytest.approx(146_000 * 8 / (profile.down * 1000))
