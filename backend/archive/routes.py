"""The archive's own pages of the API; STOW-RS is in `stow`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from backend.access.model import Action
from backend.web.handler import Handler
from backend.web.router import Operation, Route, requires

from .ingest import Ingest
from .model import KeptAside
from .rules import MAX_PAGE, Exams
from .stow import stow_routes

_PARAMETERS = (
    {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 50}},
    {"name": "after", "in": "query", "schema": {"type": "string"}, "description": "上一页返回的 next"},
)
_ITEM = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "institution": {"type": "string"},
        "source": {"type": "string"},
        "code": {"type": "string"},
        "text": {"type": "string"},
        "sop_class_uid": {"type": "string"},
        "sop_instance_uid": {"type": "string"},
        "study_instance_uid": {"type": "string"},
        "size": {"type": "integer"},
        "sha256": {"type": "string"},
        "first": {"type": "string", "format": "date-time"},
        "last": {"type": "string", "format": "date-time"},
        "times": {"type": "integer"},
    },
}
_PAGE = {
    "type": "object",
    "properties": {"items": {"type": "array", "items": _ITEM}, "next": {"type": ["string", "null"]}},
}


class KeptAsideHandler(Handler):
    """What was not stored, for a person to look at."""

    exams: Exams

    async def get(self) -> None:
        """One page, newest first."""
        limit = self.get_query_argument("limit", "50")
        after = self.get_query_argument("after", None)
        page = await self.exams.kept_aside(self.principal, int(limit) if limit.isdecimal() else 0, after)
        self.answer({"items": [_shown(item) for item in page.items], "next": page.next})


def _shown(item: KeptAside) -> dict[str, Any]:
    fields = asdict(item) | {"first": item.first.isoformat(), "last": item.last.isoformat()}
    del fields["object"]
    return fields


def routes(ingest: Ingest, exams: Exams, *, max_body_bytes: int = 4 << 30) -> list[Route]:
    """`GET /api/v1/kept-aside` and the two addresses of STOW-RS; a request's body may have `max_body_bytes`."""
    operation = Operation("接收时另存待查的文件", parameters=_PARAMETERS, answer=_PAGE)
    rule = {"GET": requires(Action.IMPORT_REVIEW)}
    kept_aside = Route(r"/api/v1/kept-aside", KeptAsideHandler, rule, {"exams": exams}, {"GET": operation})
    return [kept_aside, *stow_routes(ingest, exams, max_body_bytes)]
