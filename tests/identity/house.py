"""The identity side of the house, wired as the composition root does it, with a clock that tests turn, behind a real server."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import tornado.web
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from backend.audit.rules import Guard, Trail
from backend.audit.store import SCHEMA as AUDIT_SCHEMA
from backend.audit.store import AuditStore
from backend.identity import store
from backend.identity.accounts import Accounts
from backend.identity.authenticator import Authenticator
from backend.identity.model import GateLimits, PatientRecord
from backend.identity.routes import routes
from backend.identity.rules import Gate, People
from backend.identity.sessions import Sessions
from backend.identity.tokens import Tokens
from backend.notify.outbox import OutboxSender
from backend.platform.clock import ManualClock
from backend.platform.crypto import FieldCipher, Keys
from backend.platform.database import Database
from backend.platform.ids import public_id
from backend.platform.schema import migrate
from backend.web.handler import NotFoundHandler
from backend.web.router import Route, build

KEYS = Keys(bytes(range(32)))
ZHANG = PatientRecord("h1", "P001", ("张小明", "ZHANG XIAOMING"), "11010519491231002X", "13800000001")


class Credentials:
    """Upload credentials, as organisation holds them."""

    def __init__(self) -> None:
        self.held = {"secret-of-h1": "h1"}

    async def institution_of(self, secret: str) -> str | None:
        return self.held.get(secret)


@dataclass
class House:
    """All parts, and a server on `url` that serves `routes`."""

    database: Database
    folder: Path
    limits: GateLimits = field(default_factory=lambda: GateLimits(least_seconds=0.0))
    url: str = ""
    clock: Any = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.credentials = Credentials()
        self.cipher = FieldCipher(KEYS)
        self.audit = AuditStore(self.database)
        self.trail = Trail(self.audit, KEYS.derive("audit"), public_id())
        self.guard = Guard(self.trail, self.clock)
        self.tokens = Tokens(KEYS, self.clock)
        self.session_store = store.SessionStore(self.database)
        self.sessions = Sessions(self.session_store, self.tokens, self.clock)
        self.limit_store = store.LimitStore(self.database)
        self.people = People(store.PatientStore(self.database, self.cipher), self.clock)
        self.outbox = self.folder / "outbox.jsonl"
        self.messages = OutboxSender(self.outbox, self.clock)
        self.gate = Gate(
            self.people,
            self.limit_store,
            self.sessions,
            self.messages,
            self.guard,
            self.clock,
            KEYS,
            bounds=self.limits,
        )
        accounts = store.AccountStore(self.database)
        self.accounts = Accounts(accounts, self.limit_store, self.sessions, self.guard, self.clock, bounds=self.limits)
        self.authenticator = Authenticator(self.sessions, self.tokens, self.credentials, self.clock)

    async def migrate(self, *more: Any) -> None:
        """Makes the indexes."""
        await migrate(self.database, [*store.SCHEMAS, AUDIT_SCHEMA, *more], self.clock)

    def identity_routes(self) -> list[Route]:
        """The routes of the package."""
        return routes(self.gate, self.accounts, self.sessions)

    def serve(self, table: list[Route], **settings: Any) -> HTTPServer:
        """Starts a server on a free port."""
        app = tornado.web.Application(
            build(table),
            authenticator=self.authenticator,
            default_handler_class=NotFoundHandler,
            default_handler_args={},
            **settings,
        )
        server = HTTPServer(app, xheaders=True, trusted_downstream=["127.0.0.1"])
        socket, port = bind_unused_port()
        server.add_sockets([socket])
        self.url = f"http://127.0.0.1:{port}"
        return server

    def sent(self) -> list[dict[str, Any]]:
        """The messages in the outbox."""
        return [json.loads(line) for line in self.outbox.read_text().splitlines()] if self.outbox.exists() else []

    def last_code(self) -> str:
        """The code of the latest message."""
        return self.sent()[-1]["params"]["code"]


class Browser:
    """An HTTP client with a cookie jar."""

    def __init__(self, house: House, address: str = "") -> None:
        self.house, self.address, self.cookies = house, address, {}
        self.last: HTTPResponse | None = None

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and body; a JSON body is read."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if self.address:
            headers["X-Forwarded-For"] = self.address
        raw = body if isinstance(body, str | bytes | None) else json.dumps(body)
        self.last = await AsyncHTTPClient(max_clients=100).fetch(
            self.house.url + path,
            method=method,
            body=raw,
            headers=headers,
            raise_error=False,
            allow_nonstandard_methods=True,
            follow_redirects=False,
            decompress_response=False,
        )
        for line in self.last.headers.get_list("Set-Cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        kind = self.last.headers.get("Content-Type", "")
        content = json.loads(self.last.body) if "json" in kind and self.last.body else self.last.body
        return self.last.code, content

    async def code(self, phone: str) -> str:
        """Asks for a code and reads it on the phone."""
        status, body = await self.ask("POST", "/api/v1/codes", {"phone": phone})
        assert status == 202, body
        return self.house.last_code()

    async def sign_in(self, phone: str, name: str = "", last4: str = "") -> tuple[int, Any]:
        """Through the gate, as far as the arguments go."""
        answer = await self.ask("POST", "/api/v1/session", {"phone": phone, "code": await self.code(phone)})
        if name:
            answer = await self.ask("POST", "/api/v1/session/identity", {"name": name, "id_last4": last4})
        return answer
