"""The HTTP connection of one worker: sends a batch and tells answers, refusals and broken connections apart."""

from __future__ import annotations

import http.client
import json
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from backend.platform.errors import Invalid, Unauthenticated, Unavailable

from .request import Batch, FileChanged

_SECONDS = 120
_ANSWERS = frozenset({"00081198", "00081199", "0008119A"})
"""Sequences of the Store Instances Response Module."""
_MAX_ANSWER = 16 << 20


class NotAServer(Invalid):
    """The address is not one of a STOW-RS service."""

    code = "not-a-server"
    default_text = "该地址不是云影的上传服务，请检查 --server。"


class Busy(Unavailable):
    """The connection broke or the server cannot store now; sending again is safe. Details carry `retry_after` where the server gave it."""

    code = "busy"
    default_text = "连接中断或服务器暂时不可用。"


class RequestRefused(Invalid):
    """The server refused the request as a whole; a smaller one may pass."""

    code = "refused"


@dataclass(frozen=True, slots=True)
class Server:
    """Where to send to."""

    secure: bool
    host: str
    port: int
    path: str
    """Path of the Studies resource."""
    token: str

    @classmethod
    def parse(cls, url: str, token: str) -> Server:
        """From the address that a person types, with or without /dicom-web. Raises `Invalid`."""
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise Invalid("--server 的地址无法解析，应写成 https://主机[:端口]。") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Invalid("--server 的地址应以 http:// 或 https:// 开头，例如 https://yun.example.cn。")
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise Invalid("--token 不能为空，且不能含空格或中文。上传凭证由 yunying gateway-token 发放。")
        base = parts.path.rstrip("/").removesuffix("/studies").removesuffix("/dicom-web")
        return cls(parts.scheme == "https", parts.hostname, port, f"{base}/dicom-web/studies", token)


class Connection:
    """A kept-alive connection; opened when needed, closed when broken."""

    def __init__(self, server: Server) -> None:
        self._server = server
        context = ssl.create_default_context() if server.secure else None
        self._http = (
            http.client.HTTPSConnection(server.host, server.port, timeout=_SECONDS, context=context)
            if server.secure
            else http.client.HTTPConnection(server.host, server.port, timeout=_SECONDS)
        )

    def open(self) -> None:
        """Connects. Raises `Busy` when nobody answers, `NotAServer` for a certificate that cannot be trusted."""
        if self._http.sock is not None:
            return
        try:
            self._http.connect()
        except ssl.SSLCertVerificationError as error:
            raise NotAServer("服务器证书无法验证，请检查地址，或请管理员安装证书。") from error
        except OSError as error:
            raise Busy(f"无法连接服务器 {self._server.host}:{self._server.port}，请检查 --server 与网络。") from error

    def send(self, batch: Batch) -> dict[str, Any]:
        """The DICOM JSON answer of the server for this batch.

        Raises `Busy`, `Unauthenticated`, `NotAServer`, `FileChanged`, and `RequestRefused` with what the server says.
        """
        self.open()
        try:
            status, headers, content = self._exchange(batch)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Busy from error
        except FileChanged:
            self.close()
            raise
        return _judged(status, headers, content)

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()

    def _exchange(self, batch: Batch) -> tuple[int, http.client.HTTPMessage, bytes]:
        headers = {
            "Authorization": f"Bearer {self._server.token}",
            "Content-Type": batch.content_type,
            "Content-Length": str(batch.length),
            "Accept": "application/dicom+json",
            "User-Agent": "yunying-import",
        }
        broken = False
        try:
            self._http.request("POST", self._server.path, body=batch.body(), headers=headers)
        except (BrokenPipeError, ConnectionResetError):
            # A server that refuses early stops reading; its answer may be waiting all the same.
            broken = True
        response = self._http.getresponse()
        content = response.read(_MAX_ANSWER)
        if broken or response.will_close:
            self.close()
        return response.status, response.headers, content


def _judged(status: int, headers: http.client.HTTPMessage, content: bytes) -> dict[str, Any]:
    answer: Any = None
    with suppress(ValueError, RecursionError):
        answer = json.loads(content)
    detail = answer.get("detail", "") if isinstance(answer, dict) else ""
    if status in (200, 202, 409) and isinstance(answer, dict) and answer.keys() & _ANSWERS:
        return answer
    if status in (401, 403):
        raise Unauthenticated(detail or "上传凭证无效、已过期或没有上传权限，请重新获取后再试。")
    if status in (408, 429) or status >= 500:
        raise Busy(detail or None, retry_after=_seconds(headers.get("Retry-After")))
    if status in (400, 413, 415):
        code = answer.get("code", "refused") if isinstance(answer, dict) else "refused"
        raise RequestRefused(detail or f"服务器拒绝了该请求（状态 {status}）。", code=str(code))
    raise NotAServer(f"该地址没有上传服务（状态 {status}），请检查 --server。")


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdecimal() else None
