"""Collection `reports`: one document a version, `_id` is `{exam}/{version}`; what people wrote is sealed."""

from __future__ import annotations

import json
from collections.abc import Sequence

from backend.platform.crypto import FieldCipher
from backend.platform.database import Database, Document, DuplicateKey, Query
from backend.platform.schema import Index, Schema

from .model import Report, ReportState, ReportText

_REPORTS = "reports"
_WRITTEN = ("findings", "impression", "doctor")


def _newest(exam: str) -> Query:
    return Query(_REPORTS, {"exam": exam}, sort=("-version",), limit=1)


def _of_exams(exams: Sequence[str]) -> Query:
    return Query(_REPORTS, {"exam": {"$in": list(exams)}}, projection={"exam": 1, "version": 1, "state": 1})


SCHEMA = Schema(
    _REPORTS,
    indexes=(Index(("exam", "-version")),),
    queries={"newest": _newest("-"), "of_exams": _of_exams(["-", "+"])},
    sealed=("text",),
)


class ReportStore:
    """Adds and reads versions; changes none."""

    def __init__(self, database: Database, cipher: FieldCipher) -> None:
        self._reports, self._cipher = database.collection(_REPORTS), cipher

    async def newest(self, exam: str) -> Report | None:
        """The newest version."""
        rows = await self._reports.run(_newest(exam))
        return self._report(rows[0]) if rows else None

    async def states(self, exams: Sequence[str]) -> dict[str, ReportState]:
        """The state of the newest version of each exam that has one."""
        rows = await self._reports.run(_of_exams(exams)) if exams else []
        rows.sort(key=lambda row: int(row["version"]))
        return {row["exam"]: ReportState(row["state"]) for row in rows}

    async def add(self, report: Report) -> bool:
        """Keeps a version. False when its number is taken."""
        key = f"{report.exam}/{report.version:06d}"
        written = json.dumps({name: getattr(report.text, name) for name in _WRITTEN}, ensure_ascii=False)
        document: Document = {
            "_id": key,
            "exam": report.exam,
            "version": report.version,
            "state": report.text.state.value,
            "text": self._cipher.seal(written, collection=_REPORTS, field="text", record=key),
            "reported": report.text.reported,
            "written_by": report.written_by,
            "written": report.written,
        }
        try:
            await self._reports.insert_one(document)
        except DuplicateKey:
            return False
        return True

    def _report(self, row: Document) -> Report:
        opened = self._cipher.open(row["text"], collection=_REPORTS, field="text", record=row["_id"])
        text = ReportText(**json.loads(opened), state=ReportState(row["state"]), reported=row["reported"])
        return Report(row["exam"], row["version"], text, row["written_by"], row["written"])
