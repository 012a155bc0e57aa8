"""STOW-RS (PS3.18 10.5): `POST /dicom-web/studies` and `/dicom-web/studies/{study}`, streamed."""

from __future__ import annotations

import json
from email.message import Message

from tornado.web import stream_request_body

from backend.access.model import Action
from backend.platform.errors import Invalid, TooLarge, Unsupported
from backend.web.handler import Handler
from backend.web.router import Operation, Route, requires

from .ingest import Ingest
from .rules import Exams
from .stow_answer import answer, status_of
from .upload import Upload

_JSON = "application/dicom+json"


@stream_request_body
class StowHandler(Handler):
    """Receives instances while they arrive, in constant memory."""

    ingest: Ingest
    exams: Exams
    max_body_bytes: int
    upload: Upload | None = None

    async def prepare(self) -> None:
        """Refuses before the body is read what can be refused by the head."""
        await super().prepare()
        if self.request.method != "POST":
            return
        boundary = _boundary(self.request.headers.get("Content-Type", ""))
        _check_accept(self.request.headers.get("Accept", "*/*"))
        if int(self.request.headers.get("Content-Length", "0")) > self.max_body_bytes:
            raise TooLarge("单次上传的总量超出系统允许的大小，请分批上传。")
        institution = await self.exams.upload_to(self.principal)
        self.request.connection.set_max_body_size(self.max_body_bytes)  # type: ignore[union-attr]
        source = f"stow:{self.principal.subject}"
        study = self.path_kwargs.get("study") or ""
        self.upload = Upload(self.ingest, institution, source, boundary, study)

    async def data_received(self, chunk: bytes) -> None:
        """Takes a piece of the body; the sender waits while it is taken."""
        if self.upload is not None:
            await self.upload.feed(chunk)

    async def post(self, study: str | None = None) -> None:
        """The answer, when every instance is durable or refused."""
        assert self.upload is not None
        receipts = await self.upload.finish()
        if not receipts and self.upload.broken:
            raise Invalid(
                "上传内容的 multipart 结构有误，没有收到任何完整的影像，请重新上传。", code="broken-multipart"
            )
        if not receipts:
            raise Invalid("上传内容中没有影像。", code="empty-upload")
        base = f"{self.request.protocol}://{self.request.host}/dicom-web"
        self.set_status(status_of(receipts) if not self.upload.broken else max(202, status_of(receipts)))
        self.set_header("Content-Type", _JSON)
        self.finish(json.dumps(answer(receipts, base, broken=self.upload.broken), ensure_ascii=False))

    def on_connection_close(self) -> None:
        """The sender is gone: what was complete stays."""
        if self.upload is not None:
            self.upload.cut()


def _boundary(content_type: str) -> bytes:
    """The boundary of `multipart/related; type="application/dicom"`. Raises `Unsupported`, or `Invalid` without a boundary."""
    message = Message()
    message["Content-Type"] = content_type
    kind = str(message.get_param("type", "application/dicom")).lower()
    if message.get_content_type() != "multipart/related" or kind != "application/dicom":
        raise Unsupported('请使用 multipart/related; type="application/dicom" 上传。', code="unsupported-media-type")
    boundary = message.get_boundary()
    if not boundary or not boundary.isascii():
        raise Invalid("请求头 Content-Type 中缺少 boundary。", code="broken-multipart")
    return boundary.encode("ascii")


def _check_accept(accept: str) -> None:
    if not any(kind in accept for kind in ("*/*", "application/*", _JSON, "application/json")):
        raise Unsupported("应答只提供 application/dicom+json 格式。", code="not-acceptable")


def stow_routes(ingest: Ingest, exams: Exams, max_body_bytes: int) -> list[Route]:
    """The two addresses of the Store transaction. POST only: searches at the same address are routed by `dicomweb`."""
    deps = {"ingest": ingest, "exams": exams, "max_body_bytes": max_body_bytes}
    rule = {"POST": requires(Action.EXAM_UPLOAD)}
    told = {"POST": Operation("STOW-RS：上传影像（PS3.18 10.5）", answer_type=_JSON)}
    return [
        Route(r"/dicom-web/studies", StowHandler, rule, deps, told),
        Route(r"/dicom-web/studies/(?P<study>[^/]+)", StowHandler, rule, deps, told),
    ]
