"""A share's link over HTTP: its page, its gate, and what stands behind it."""

from __future__ import annotations

from typing import Any, Protocol

from tornado.web import RequestHandler

from backend.access.model import Action
from backend.identity.authenticator import LINK_COOKIE
from backend.identity.model import Started
from backend.identity.sessions import secret_id
from backend.web.fields import Fields
from backend.web.handler import Handler
from backend.web.router import Operation, Route, public, requires

from .guests import Guests
from .model import Share
from .routes import EXAM_VIEW, SHARE, exam_view

_CODE = r"[A-Za-z0-9_-]{22}"
_TEXT: dict[str, Any] = {"type": "string"}


class Shell(Protocol):
    """The pages' document, the same for everybody."""

    def shell(self, handler: RequestHandler) -> str:
        """The document; sets its security policy."""
        ...


class Guest(Handler):
    """What the handlers of a link have in common."""

    guests: Guests

    def held(self, share: Share) -> str:
        """Id of the session that this browser holds for the share; empty: none."""
        value = self.get_cookie(LINK_COOKIE + share.id)
        return secret_id(value) if value else ""

    def remember(self, started: Started) -> None:
        """Gives the browser the session, under the name of the share and of each exam that it opens."""
        secure = self.request.protocol == "https"
        for place in (started.session.maker, *(shared.exam for shared in started.session.shared)):
            self.set_cookie(LINK_COOKIE + place, started.secret, path="/", httponly=True, samesite="Lax", secure=secure)

    @property
    def device(self) -> str:
        """What the browser says that it is."""
        return self.request.headers.get("User-Agent", "")


class PageHandler(Guest):
    """The page of a link."""

    page: Shell

    async def get(self, code: str) -> None:
        """The pages' shell, which tells nothing; 410 with the reason when the share does not open any more."""
        share = await self.guests.share_of(code)
        await self.guests.look(share, self.held(share))
        self.finish(self.page.shell(self))


class OwnPageHandler(Handler):
    """The page of a patient's shares."""

    page: Shell

    async def get(self) -> None:
        """The pages' shell."""
        self.finish(self.page.shell(self))


class LookHandler(Guest):
    """What a link's page asks first."""

    async def post(self) -> None:
        """The share's id and whether it asks for a passcode."""
        share = await self.guests.share_of(Fields(self.json_body(), ("link",)).text("link", pattern=_CODE))
        look = await self.guests.look(share, self.held(share))
        self.answer({"share": look.share, "passcode": look.passcode, "opened": look.opened})


class CodesHandler(Guest):
    """Text message codes for guests."""

    async def post(self) -> None:
        """Sends a code to any number."""
        fields = Fields(self.json_body(), ("link", "phone"))
        link = fields.text("link", pattern=_CODE)
        self.answer({"retry_after": await self.guests.send_code(link, fields.text("phone", longest=30))}, 202)


class IdentityHandler(Guest):
    """The guest's phone number."""

    async def post(self) -> None:
        """Proves it; the browser may then try to open the share."""
        fields = Fields(self.json_body(), ("link", "phone", "code"))
        link, phone = fields.text("link", pattern=_CODE), fields.text("phone", longest=30)
        started = await self.guests.verify(link, phone, fields.text("code", pattern=r"[0-9]{6}"), self.device)
        self.remember(started)
        self.answer({"share": started.session.maker}, 201)


class OpeningHandler(Guest):
    """Opens a share."""

    async def post(self, share: str) -> None:
        """Counts, and begins the guest's session."""
        passcode = Fields(self.json_body(), ("passcode",)).optional_text("passcode", longest=20)
        started = await self.guests.open(self.principal, share, passcode, self.device)
        self.remember(started)
        self.answer({"share": share, "expires": started.session.expires.isoformat()}, 201)


class ContentHandler(Guest):
    """What was shared."""

    async def get(self, share: str) -> None:
        """The exams, with what stands across them."""
        views = await self.guests.content(self.principal, share)
        self.answer({"exams": [exam_view(view) for view in views], "watermark": self.principal.watermark})


def routes(guests: Guests, page: Shell) -> list[Route]:
    """`/s/CODE`, `/shares`, `/api/v1/shared` and below."""
    deps: dict[str, Any] = {"guests": guests}
    one, enter = rf"/api/v1/shared/{SHARE}", requires(Action.SHARE_OPEN)
    gate = public(
        "the gate of a link: 128 random bits, then phone, code and passcode; tells nothing of whose exams it shows"
    )

    def body(*names: str) -> dict[str, Any]:
        properties = dict.fromkeys(names, _TEXT)
        return {"type": "object", "required": list(names), "properties": properties, "additionalProperties": False}

    looked = {"share": _TEXT, "passcode": {"type": "boolean"}, "opened": {"type": "boolean"}}
    content = {"exams": {"type": "array", "items": EXAM_VIEW}, "watermark": _TEXT}
    passcode = {"type": "object", "properties": {"passcode": _TEXT}, "additionalProperties": False}
    return [
        Route(rf"/s/(?P<code>{_CODE})", PageHandler, {"GET": gate}, {**deps, "page": page}),
        Route(r"/shares", OwnPageHandler, {"GET": public("an empty page")}, {"page": page}),
        Route(
            r"/api/v1/shared/link",
            LookHandler,
            {"POST": gate},
            deps,
            {"POST": Operation("分享链接需要哪些验证", body=body("link"), answer=_object(looked))},
        ),
        Route(
            r"/api/v1/shared/codes",
            CodesHandler,
            {"POST": gate},
            deps,
            {
                "POST": Operation(
                    "向打开分享的人发送短信验证码",
                    body=body("link", "phone"),
                    answer=_object({"retry_after": {"type": "integer"}}),
                    status=202,
                )
            },
        ),
        Route(
            r"/api/v1/shared/identity",
            IdentityHandler,
            {"POST": gate},
            deps,
            {
                "POST": Operation(
                    "核对打开者的手机号",
                    body=body("link", "phone", "code"),
                    answer=_object({"share": _TEXT}),
                    status=201,
                )
            },
        ),
        Route(
            rf"{one}/opening",
            OpeningHandler,
            {"POST": enter},
            deps,
            {
                "POST": Operation(
                    "打开分享（计一次）",
                    body=passcode,
                    answer=_object({"share": _TEXT, "expires": {"type": "string", "format": "date-time"}}),
                    status=201,
                )
            },
        ),
        Route(one, ContentHandler, {"GET": enter}, deps, {"GET": Operation("分享的内容", answer=_object(content))}),
    ]


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}
