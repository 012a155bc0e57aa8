"""A loopback peer of Aliyun's short message service: checks the signature of each request, and answers, refuses, delays or breaks off."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from urllib.parse import quote

import tornado.web
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

KEY_ID, SECRET = "test-key", "test secret+/="


def signature(method: str, parameters: dict[str, str], secret: str) -> str:
    """HMAC-SHA1 over the canonical query (the service's RPC signature 1.0)."""

    def encode(text: str) -> str:
        return quote(text, safe="-_.~")

    canonical = "&".join(f"{encode(name)}={encode(value)}" for name, value in sorted(parameters.items()))
    text = f"{method}&%2F&{encode(canonical)}"
    return base64.b64encode(hmac.digest(f"{secret}&".encode(), text.encode(), hashlib.sha1)).decode()


class Peer:
    """The service; `mode` says how it behaves."""

    def __init__(self, ssl_options=None) -> None:
        self.mode, self.taken = "ok", []
        peer = self

        class Handler(tornado.web.RequestHandler):
            async def post(self) -> None:
                await peer.answer(self)

        self.server = HTTPServer(tornado.web.Application([("/", Handler)]), ssl_options=ssl_options)
        socket, self.port = bind_unused_port()
        self.server.add_sockets([socket])
        self.address = f"{'https' if ssl_options else 'http'}://127.0.0.1:{self.port}"

    async def answer(self, handler: tornado.web.RequestHandler) -> None:
        request = handler.request
        parameters = {name: values[0].decode() for name, values in request.query_arguments.items()}
        given = parameters.pop("Signature", "")
        if self.mode == "slow":
            await asyncio.sleep(30)
        if self.mode == "break":
            request.connection.stream.close()
            return
        if self.mode == "nonsense":
            handler.finish("<html>busy</html>")
            return
        if given != signature(request.method, parameters, SECRET):
            handler.set_status(403)
            handler.finish(json.dumps({"Code": "SignatureDoesNotMatch", "Message": "x", "RequestId": "r"}))
            return
        if self.mode != "ok":
            handler.finish(json.dumps({"Code": self.mode, "Message": "refused", "RequestId": "r"}))
            return
        self.taken.append(parameters)
        handler.finish(json.dumps({"Code": "OK", "Message": "OK", "RequestId": "r", "BizId": "b"}))
