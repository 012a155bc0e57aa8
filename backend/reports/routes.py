"""Reports over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from backend.access.model import Action
from backend.platform.clock import SHANGHAI
from backend.platform.errors import Invalid
from backend.web.fields import Fields
from backend.web.handler import Handler
from backend.web.router import Operation, Route, requires

from .model import Report, ReportState, ReportText
from .rules import Reports

_LONGEST = 20_000
_STATES = [state.value for state in ReportState]
_WRITTEN: dict[str, Any] = {
    "findings": {"type": "string", "maxLength": _LONGEST, "description": "影像所见"},
    "impression": {"type": "string", "maxLength": _LONGEST, "description": "诊断意见"},
    "doctor": {"type": "string", "maxLength": 100},
    "state": {"enum": _STATES},
    "reported_at": {"type": "string", "format": "date-time", "description": "签发时间；不带时区时按北京时间"},
}
_READ = {
    "type": "object",
    "properties": {**_WRITTEN, "version": {"type": "integer"}, "written_at": {"type": "string", "format": "date-time"}},
}


class ReportHandler(Handler):
    """The report of an exam."""

    reports: Reports

    async def get(self, exam: str) -> None:
        """The newest version."""
        self.answer(_shown(await self.reports.read(self.principal, exam)))

    async def put(self, exam: str) -> None:
        """Adds a version; the same text again adds nothing."""
        self.answer(_shown(await self.reports.write(self.principal, exam, _text(self.json_body()))))


def _text(body: dict[str, Any]) -> ReportText:
    fields = Fields(body, _WRITTEN)
    return ReportText(
        findings=fields.text("findings", longest=_LONGEST, lines=True),
        impression=fields.text("impression", longest=_LONGEST, lines=True),
        doctor=fields.text("doctor", longest=100),
        state=ReportState(fields.choice("state", _STATES, ReportState.FINAL.value)),
        reported=_instant(fields.text("reported_at", longest=40)),
    )


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
        instant = (instant if instant.tzinfo else instant.replace(tzinfo=SHANGHAI)).astimezone(UTC)
        return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
    except (ValueError, OverflowError):
        raise Invalid("reported_at 不是有效的时间。", code="invalid-field", field="reported_at") from None


def _shown(report: Report) -> dict[str, Any]:
    return {
        "findings": report.text.findings,
        "impression": report.text.impression,
        "doctor": report.text.doctor,
        "state": report.text.state.value,
        "reported_at": report.text.reported.astimezone(SHANGHAI).isoformat(),
        "version": report.version,
        "written_at": report.written.astimezone(SHANGHAI).isoformat(),
    }


def routes(reports: Reports) -> list[Route]:
    """`/api/v1/exams/{exam}/report`."""
    body = {
        "type": "object",
        "required": ["findings", "impression", "doctor", "reported_at"],
        "properties": _WRITTEN,
        "additionalProperties": False,
    }
    return [
        Route(
            r"/api/v1/exams/(?P<exam>[a-z0-9]{10,40})/report",
            ReportHandler,
            {"GET": requires(Action.REPORT_READ), "PUT": requires(Action.REPORT_WRITE)},
            {"reports": reports},
            {
                "GET": Operation("查看检查报告", answer=_READ),
                "PUT": Operation("提交检查报告（医院信息系统或报告医师）", body=body, answer=_READ),
            },
        )
    ]
