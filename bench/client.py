"""A plain HTTP client over one kept connection; its own cost does not enter the servers' CPU time."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

_BOUNDARY = "yunying-bench-part"


class Client:
    """One connection to a server on the loopback address."""

    def __init__(self, port: int, token: str = "") -> None:
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The answer's body. Raises RuntimeError for any status but 2xx."""
        answer = self.answer(method, path, body, headers)
        data = answer.read()
        if answer.status // 100 != 2:
            raise RuntimeError(f"{method} {path} -> {answer.status}: {data[:500].decode(errors='replace')}")
        return data

    def answer(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        """The answer, its body still to be read."""
        everything = {**self._headers, **(headers or {})}
        try:
            self._connection.request(method, path, body, everything)
            return self._connection.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected):
            # The server had ended the idle connection.
            self._connection.close()
            self._connection.request(method, path, body, everything)
            return self._connection.getresponse()

    def json(self, method: str, path: str, value: Any = None) -> Any:
        """The answer as JSON; `value` is sent as JSON."""
        body = None if value is None else json.dumps(value).encode()
        return json.loads(self.call(method, path, body, {"Content-Type": "application/json"}) or b"null")

    def stow(self, files: Iterable[bytes]) -> None:
        """Stores DICOM files in one STOW-RS request."""
        self.call("POST", "/dicom-web/studies", multipart(files), STOW_HEADERS)


STOW_HEADERS = {
    "Content-Type": f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}',
    "Accept": "application/dicom+json",
}


def multipart(files: Iterable[bytes]) -> bytes:
    """The body of a STOW-RS request (PS3.18 10.5)."""
    head = f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    return b"".join(head + file + b"\r\n" for file in files) + f"--{_BOUNDARY}--\r\n".encode()
