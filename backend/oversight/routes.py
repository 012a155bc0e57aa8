"""The trail over HTTP."""

from __future__ import annotations

from typing import Any

from backend.access.model import Action
from backend.audit.model import Link
from backend.platform.clock import SHANGHAI
from backend.web.fields import Fields
from backend.web.handler import Handler
from backend.web.router import Operation, Route, requires

from .model import Search, Visit
from .rules import ExamOpenings, TrailSearch

_EXAM = r"(?P<exam>[a-z0-9]{10,40})"
_ID = r"[A-Za-z0-9:._@/-]{1,100}"
_PAGING = ("limit", "after")
_FILTERS = ("exam", "subject", "institution", "from", "to")
_TEXT: dict[str, Any] = {"type": "string"}
_TIME: dict[str, Any] = {"type": "string", "format": "date-time"}


class TrailHandler(Handler):
    """The whole trail."""

    search: TrailSearch

    async def get(self) -> None:
        """Entries within the caller's rights, newest first."""
        fields = Fields.of_query(self.request, (*_FILTERS, *_PAGING))
        limit, after = _paging(fields)
        page = await self.search.find(self.principal, _search(fields), limit, after)
        self.answer({"items": [_entry(link) for link in page.items], "next": page.next})


class OpeningsHandler(Handler):
    """Who opened one exam."""

    openings: ExamOpenings

    async def get(self, exam: str) -> None:
        """Visits, newest first."""
        limit, after = _paging(Fields.of_query(self.request, _PAGING))
        page = await self.openings.find(self.principal, exam, limit, after)
        self.answer({"items": [_visit(visit) for visit in page.items], "next": page.next})


def _paging(fields: Fields) -> tuple[int, str | None]:
    limit = fields.integer("limit", low=1, high=200, default=50)
    return limit, fields.optional_text("after", longest=500) or None


def _search(fields: Fields) -> Search:
    return Search(
        exam=fields.optional_text("exam", pattern=_ID),
        subject=fields.optional_text("subject", pattern=_ID),
        institution=fields.optional_text("institution", longest=64),
        since=fields.day("from"),
        until=fields.day("to"),
    )


def _entry(link: Link) -> dict[str, Any]:
    entry = link.entry
    return {
        "time": entry.time.astimezone(SHANGHAI).isoformat(),
        "subject": entry.subject,
        "kind": entry.kind,
        "action": entry.action,
        "resource": entry.resource,
        "institution": entry.institution,
        "scenario": entry.scenario,
        "allowed": entry.allowed,
        "reason": entry.reason,
        "address": entry.origin.address,
        "agent": entry.origin.agent,
        "request": entry.origin.request_id,
        "entry": entry.origin.entry,
        "chain": link.chain,
        "sequence": link.sequence,
        "hash": link.digest,
    }


def _visit(visit: Visit) -> dict[str, Any]:
    return {
        "time": visit.time.astimezone(SHANGHAI).isoformat(),
        "kind": visit.viewer.value,
        "viewer": visit.title,
        "institution": visit.institution,
        "what": list(visit.what),
        "address": visit.address,
    }


def _listed(properties: dict[str, Any]) -> dict[str, Any]:
    items = {"type": "array", "items": {"type": "object", "properties": properties}}
    return {"type": "object", "properties": {"items": items, "next": {"type": ["string", "null"]}}}


def _parameters(*more: tuple[str, dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    paging: tuple[tuple[str, dict[str, Any]], ...] = (
        ("limit", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
        ("after", {"type": "string", "description": "上一页的 next"}),
    )
    return tuple({"name": name, "in": "query", "schema": schema} for name, schema in (*more, *paging))


def routes(search: TrailSearch, openings: ExamOpenings) -> list[Route]:
    """`/api/v1/audit` and `/api/v1/exams/{exam}/openings`."""
    identifier = {"type": "string", "pattern": f"^{_ID}$"}
    day = {"type": "string", "format": "date"}
    filters = (
        ("exam", identifier),
        ("subject", identifier),
        ("institution", {"type": "string", "maxLength": 64, "description": "医院管理员只能查询本机构"}),
        ("from", {**day, "description": "不早于；未给出且未指定检查或主体时为三十天前"}),
        ("to", {**day, "description": "不晚于"}),
    )
    words = (
        "subject",
        "kind",
        "action",
        "resource",
        "institution",
        "scenario",
        "reason",
        "address",
        "agent",
        "request",
    )
    entry = {"time": _TIME, **dict.fromkeys(words, _TEXT), "allowed": {"type": "boolean"}, "chain": _TEXT}
    visit = {
        "time": {**_TIME, "description": "首次打开的时间；半小时内的多次打开合为一次，一页因此可能少于 limit 条"},
        "kind": {"enum": ["self", "staff", "link", "share", "other"]},
        "viewer": _TEXT,
        "institution": _TEXT,
        "what": {"type": "array", "items": _TEXT},
        "address": {"type": "string", "description": "部分隐去的网络地址"},
    }
    return [
        Route(
            r"/api/v1/audit",
            TrailHandler,
            {"GET": requires(Action.AUDIT_READ)},
            {"search": search},
            {
                "GET": Operation(
                    "审计记录，最新在前",
                    parameters=_parameters(*filters),
                    answer=_listed({**entry, "sequence": {"type": "integer"}, "hash": _TEXT, "entry": _TEXT}),
                )
            },
        ),
        Route(
            rf"/api/v1/exams/{_EXAM}/openings",
            OpeningsHandler,
            {"GET": requires(Action.AUDIT_OWN)},
            {"openings": openings},
            {"GET": Operation("谁看过本人的这次检查，最新在前", parameters=_parameters(), answer=_listed(visit))},
        ),
    ]
