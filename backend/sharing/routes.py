"""A patient's shares over HTTP."""

from __future__ import annotations

from typing import Any

from backend.access.model import Action
from backend.platform.clock import SHANGHAI
from backend.web.fields import Fields
from backend.web.handler import Handler
from backend.web.router import Operation, Route, requires

from . import qr
from .model import Listed, Made, Opening, SharedView, State
from .owner import Shares
from .request import BODY, wanted

SHARE = r"(?P<share>[a-z0-9]{26})"
_TEXT: dict[str, Any] = {"type": "string"}
_COUNT: dict[str, Any] = {"type": "integer"}
_TIME: dict[str, Any] = {"type": "string", "format": "date-time"}
EXAM_VIEW: dict[str, Any] = {
    "type": "object",
    "properties": {
        "exam": _TEXT,
        "description": _TEXT,
        "modalities": {"type": "array", "items": _TEXT},
        "body_part": _TEXT,
        "date": {"type": ["string", "null"], "format": "date"},
        "institution": _TEXT,
        "patient": {"type": "string", "description": "脱敏姓名"},
        "series_count": _COUNT,
        "instance_count": _COUNT,
        "whole": {"type": "boolean", "description": "是否包含该检查的全部序列"},
        "report": {"type": "boolean"},
    },
}
_SHARE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": _TEXT,
        "state": {"enum": [state.value for state in State]},
        "created": _TIME,
        "expires": _TIME,
        "limit": _COUNT,
        "opened": _COUNT,
        "wrong": {"type": "integer", "description": "提取码或手机号不符的次数，满 5 次即停用"},
        "passcode": {"type": "boolean", "description": "是否需要提取码"},
        "only_phone": {"type": "string", "description": "限定的手机号（脱敏）；为空表示不限"},
        "report": {"type": "boolean"},
        "exams": {"type": "array", "items": EXAM_VIEW},
    },
}
_MADE = {
    "type": "object",
    "properties": {
        "id": _TEXT,
        "url": {"type": "string", "format": "uri"},
        "passcode": {"type": ["string", "null"], "description": "6 位提取码，只显示这一次"},
        "expires": _TIME,
    },
}
_OPENING = {
    "type": "object",
    "properties": {
        "number": _COUNT,
        "time": _TIME,
        "phone": {"type": "string", "description": "打开者的手机号（脱敏）"},
        "address": {"type": "string", "description": "网络地址的前半部分"},
        "device": _TEXT,
        "told": {"type": "boolean", "description": "是否已用短信通知分享者"},
    },
}


class Owned(Handler):
    """What the handlers of a patient's shares have in common."""

    shares: Shares
    public_url: str

    def url(self, code: str) -> str:
        """The link that a code belongs into."""
        base = self.public_url or f"{self.request.protocol}://{self.request.host}"
        return f"{base}/s/{code}"


class SharesHandler(Owned):
    """All shares of the caller."""

    async def get(self) -> None:
        """The list, newest first."""
        self.answer({"items": [_listed(one) for one in await self.shares.all(self.principal)]})

    async def post(self) -> None:
        """A new share."""
        made = await self.shares.create(self.principal, wanted(self.json_body()))
        self.answer({**_made(made), "url": self.url(self.shares.code_of(made))}, 201)


class ShareHandler(Owned):
    """One share."""

    async def get(self, share: str) -> None:
        """The share; its link, too, while it opens."""
        listed = await self.shares.one(self.principal, share)
        link = self.url(await self.shares.code(self.principal, share)) if listed.state is State.ACTIVE else None
        self.answer({**_listed(listed), "url": link})

    async def delete(self, share: str) -> None:
        """Takes it back."""
        await self.shares.revoke(self.principal, share)
        self.set_status(204)


class PasscodeHandler(Owned):
    """The passcode of a share."""

    async def post(self, share: str) -> None:
        """Another one."""
        made = await self.shares.renew(self.principal, share)
        self.answer({**_made(made), "url": self.url(self.shares.code_of(made))}, 201)


