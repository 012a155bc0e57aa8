"""A whole viewing house: real database, object store, ingest, derivation and server; sessions as the gate would begin them."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tornado.web
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

from backend.access.model import Role
from backend.archive.ingest import Ingest
from backend.archive.journal import SETTLE
from backend.archive.model import Exam, Receipt, Series
from backend.archive.store import SCHEMAS as ARCHIVE_SCHEMAS
from backend.archive.store import ArchiveStore
from backend.audit.rules import Guard, Trail
from backend.audit.store import SCHEMA as AUDIT_SCHEMA
from backend.audit.store import AuditStore
from backend.identity import store as identity_store
from backend.identity.authenticator import Authenticator
from backend.identity.model import Account, Started
from backend.identity.rules import People
from backend.identity.sessions import Sessions
from backend.identity.tokens import Tokens
from backend.platform.clock import SystemClock
from backend.platform.cpu import CpuPool
from backend.platform.crypto import FieldCipher, Keys
from backend.platform.database import Database
from backend.platform.ids import public_id
from backend.platform.jobs import SCHEMA as INTENT_SCHEMA
from backend.platform.jobs import Intents
from backend.platform.objects_local import LocalObjects
from backend.platform.schema import migrate
from backend.viewing.derive import Deriver
from backend.viewing.frames import FrameSource
from backend.viewing.links import Links
from backend.viewing.pictures import Pictures
from backend.viewing.routes import routes
from backend.viewing.rules import Viewing
from backend.viewing.store import SCHEMA as LINK_SCHEMA
from backend.viewing.store import LinkStore
from backend.viewing.tickets import Tickets
from backend.viewing.views import SeriesViews
from backend.web.handler import NotFoundHandler
from backend.web.router import build

KEYS = Keys(bytes(range(32)))
INSTITUTION = "H1"


class NoCredentials:
    """No institution uploads here."""

    async def institution_of(self, secret: str) -> str | None:
        return None


async def institution_name(code: str) -> str:
    return f"{code} 医院"


class House:
    """All parts, wired as the composition root does it."""

    def __init__(self, database: Database, objects: LocalObjects, static: Path) -> None:
        self.database, self.objects, self.static = database, objects, static
        self.clock = SystemClock()
        self.cipher = FieldCipher(KEYS)
        self.trail = AuditStore(database)
        self.guard = Guard(Trail(self.trail, KEYS.derive("audit"), public_id()), self.clock)
        self.tokens = Tokens(KEYS, self.clock)
        self.sessions = Sessions(identity_store.SessionStore(database), self.tokens, self.clock)
        self.people = People(identity_store.PatientStore(database, self.cipher), self.clock)
        self.intents = Intents(database, self.clock)
        self.ingest = Ingest(database, objects, self.intents, self.people, self.cipher, self.clock)
        self.archive = ArchiveStore(database, self.cipher, self.clock)
        self.pool = CpuPool(threads=2, queue=256)
        self.source = FrameSource(objects, self.pool, 256 << 20)
        self.pictures = Pictures(self.source, objects, self.pool)
        self.views = SeriesViews(self.archive, objects, self.source, self.pool)
        self.tickets = Tickets(KEYS, self.clock, 600)
        self.viewing = Viewing(
            self.archive, self.guard, self.views, self.pictures, self.tickets, institution_name, self.clock
        )
        self.links = Links(LinkStore(database), self.viewing, self.sessions, self.guard, self.clock)
        self.deriver = Deriver(self.archive, objects, self.pool)
        self.url = ""
        self._server: HTTPServer | None = None

    async def migrate(self) -> None:
        schemas = [*ARCHIVE_SCHEMAS, *identity_store.SCHEMAS, AUDIT_SCHEMA, INTENT_SCHEMA, LINK_SCHEMA]
        await migrate(self.database, schemas, self.clock)

    def serve(self) -> None:
        table = routes(self.viewing, self.links, self.tickets, self.sessions, self.clock, static=self.static, gate="/")
        app = tornado.web.Application(
            build(table),
            authenticator=Authenticator(self.sessions, self.tokens, NoCredentials(), self.clock),
            default_handler_class=NotFoundHandler,
            default_handler_args={},
        )
        self._server = HTTPServer(app)
        socket, port = bind_unused_port()
        self._server.add_sockets([socket])
        self.url = f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            await self._server.close_all_connections()
        await self.ingest.stop()
        self.pool.close()

    async def send(self, contents: Iterable[bytes | Path], institution: str = INSTITUTION) -> list[Receipt]:
        """Receives files as a door would, and waits until they are counted."""
        return await self.send_each((content, institution) for content in contents)

    async def send_each(self, offers: Iterable[tuple[bytes | Path, str]]) -> list[Receipt]:
        """The same for (content, institution)."""

        async def one(content: bytes | Path, institution: str) -> Receipt:
            whole = content.read_bytes() if isinstance(content, Path) else content

            async def chunks() -> AsyncIterator[bytes]:
                yield whole

            async with gate:
                return await self.ingest.receive(chunks(), institution, "test:peer")

        gate = asyncio.Semaphore(4)
        receipts = list(await asyncio.gather(*(one(*offer) for offer in offers)))
        while await self.intents.pending(SETTLE):  # noqa: ASYNC110 - the burst is settled elsewhere
            await asyncio.sleep(0.02)
        return receipts

    async def exam_of(self, receipt: Receipt, institution: str = INSTITUTION) -> Exam:
        exam = await self.archive.exam(f"{institution}/{receipt.study_instance_uid}")
        assert exam is not None
        return exam

    async def series_of(self, exam: Exam) -> list[Series]:
        return await self.archive.series_of(exam.key)

    async def derive(self, exam: Exam) -> None:
        for series in await self.series_of(exam):
            await self.deriver.derive(series.key)

    async def sign_in(self, role: Role = Role.RADIOLOGIST, institution: str = INSTITUTION, name: str = "") -> Started:
        account = Account(name or f"{role.value}-{public_id(6)}", institution, frozenset({role}))
        return await self.sessions.start_staff(account)

    async def sign_in_patient(self, persons: Iterable[str]) -> Started:
        return await self.sessions.start_patient(f"patient-{public_id(6)}", persons=frozenset(persons))

    async def get(self, path: str, token: str = "", cookie: str = "", **headers: str) -> HTTPResponse:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if cookie:
            sent["Cookie"] = cookie
        return await AsyncHTTPClient().fetch(
            self.url + path, headers=sent, raise_error=False, follow_redirects=False, decompress_response=False
        )

    async def post(self, path: str, body: Any, token: str) -> HTTPResponse:
        return await AsyncHTTPClient().fetch(
            self.url + path,
            method="POST",
            body=json.dumps(body),
            headers={"Authorization": f"Bearer {token}"},
            raise_error=False,
        )

    async def manifest(self, exam: Exam, token: str) -> dict[str, Any]:
        response = await self.get(f"/api/v1/exams/{exam.exam}/manifest", token)
        assert response.code == 200, response.body
        return json.loads(response.body)

    async def socket(self, **headers: str) -> Viewer:
        url = self.url.replace("http", "ws") + "/stream"
        connection = await websocket_connect(HTTPRequest(url, headers=headers))
        # As browsers do: an acknowledgement must not wait for the one before.
        connection.protocol.set_nodelay(True)
        return Viewer(connection)


@dataclass
class Received:
    """One picture, put together from its slices."""

    header: dict[str, Any]
    body: bytes


@dataclass
class Viewer:
    """A terminal: acknowledges what comes and keeps it."""

    socket: WebSocketClientConnection
    pictures: list[Received] = field(default_factory=list)
    texts: list[dict[str, Any]] = field(default_factory=list)
    received: int = 0
    seq: int = 0
    acknowledge: bool = True
    _parts: dict[int, bytearray] = field(default_factory=dict)

    async def open(self, ticket: str, have: Any = None, keep: int = 48_000_000) -> dict[str, Any]:
        await self.say(t="open", ticket=ticket, v=1, keep=keep, have=have)
        message = await self.next()
        assert isinstance(message, dict) and message["t"] == "ready", message
        return message["manifest"]

    async def say(self, **message: Any) -> None:
        await self.socket.write_message(json.dumps(message))

    async def look(self, **view: Any) -> int:
        self.seq += 1
        known = {"series": 0, "frame": 0, "window": None, "fit": [512, 512], "tiles": None, "moving": False}
        await self.say(**{"t": "view", "seq": self.seq, **known, "dir": 0, "have": 0, **view})
        return self.seq

    async def next(self, seconds: float = 10.0) -> Received | dict[str, Any] | None:
        """The next text or whole picture; None when the socket was closed."""
        while True:
            raw = await asyncio.wait_for(self.socket.read_message(), seconds)
            if raw is None:
                return None
            if isinstance(raw, str):
                self.texts.append(json.loads(raw))
                return self.texts[-1]
            self.received += len(raw)
            if self.acknowledge:
                with suppress(WebSocketClosedError):
                    await self.say(t="ack", n=self.received)
            whole = self._assemble(raw)
            if whole is not None:
                self.pictures.append(whole)
                return whole

    async def until(self, wanted: Any, seconds: float = 15.0) -> Received:
        """The first picture that `wanted(header)` accepts."""
        async with asyncio.timeout(seconds):
            while True:
                message = await self.next(seconds)
                assert message is not None, "closed"
                if isinstance(message, Received) and wanted(message.header):
                    return message

    async def text(self, kind: str, seconds: float = 10.0) -> dict[str, Any]:
        """The first text of a kind."""
        async with asyncio.timeout(seconds):
            while True:
                message = await self.next(seconds)
                assert message is not None, "closed"
                if isinstance(message, dict) and message["t"] == kind:
                    return message

    async def closed(self, seconds: float = 12.0) -> int | None:
        """Waits for the end of the connection; its close code."""
        async with asyncio.timeout(seconds):
            while await self.next(seconds) is not None:
                pass
        return self.socket.close_code

    def _assemble(self, raw: bytes) -> Received | None:
        header, body = split(raw)
        if header["k"] != "part":
            return Received(header, body)
        part = self._parts.setdefault(header["id"], bytearray())
        assert header["at"] == len(part)
        part += body
        if len(part) < header["of"]:
            return None
        return Received(*split(bytes(self._parts.pop(header["id"]))))


def split(raw: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack_from(">H", raw)
    return json.loads(raw[2 : 2 + length]), raw[2 + length :]
