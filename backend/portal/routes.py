"""Exams and institutions over HTTP, and the pages."""

from __future__ import annotations

from typing import Any

from backend.access.model import Action
from backend.archive.model import ExamQuery, Series
from backend.web.fields import Fields
from backend.web.handler import Handler
from backend.web.router import Operation, Route, public, requires

from .model import ExamSummary
from .page import Page
from .rules import Exams

_EXAM = r"(?P<exam>[a-z0-9]{10,40})"
_FILTERS = ("institution", "from", "to", "modality", "limit", "after")
_TEXT: dict[str, Any] = {"type": "string"}
_COUNT: dict[str, Any] = {"type": "integer"}
_SUMMARY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "exam": _TEXT,
        "institution": {"type": "object", "properties": {"code": _TEXT, "name": _TEXT}},
        "patient": {"type": "string", "description": "本人可见全名，其他人见到的是脱敏姓名"},
        "date": {"type": ["string", "null"], "format": "date"},
        "time": {"type": "string", "description": "HH:MM，医院时钟；未记录时为空"},
        "modalities": {"type": "array", "items": _TEXT},
        "description": _TEXT,
        "body_part": _TEXT,
        "series_count": _COUNT,
        "instance_count": _COUNT,
        "report": {"enum": ["preliminary", "final", None]},
        "character_set_doubt": {"type": "string", "description": "为何怀疑文字的字符集标注；无疑问时为空"},
    },
}
_SERIES = {
    "type": "object",
    "properties": {
        "uid": {"type": "string", "description": "Series Instance UID"},
        "number": {"type": ["integer", "null"]},
        "modality": _TEXT,
        "description": _TEXT,
        "body_part": _TEXT,
        "instance_count": _COUNT,
    },
}


class ExamsHandler(Handler):
    """Lists of exams."""

    exams: Exams

    async def get(self) -> None:
        """The caller's exams, newest first."""
        fields = Fields.of_query(self.request, _FILTERS)
        limit, after = fields.integer("limit", low=1, high=100, default=20), fields.optional_text("after", longest=500)
        page = await self.exams.find(self.principal, _query(fields), limit, after or None)
        self.answer({"items": [_summary(item) for item in page.items], "next": page.next})


class ExamHandler(Handler):
    """One exam."""

    exams: Exams

    async def get(self, exam: str) -> None:
        """The exam with its series."""
        detail = await self.exams.open(self.principal, exam)
        self.answer({**_summary(detail.summary), "series": [_series(series) for series in detail.series]})


class InstitutionsHandler(Handler):
    """Institutions to filter by."""

    exams: Exams

    async def get(self) -> None:
        """The institutions that the caller's exams are of."""
        found = await self.exams.institutions(self.principal)
        self.answer({"items": [{"code": i.code, "name": i.name} for i in found]})


class PageHandler(Handler):
    """The pages' shell: nothing in it depends on who asks."""

    page: Page

    async def get(self, exam: str = "") -> None:
        """The same document for every page; the script shows what the path is about."""
        self.finish(self.page.shell(self))


class LinkPageHandler(Handler):
    """Short links whose kinds are not in use yet."""

    page: Page

    async def get(self) -> None:
        """Says that the link is not known, as for any link that was mistyped or has expired."""
        self.set_status(404)
        self.finish(self.page.unknown_link(self))


def _query(fields: Fields) -> ExamQuery:
    return ExamQuery(
        since=fields.day("from"),
        until=fields.day("to"),
        institution=fields.optional_text("institution", longest=64),
        modality=fields.optional_text("modality", pattern=r"[A-Z0-9_ ]{1,16}"),
    )


def _summary(item: ExamSummary) -> dict[str, Any]:
    exam = item.exam
    return {
        "exam": exam.exam,
        "institution": {"code": exam.institution, "name": item.institution},
        "patient": item.patient,
        "date": exam.study_date.isoformat() if exam.study_date else None,
        "time": f"{exam.study_time[:2]}:{exam.study_time[2:4]}" if exam.study_time[:4].isdigit() else "",
        "modalities": list(exam.modalities),
        "description": exam.description,
        "body_part": exam.body_part,
        "series_count": exam.series_count,
        "instance_count": exam.instance_count,
        "report": item.report.value if item.report else None,
        "character_set_doubt": exam.character_set_doubt,
    }


def _series(series: Series) -> dict[str, Any]:
    return {
        "uid": series.series_instance_uid,
        "number": series.number,
        "modality": series.modality,
        "description": series.description,
        "body_part": series.body_part,
        "instance_count": series.instance_count,
    }


def _parameters() -> tuple[dict[str, Any], ...]:
    schemas: dict[str, dict[str, Any]] = {
        "institution": {"type": "string", "maxLength": 64},
        "from": {"type": "string", "format": "date", "description": "检查日期不早于"},
        "to": {"type": "string", "format": "date", "description": "检查日期不晚于"},
        "modality": {"type": "string", "pattern": "^[A-Z0-9_ ]{1,16}$"},
        "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
        "after": {"type": "string", "description": "上一页的 next"},
    }
    return tuple({"name": name, "in": "query", "schema": schema} for name, schema in schemas.items())


def routes(exams: Exams, page: Page) -> list[Route]:
    """`/`, `/exam/...`, the short links, `/api/v1/exams`, `/api/v1/exams/{exam}`, `/api/v1/institutions`."""
    search, view = requires(Action.EXAM_SEARCH), requires(Action.EXAM_VIEW)
    deps = {"exams": exams}
    listed = {
        "type": "object",
        "properties": {"items": {"type": "array", "items": _SUMMARY}, "next": {"type": ["string", "null"]}},
    }
    one = {**_SUMMARY, "properties": {**_SUMMARY["properties"], "series": {"type": "array", "items": _SERIES}}}
    names = {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": {"type": "object", "properties": {"code": _TEXT, "name": _TEXT}}}
        },
    }
    empty = public("an empty page; what it shows is asked for by the signed-in browser")
    return [
        Route(r"/", PageHandler, {"GET": empty}, {"page": page}),
        Route(rf"/exam/{_EXAM}", PageHandler, {"GET": empty}, {"page": page}),
        Route(
            r"/[msq]/[A-Za-z0-9_-]{1,64}",
            LinkPageHandler,
            {"GET": public("says that the link is not known")},
            {"page": page},
        ),
        Route(
            r"/api/v1/exams",
            ExamsHandler,
            {"GET": search},
            deps,
            {"GET": Operation("检查列表，最新在前", parameters=_parameters(), answer=listed)},
        ),
        Route(
            rf"/api/v1/exams/{_EXAM}",
            ExamHandler,
            {"GET": view},
            deps,
            {"GET": Operation("检查详情与序列", answer=one)},
        ),
        Route(
            r"/api/v1/institutions",
            InstitutionsHandler,
            {"GET": search},
            deps,
            {"GET": Operation("可用于筛选的医疗机构", answer=names)},
        ),
    ]