class OpeningsHandler(Owned):
    """Who opened a share."""

    async def get(self, share: str) -> None:
        """The openings, newest first."""
        found = await self.shares.openings(self.principal, share)
        self.answer({"items": [_opening(one) for one in found]})


class QrHandler(Owned):
    """The link as a QR code."""

    async def get(self, share: str) -> None:
        """SVG, or PNG when asked for."""
        fields = Fields.of_query(self.request, ("format",))
        wants_png = fields.choice("format", ("svg", "png"), "svg") == "png"
        link = self.url(await self.shares.code(self.principal, share))
        self.set_header("Content-Type", "image/png" if wants_png else "image/svg+xml")
        self.finish(qr.png(link) if wants_png else qr.svg(link))


def exam_view(view: SharedView) -> dict[str, Any]:
    """An exam as a share shows it."""
    return {
        "exam": view.shared.exam,
        "description": view.title,
        "modalities": list(view.modalities),
        "body_part": view.body_part,
        "date": view.date or None,
        "institution": view.institution,
        "patient": view.patient,
        "series_count": view.series_count,
        "instance_count": view.instance_count,
        "whole": not view.shared.series,
        "report": view.shared.report,
    }


def _listed(listed: Listed) -> dict[str, Any]:
    share = listed.share
    return {
        "id": share.id,
        "state": listed.state.value,
        "created": share.created.astimezone(SHANGHAI).isoformat(),
        "expires": share.expires.astimezone(SHANGHAI).isoformat(),
        "limit": share.limit,
        "opened": share.opened,
        "wrong": share.wrong,
        "passcode": bool(share.passcode),
        "only_phone": share.only_phone_shown,
        "report": any(one.report for one in share.exams),
        "exams": [exam_view(view) for view in listed.exams],
    }


def _made(made: Made) -> dict[str, Any]:
    expires = made.share.expires.astimezone(SHANGHAI).isoformat()
    return {"id": made.share.id, "passcode": made.passcode or None, "expires": expires}


def _opening(opening: Opening) -> dict[str, Any]:
    return {
        "number": opening.number,
        "time": opening.time.astimezone(SHANGHAI).isoformat(),
        "phone": opening.phone,
        "address": opening.address,
        "device": opening.device,
        "told": opening.told,
    }


def routes(shares: Shares, public_url: str = "") -> list[Route]:
    """`/api/v1/shares` and below."""
    may, one = requires(Action.SHARE_CREATE), rf"/api/v1/shares/{SHARE}"
    deps = {"shares": shares, "public_url": public_url.rstrip("/")}
    listed = {"type": "object", "properties": {"items": {"type": "array", "items": _SHARE}}}
    openings = {"type": "object", "properties": {"items": {"type": "array", "items": _OPENING}}}
    full = {**_SHARE, "properties": {**_SHARE["properties"], "url": {"type": ["string", "null"]}}}
    form = {"name": "format", "in": "query", "schema": {"enum": ["svg", "png"], "default": "svg"}}
    return [
        Route(
            r"/api/v1/shares",
            SharesHandler,
            {"GET": may, "POST": may},
            deps,
            {
                "GET": Operation("我的分享", answer=listed),
                "POST": Operation("分享本人的检查", body=BODY, answer=_MADE, status=201),
            },
        ),
        Route(
            one,
            ShareHandler,
            {"GET": may, "DELETE": may},
            deps,
            {
                "GET": Operation("一个分享及其链接", answer=full),
                "DELETE": Operation("立即撤销分享，正在查看的人也会被中断", status=204),
            },
        ),
        Route(
            rf"{one}/passcode",
            PasscodeHandler,
            {"POST": may},
            deps,
            {"POST": Operation("更换提取码", answer=_MADE, status=201)},
        ),
        Route(
            rf"{one}/openings",
            OpeningsHandler,
            {"GET": may},
            deps,
            {"GET": Operation("谁在何时打开过", answer=openings)},
        ),
        Route(
            rf"{one}/qr",
            QrHandler,
            {"GET": may},
            deps,
            {"GET": Operation("分享链接的二维码", parameters=(form,), answer_type="image/svg+xml")},
        ),
    ]
