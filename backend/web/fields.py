"""Typed reading of what people and programs send: the one place where outside values become values of ours.

A field is a text, a whole number, a day or one of a few words, within bounds, or the request is refused. An object or a list can
therefore never reach a filter of the database, whatever operators it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from tornado.httputil import HTTPServerRequest

from backend.platform.errors import Invalid

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Fields:
    """The fields of a JSON body or a query string. Every method raises `Invalid`, naming the field, never its value."""

    def __init__(self, values: Mapping[str, Any], allowed: Iterable[str] = ()) -> None:
        """With `allowed`, any other field is refused: nothing can be set that was not meant to be."""
        self._values = values
        unknown = set(values) - set(allowed) if allowed else set()
        if unknown:
            raise Invalid("请求中有不认识的字段。", code="unknown-field", field=min(map(str, unknown))[:60])

    @classmethod
    def of_query(cls, request: HTTPServerRequest, allowed: Iterable[str] = ()) -> Fields:
        """The fields of the query string; one that is given twice is refused."""
        values: dict[str, Any] = {}
        for name, given in request.query_arguments.items():
            if len(given) != 1:
                raise _wrong(name, "只能给出一次")
            try:
                values[name] = given[0].decode()
            except UnicodeDecodeError:
                raise _wrong(name, "不是有效的 UTF-8 文本") from None
        return cls(values, allowed)

    def has(self, name: str) -> bool:
        """Whether the field is given and not empty."""
        return self._values.get(name) not in (None, "")

    def text(self, name: str, *, shortest: int = 1, longest: int = 200, pattern: str = "", lines: bool = False) -> str:
        """A text, trimmed, of `shortest` to `longest` characters that wholly fits `pattern`; `lines`: it may have several."""
        value = self._values.get(name, "")
        if not isinstance(value, str):
            raise _wrong(name, "应为文本")
        value = value.strip()
        if not shortest <= len(value) <= longest:
            raise _wrong(name, "不能为空" if not value else f"长度应在 {shortest} 至 {longest} 个字符之间")
        if _CONTROL.search(value) or (not lines and re.search(r"[\r\n\t]", value)):
            raise _wrong(name, "含有不允许的字符")
        if not _is_text(value) or (pattern and not re.fullmatch(pattern, value)):
            raise _wrong(name, "格式不正确")
        return value

    def optional_text(self, name: str, *, longest: int = 200, pattern: str = "", lines: bool = False) -> str:
        """Like `text`; empty if it is not given."""
        return self.text(name, longest=longest, pattern=pattern, lines=lines) if self.has(name) else ""

    def integer(self, name: str, *, low: int, high: int, default: int | None = None) -> int:
        """A whole number within bounds, as a JSON number or in decimal digits."""
        value = self._values.get(name)
        if value in (None, "") and default is not None:
            return default
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,15}", value):
            value = int(value)
        if type(value) is not int:
            raise _wrong(name, "应为整数")
        if not low <= value <= high:
            raise _wrong(name, f"应在 {low} 与 {high} 之间")
        return value

    def day(self, name: str) -> date | None:
        """A day as 2026-11-24 or 20261124; None if it is not given."""
        if not self.has(name):
            return None
        value = self.text(name, pattern=r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}")
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise _wrong(name, "不是有效的日期") from None

    def choice(self, name: str, choices: Iterable[str], default: str | None = None) -> str:
        """One of a few words."""
        if not self.has(name) and default is not None:
            return default
        value = self.text(name)
        if value not in set(choices):
            raise _wrong(name, "不在可选范围内")
        return value


def _is_text(value: str) -> bool:
    """False for lone surrogates, which JSON can carry and UTF-8 cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _wrong(name: str, what: str) -> Invalid:
    return Invalid(f"{name} {what}。", code="invalid-field", field=name)
