"""The viewer's page, links to it, the stream, and the same pictures over HTTP."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from backend.access.model import Action, Kind, Principal
from backend.identity.authenticator import LINK_COOKIE
from backend.identity.model import Started
from backend.platform.clock import Clock
from backend.platform.errors import Invalid, NotFound
from backend.viewing.links import Links
from backend.viewing.model import Format, Picture, Size, WindowValues
from backend.viewing.page import Assets, Page, content_security_policy
from backend.viewing.pictures import shown_size
from backend.viewing.rules import Viewing
from backend.viewing.socket import StreamHandler
from backend.viewing.tickets import Tickets
from backend.viewing.views import frame_of
from backend.viewing.watch import LiveSessions, Watch
from backend.web.fields import Fields
from backend.web.handler import Handler
from backend.web.router import Operation, Route, public, requires
from render import Rect, level_count, tile_grid, tile_rect

EXAM = r"(?P<exam>[a-z0-9]{10,40})"
_DECIMAL = r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,2})?"
_NUMBER = r"(?:0|[1-9][0-9]{0,8})"


class PageHandler(Handler):
    """The viewer's page for whoever holds a session with the right."""

    viewing: Viewing
    assets: Assets
    gate: str

    async def get(self, exam: str) -> None:
        """The page; the gate for whoever has not proved who they are."""
        if self.principal.kind is Kind.ANONYMOUS:
            self.redirect(f"{self.gate}?to=/viewer/{exam}", status=303)
            return
        await self.show(self.principal, exam)

    async def show(self, principal: Principal, exam: str) -> None:
        """Sends the page in three pieces, so that the browser begins while the picture is made."""
        opened = await self.viewing.open(principal, exam)
        nonce = base64.urlsafe_b64encode(secrets.token_bytes(12)).decode()
        page = Page(self.assets.code(), nonce, gzip="gzip" in self.request.headers.get("Accept-Encoding", ""))
        self._page_headers(nonce, page)
        self.write(page.head())
        await self.flush()
        self.write(page.data(self.viewing.manifest(opened, principal), await self.viewing.first(opened)))
        await self.flush()
        await self.finish(page.rest())

    def _page_headers(self, nonce: str, page: Page) -> None:
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Vary", "Accept-Encoding, Cookie")
        if page.gzip:
            self.set_header("Content-Encoding", "gzip")
        secure = self.request.protocol == "https"
        self.set_header("Content-Security-Policy", content_security_policy(nonce, self.request.host, secure=secure))


class LinkHandler(PageHandler):
    """A single-use link: the page itself, without a redirect and its round trip."""

    links: Links

    async def get(self, secret: str) -> None:
        """Spends the link, begins its session and shows the page."""
        started = await self.links.open(secret, self.request.headers.get("User-Agent", ""))
        self._remember(started)
        await self.show(started.session.principal, started.session.exam)

    def _remember(self, started: Started) -> None:
        secure = self.request.protocol == "https"
        name = LINK_COOKIE + started.session.exam
        self.set_cookie(name, started.secret, path="/", httponly=True, samesite="Lax", secure=secure)


class LinksHandler(Handler):
    """Makes single-use links."""

    links: Links
    public_url: str

    async def post(self) -> None:
        """A link for the exam with this Study Instance UID."""
        fields = Fields(self.json_body(), ("study_instance_uid",))
        uid = fields.text("study_instance_uid", longest=64, pattern=r"[0-9.]+")
        secret = await self.links.make(self.principal, uid)
        base = self.public_url or f"{self.request.protocol}://{self.request.host}"
        self.answer({"url": f"{base}/v/{secret}"}, 201)


class ManifestHandler(Handler):
    """The manifest of an exam."""

    viewing: Viewing

    async def get(self, exam: str) -> None:
        """The manifest with a fresh ticket."""
        opened = await self.viewing.open(self.principal, exam)
        self.answer(self.viewing.manifest(opened, self.principal))


class PictureHandler(Handler):
    """One frame as a picture."""

    viewing: Viewing

    async def get(self, exam: str, series: str, frame: str) -> None:
        """The same pixels as over the socket."""
        fields = Fields.of_query(self.request, ("window", "fit", "format", "quality"))
        fmt, quality, size = _format(fields), _quality(fields), _fit(fields)
        opened = await self.viewing.open(self.principal, exam)
        view = await self.viewing.series(opened, int(series))
        ref = frame_of(view, int(frame))
        picture = await self.viewing.pictures.frame(
            view, ref, window=_window(fields), size=shown_size(ref, size), fmt=fmt, quality=quality
        )
        send_picture(self, picture)


class TileHandler(Handler):
    """One tile of a large frame."""

    viewing: Viewing

    async def get(self, exam: str, series: str, frame: str, level: str, column: str, row: str) -> None:
        """A tile of 512 pixels; `column` and `row` count tiles from the upper left."""
        fields = Fields.of_query(self.request, ("window", "format", "quality"))
        opened = await self.viewing.open(self.principal, exam)
        view = await self.viewing.series(opened, int(series))
        ref = frame_of(view, int(frame))
        rect = tile_of(ref.rows, ref.columns, int(level), int(row), int(column))
        look: dict[str, Any] = {"window": _window(fields), "fmt": _format(fields), "quality": _quality(fields)}
        send_picture(self, (await self.viewing.pictures.tiles(view, ref, int(level), [rect], **look))[0])


class ThumbnailHandler(Handler):
    """The small picture of a series."""

    viewing: Viewing

    async def get(self, exam: str, series: str) -> None:
        """JPEG of the frame to begin with, long side 128."""
        opened = await self.viewing.open(self.principal, exam)
        send_picture(self, await self.viewing.thumbnail(opened, int(series)))


