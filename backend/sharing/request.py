"""What a patient asks to be shared, read out of a JSON body: typed and bounded, anything else refused."""

from __future__ import annotations

import re
from typing import Any

from backend.platform.errors import Invalid
from backend.web.fields import Fields

from .model import Wanted
from .rules import LONGEST, MOST_EXAMS, MOST_OPENINGS, SHORTEST

_EXAM, _UID = r"[a-z0-9]{10,40}", r"[0-9.]{1,64}"
_MOST_SERIES = 500
_OPENINGS, _MINUTES = 20, 24 * 60
"""What is taken where nothing is said."""

BODY: dict[str, Any] = {
    "type": "object",
    "required": ["exams"],
    "additionalProperties": False,
    "properties": {
        "exams": {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST_EXAMS,
            "items": {
                "type": "object",
                "required": ["exam"],
                "additionalProperties": False,
                "properties": {
                    "exam": {"type": "string", "pattern": f"^{_EXAM}$"},
                    "series": {
                        "type": "array",
                        "items": {"type": "string", "pattern": f"^{_UID}$"},
                        "description": "Series Instance UID；不给出表示全部序列",
                    },
                },
            },
        },
        "report": {"type": "boolean", "default": False},
        "minutes": {"type": "integer", "minimum": SHORTEST, "maximum": LONGEST, "default": _MINUTES},
        "passcode": {"type": "boolean", "default": True},
        "limit": {"type": "integer", "minimum": 1, "maximum": MOST_OPENINGS, "default": _OPENINGS},
        "only_phone": {"type": "string", "maxLength": 30, "description": "只允许该手机号打开"},
    },
}


def wanted(body: dict[str, Any]) -> Wanted:
    """The request. Raises `Invalid`, naming the field."""
    fields = Fields(body, BODY["properties"])
    return Wanted(
        exams=_exams(body.get("exams")),
        report=_truth(body, "report", False),
        minutes=fields.integer("minutes", low=SHORTEST, high=LONGEST, default=_MINUTES),
        passcode=_truth(body, "passcode", True),
        limit=fields.integer("limit", low=1, high=MOST_OPENINGS, default=_OPENINGS),
        only_phone=fields.optional_text("only_phone", longest=30),
    )


def _exams(value: Any) -> dict[str, frozenset[str]]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_EXAMS:
        raise _wrong("exams", f"应为 1 至 {MOST_EXAMS} 项检查")
    exams: dict[str, frozenset[str]] = {}
    for one in value:
        if not isinstance(one, dict):
            raise _wrong("exams", "格式不正确")
        exam = Fields(one, ("exam", "series")).text("exam", longest=40, pattern=_EXAM)
        if exam in exams:
            raise _wrong("exams", "中有重复的检查")
        exams[exam] = _series(one.get("series"))
    return exams


def _series(value: Any) -> frozenset[str]:
    """Not given: all. An empty list is refused, since it would be taken for all by mistake."""
    if value is None:
        return frozenset()
    if not isinstance(value, list) or not 1 <= len(value) <= _MOST_SERIES:
        raise _wrong("series", "至少应选择一个序列")
    if not all(isinstance(uid, str) and re.fullmatch(_UID, uid) for uid in value):
        raise _wrong("series", "格式不正确")
    return frozenset(value)


def _truth(body: dict[str, Any], name: str, default: bool) -> bool:
    value = body.get(name, default)
    if type(value) is not bool:
        raise _wrong(name, "应为 true 或 false")
    return value


def _wrong(name: str, what: str) -> Invalid:
    return Invalid(f"{name} {what}。", code="invalid-field", field=name)
