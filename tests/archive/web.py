"""A web server with the archive's routes, and a raw STOW-RS client."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import tornado.web
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.testing import bind_unused_port

from backend.access.model import ANONYMOUS, Kind, Principal, Role
from backend.archive.routes import routes
from backend.archive.rules import Exams
from backend.audit.rules import Guard, Trail
from backend.audit.store import AuditStore
from backend.organisation.rules import Organisation
from backend.platform.clock import SystemClock
from backend.web.router import build
from tests.archive.conftest import Archive

STAFF = {
    "admin1": Principal(Kind.STAFF, "admin1", institution="H1", roles=frozenset({Role.HOSPITAL_ADMIN})),
    "doctor1": Principal(Kind.STAFF, "doctor1", institution="H1", roles=frozenset({Role.RADIOLOGIST})),
    "province": Principal(Kind.STAFF, "province", roles=frozenset({Role.PROVINCE_ADMIN})),
}


class TokenAuthenticator:
    """Staff by name, gateways by their real credential."""

    def __init__(self, organisation: Organisation) -> None:
        self._organisation = organisation

    async def authenticate(self, request: HTTPServerRequest) -> Principal:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token in STAFF:
            return STAFF[token]
        institution = await self._organisation.institution_of(token) if token else None
        return Principal(Kind.GATEWAY, f"gateway:{institution}", institution=institution) if institution else ANONYMOUS


@dataclass
class Web:
    """A running server and a credential of H1."""

    server: HTTPServer
    base: str
    token: str

    async def post(
        self, body: bytes, *, path: str = "/dicom-web/studies", headers: Mapping[str, str] | None = None
    ) -> HTTPResponse:
        given = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type(), **(headers or {})}
        request = HTTPRequest(self.base + path, "POST", given, body, request_timeout=60)
        return await AsyncHTTPClient().fetch(request, raise_error=False)

    async def get(self, path: str, token: str) -> HTTPResponse:
        request = HTTPRequest(self.base + path, headers={"Authorization": f"Bearer {token}"})
        return await AsyncHTTPClient().fetch(request, raise_error=False)


async def start_web(archive: Archive, **options) -> Web:
    clock = SystemClock()
    exams = Exams(archive.store, Guard(Trail(AuditStore(archive.database), b"k" * 32, "test"), clock))
    table = routes(archive.ingest, exams, **options)
    app = tornado.web.Application(build(table), authenticator=TokenAuthenticator(archive.organisation))
    socket, port = bind_unused_port()
    server = HTTPServer(app)
    server.add_socket(socket)
    token = await archive.organisation.issue_gateway_token("H1")
    return Web(server, f"http://127.0.0.1:{port}", token)


def content_type(boundary: str = "part", kind: str = "application/dicom") -> str:
    return f'multipart/related; type="{kind}"; boundary={boundary}'


def multipart(files: Iterable[bytes], boundary: str = "part", kind: str = "application/dicom") -> bytes:
    parts = [f"--{boundary}\r\nContent-Type: {kind}\r\n\r\n".encode() + file + b"\r\n" for file in files]
    return b"".join(parts) + f"--{boundary}--\r\n".encode()


def outcome(response: HTTPResponse) -> dict[str, list[dict[str, Any]]]:
    """The items of the three sequences of a Store Instances response."""
    module = json.loads(response.body)
    names = {"stored": "00081199", "failed": "00081198", "other": "0008119A"}
    return {name: module.get(tag, {}).get("Value", []) for name, tag in names.items()}


def value(item: dict[str, Any], tag: str) -> Any:
    return item.get(tag, {}).get("Value", [None])[0]
