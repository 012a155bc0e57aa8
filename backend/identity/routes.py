"""Codes, sessions and proof of identity over HTTP."""

from __future__ import annotations

from typing import Any

from backend.access.model import Action, Kind, Principal
from backend.web.fields import Fields
from backend.web.handler import Handler
from backend.web.router import Operation, Route, public, requires

from .accounts import Accounts
from .authenticator import SESSION_COOKIE
from .model import Started
from .rules import Gate
from .sessions import Sessions

_TEXT = {"type": "string"}
_STATE = {
    "type": "object",
    "required": ["state"],
    "properties": {
        "state": {"enum": ["anonymous", "code-verified", "proved", "staff", "gateway", "link", "guest"]},
        "institution": _TEXT,
        "roles": {"type": "array", "items": _TEXT},
        "expires": {"type": "string", "format": "date-time"},
        "token": {"type": "string", "description": "bearer token of a member of staff; given once"},
    },
}


def _body(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    properties = {**required, **(optional or {})}
    return {
        "type": "object",
        "required": sorted(required),
        "properties": properties,
        "additionalProperties": False,
    }


def state_of(principal: Principal) -> dict[str, Any]:
    """What a caller may know of its own session."""
    if principal.kind is Kind.PATIENT:
        return {"state": "proved" if principal.persons else "code-verified"}
    state: dict[str, Any] = {"state": principal.kind.value}
    if principal.kind in (Kind.STAFF, Kind.GATEWAY):
        state["institution"] = principal.institution
        state["roles"] = sorted(principal.roles)
    return state


class CodesHandler(Handler):
    """Text message codes."""

    gate: Gate

    async def post(self) -> None:
        """Sends a code to any number; the answer is the same whether a hospital knows it or not."""
        fields = Fields(self.json_body(), ("phone",))
        wait = await self.gate.send_code(fields.text("phone", longest=30))
        self.answer({"retry_after": wait}, 202)


class SessionHandler(Handler):
    """The caller's session."""

    gate: Gate
    accounts: Accounts
    sessions: Sessions

    async def get(self) -> None:
        """How far the caller has come."""
        self.answer(state_of(self.principal))

    async def post(self) -> None:
        """Begins a session: phone and code for patients (cookie), account and password for staff (bearer token)."""
        fields = Fields(self.json_body(), ("phone", "code", "username", "password"))
        device = self.request.headers.get("User-Agent", "")
        if fields.has("username"):
            name, password = fields.text("username", longest=100), fields.text("password", longest=256)
            self._begun(await self.accounts.sign_in(name, password, device=device))
        else:
            code = fields.text("code", pattern=r"[0-9]{6}")
            self._begun(await self.gate.enter(fields.text("phone", longest=30), code, device=device))

    async def delete(self) -> None:
        """Ends the session, here at once and everywhere within a second."""
        await self.sessions.revoke(self.principal.session)
        self.clear_cookie(SESSION_COOKIE, path="/")
        self.set_status(204)

    def _begun(self, started: Started) -> None:
        state = {**state_of(started.session.principal), "expires": started.session.expires.isoformat()}
        if started.session.kind is Kind.STAFF:
            state["token"] = started.secret
        else:
            secure = self.request.protocol == "https"
            self.set_cookie(SESSION_COOKIE, started.secret, path="/", httponly=True, samesite="Lax", secure=secure)
        self.answer(state, 201)


class IdentityHandler(Handler):
    """Proof of identity for a session."""

    gate: Gate

    async def post(self) -> None:
        """Adds the persons whom the hospitals' records name by phone, name and last four characters of the ID number."""
        fields = Fields(self.json_body(), ("name", "id_last4"))
        last = fields.text("id_last4", pattern=r"[0-9０-９]{3}[0-9０-９XxＸｘ]")
        principal = await self.gate.prove(self.principal, fields.text("name", longest=100), last)
        self.answer(state_of(principal))


def routes(gate: Gate, accounts: Accounts, sessions: Sessions) -> list[Route]:
    """`/api/v1/codes`, `/api/v1/session`, `/api/v1/session/identity`."""
    deps = {"gate": gate, "accounts": accounts, "sessions": sessions}
    phone = {"type": "string", "description": "mobile number of the mainland", "maxLength": 30}
    sent = {"type": "object", "properties": {"retry_after": {"type": "integer", "description": "seconds"}}}
    begin = _body(
        {},
        {"phone": phone, "code": {"type": "string", "pattern": "^[0-9]{6}$"}, "username": _TEXT, "password": _TEXT},
    )
    proof = _body({"name": _TEXT, "id_last4": {"type": "string", "pattern": "^[0-9]{3}[0-9Xx]$"}})
    return [
        Route(
            r"/api/v1/codes",
            CodesHandler,
            {"POST": public("the first step of signing in; bounded per number, per address and in all")},
            {"gate": gate},
            {"POST": Operation("发送短信验证码", body=_body({"phone": phone}), answer=sent, status=202)},
        ),
        Route(
            r"/api/v1/session",
            SessionHandler,
            {
                "GET": public("tells a caller only how far it has come itself"),
                "POST": public("begins a session; wrong tries are bounded"),
                "DELETE": requires(Action.SESSION_MANAGE),
            },
            deps,
            {
                "GET": Operation("查询当前登录状态", answer=_STATE),
                "POST": Operation(
                    "登录：患者用手机号与验证码，工作人员用账号与密码", body=begin, answer=_STATE, status=201
                ),
                "DELETE": Operation("退出登录", status=204),
            },
        ),
        Route(
            r"/api/v1/session/identity",
            IdentityHandler,
            {"POST": requires(Action.IDENTITY_PROVE)},
            {"gate": gate},
            {"POST": Operation("核验本人身份：姓名与证件号码后四位", body=proof, answer=_STATE)},
        ),
    ]
