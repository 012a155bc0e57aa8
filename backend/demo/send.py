"""Sends files through the real doors: STOW-RS (PS3.18 10.5) and C-STORE (PS3.4 B)."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any

import pydicom
from pynetdicom import AE, evt
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

from backend.platform.errors import YunyingError

_BATCH = 16
_BOUNDARY = "yunying-demo-part"
_WARNING_OR_SUCCESS = {0x0000, 0xB000, 0xB006, 0xB007}


class NotAccepted(YunyingError):
    """A door refused an exam of the demo."""

    code = "demo-not-accepted"


async def stow(base_url: str, token: str, files: Iterable[bytes]) -> None:
    """Sends `files` by STOW-RS with a gateway's token, some at a time. Raises `NotAccepted`."""
    client = AsyncHTTPClient(force_instance=True, defaults={"request_timeout": 300.0})
    try:
        parts = _batched(files)
        # Files are computed as they are asked for, which shall not hold up the event loop.
        while part := await asyncio.to_thread(next, parts, None):
            request = HTTPRequest(
                f"{base_url}/dicom-web/studies",
                method="POST",
                headers={
                    "Authorization": f"Bearer {token}",
                    "Content-Type": f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}',
                    "Accept": "application/dicom+json",
                },
                body=_multipart(part),
            )
            await client.fetch(request)
    except HTTPClientError as error:
        raise NotAccepted(f"STOW-RS 上传失败（{error.code}）：{_reason(error)}。") from error
    finally:
        client.close()


async def store(host: str, port: int, called: str, calling: str, files: Iterable[bytes]) -> None:
    """Sends `files` by C-STORE over one association, calling as the hospital's own AE. Raises `NotAccepted`."""
    await asyncio.to_thread(_store, host, port, called, calling, files)


def _store(host: str, port: int, called: str, calling: str, files: Iterable[bytes]) -> None:
    for part in _batched(files):
        datasets = [pydicom.dcmread(BytesIO(file)) for file in part]
        entity = AE(ae_title=calling)
        for wanted in {(d.SOPClassUID, d.file_meta.TransferSyntaxUID) for d in datasets}:
            entity.add_requested_context(wanted[0], [wanted[1]])
        association = entity.associate(host, port, ae_title=called, evt_handlers=[(evt.EVT_CONN_OPEN, _no_delay)])
        if not association.is_established:
            raise NotAccepted("DICOM 节点未接受连接，请检查端口与 AE 标题。")
        try:
            for dataset in datasets:
                status = association.send_c_store(dataset).get("Status")
                if status is None:
                    raise NotAccepted("DICOM 节点中断了连接，请查看 log/dicom.log。")
                if status not in _WARNING_OR_SUCCESS:
                    raise NotAccepted(f"C-STORE 未被接受，状态 {status:#06x}。")
        finally:
            association.release()


def _no_delay(event: Any) -> None:
    """Small protocol units go out at once instead of waiting for an acknowledgement."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _batched(files: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Lists of at most `_BATCH` files."""
    part: list[bytes] = []
    for file in files:
        part.append(file)
        if len(part) == _BATCH:
            yield part
            part = []
    if part:
        yield part


def _multipart(files: Iterable[bytes]) -> bytes:
    head = f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    return b"".join(head + file + b"\r\n" for file in files) + f"--{_BOUNDARY}--\r\n".encode()


def _reason(error: HTTPClientError) -> str:
    body = error.response.body if error.response else b""
    try:
        return str(json.loads(body).get("detail", ""))
    except (ValueError, AttributeError):
        return error.message