def send_picture(handler: Handler, picture: Picture) -> None:
    """Answers with a picture; whether it is exact, and its window, are told in headers."""
    handler.set_header("Content-Type", picture.format.media_type)
    handler.set_header("X-Lossless", "true" if picture.lossless else "false")
    if picture.window is not None:
        handler.set_header("X-Window", f"{picture.window[0]!r},{picture.window[1]!r}")
    handler.finish(picture.data)


def tile_of(rows: int, columns: int, level: int, row: int, column: int) -> Rect:
    """The rectangle of a tile. Raises NotFound beyond the frame."""
    if level < level_count(rows, columns):
        down, across = tile_grid(rows, columns, level)
        if row < down and column < across:
            return tile_rect(rows, columns, level, row, column)
    raise NotFound("图像中没有这一块，请刷新页面。")


def _pair(fields: Fields, name: str) -> tuple[float, float] | None:
    """Two numbers with a comma between them."""
    text = fields.optional_text(name, longest=100, pattern=f"{_DECIMAL},{_DECIMAL}")
    if not text:
        return None
    first, second = text.split(",")
    return float(first), float(second)


def _window(fields: Fields) -> WindowValues | None:
    window = _pair(fields, "window")
    if window is not None and window[1] <= 0:
        raise Invalid("window 的窗宽应大于 0。", code="invalid-field", field="window")
    return window


def _fit(fields: Fields) -> Size | None:
    fit = _pair(fields, "fit")
    if fit is not None and not all(1 <= side <= 65535 for side in fit):
        raise Invalid("fit 应为 1 至 65535 之间的宽与高。", code="invalid-field", field="fit")
    return None if fit is None else (round(fit[0]), round(fit[1]))


def _format(fields: Fields) -> Format:
    return Format(fields.choice("format", [fmt.value for fmt in Format], Format.JPEG.value))


def _quality(fields: Fields) -> int:
    return fields.integer("quality", low=10, high=100, default=85)


def _parameter(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_LOOK = (
    _parameter("window", "centre,width in units of the modality transform; default: the frame's own", type="string"),
    _parameter("format", "jpeg, or png for exact pixels", type="string", enum=["jpeg", "png"], default="jpeg"),
    _parameter("quality", "of JPEG", type="integer", minimum=10, maximum=100, default=85),
)
_SIZE = _parameter("fit", "width,height in pixels of a frame whose sides exceed 1024; default: its own", type="string")
_LINK_BODY = {
    "type": "object",
    "required": ["study_instance_uid"],
    "properties": {"study_instance_uid": {"type": "string", "maxLength": 64}},
}
_LINK_ANSWER = {"type": "object", "properties": {"url": {"type": "string", "format": "uri"}}}


def routes(
    viewing: Viewing,
    links: Links,
    tickets: Tickets,
    sessions: LiveSessions,
    clock: Clock,
    *,
    static: Path,
    public_url: str = "",
    gate: str = "/",
    most_streams: int = 2000,
) -> list[Route]:
    """`/viewer/EXAM`, `/v/SECRET`, `/stream`, and what is under `/api/v1` of exams' pictures.

    `static`: the folder of the built front ends. `gate`: where whoever has not signed in is sent, with `to`.
    """
    view, deps = requires(Action.EXAM_VIEW), {"viewing": viewing}
    page = {**deps, "assets": Assets(static), "gate": gate}
    stream = {
        **deps,
        "tickets": tickets,
        "sessions": sessions,
        "watch": Watch(sessions, viewing, clock),
        "clock": clock,
        "public_host": urlsplit(public_url).netloc.lower(),
        "most_streams": most_streams,
    }
    exam = rf"/api/v1/exams/{EXAM}"
    series = rf"{exam}/series/(?P<series>{_NUMBER})"
    frame = rf"{series}/frames/(?P<frame>{_NUMBER})"
    tile = rf"{frame}/tiles/(?P<level>{_NUMBER})/(?P<column>{_NUMBER})/(?P<row>{_NUMBER})"

    def get(summary: str, *parameters: dict[str, Any], answer_type: str = "image/jpeg") -> dict[str, Operation]:
        return {"GET": Operation(summary, parameters, answer_type=answer_type)}

    return [
        Route(
            rf"/viewer/{EXAM}",
            PageHandler,
            {"GET": public("sends strangers to the gate; the exam is decided in the rules")},
            page,
        ),
        Route(
            r"/v/(?P<secret>[A-Za-z0-9_-]{43})",
            LinkHandler,
            {"GET": public("the link itself is the proof: single use, 60 seconds")},
            {**page, "links": links},
        ),
        Route(
            r"/stream",
            StreamHandler,
            {"GET": public("the ticket in the first message decides; it never stands in the address")},
            stream,
        ),
        Route(
            r"/api/v1/viewer-links",
            LinksHandler,
            {"POST": requires(Action.LINK_CREATE)},
            {"links": links, "public_url": public_url.rstrip("/")},
            {"POST": Operation("单次有效的影像查看链接，60 秒内打开", body=_LINK_BODY, answer=_LINK_ANSWER)},
        ),
        Route(
            rf"{exam}/manifest",
            ManifestHandler,
            {"GET": view},
            deps,
            {"GET": Operation("检查的序列清单与查看凭证", answer={"type": "object"})},
        ),
        Route(rf"{series}/thumbnail", ThumbnailHandler, {"GET": view}, deps, get("序列缩略图")),
        Route(rf"{frame}/picture", PictureHandler, {"GET": view}, deps, get("一帧图像", *_LOOK, _SIZE)),
        Route(tile, TileHandler, {"GET": view}, deps, get("大图的一块", *_LOOK)),
    ]
