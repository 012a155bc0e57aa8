"""What the Store Instances Response Module (PS3.18 Annex I) says of each file of a batch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .discover import Candidate
from .report import Refusal
from .request import Batch

_REFERENCED, _FAILED, _OTHER, _INSTANCE = "00081199", "00081198", "0008119A", "00081155"
_COMMENT_FORM = re.compile(r"(.+)（([a-z0-9-]+)）")
_FAILURE_REASON, _WARNING_REASON, _COMMENT = "00081197", "00081196", "00000902"

TEMPORARY = frozenset({"out-of-resources", "storage-full", "storage-unavailable", "database-unavailable"})
"""Codes of what the server could not take for the moment."""
_REASONS: tuple[tuple[range, str, str], ...] = (
    (range(0x0110, 0x0111), "processing-failure", "服务器处理失败，请稍后重新导入。"),
    (range(0x0111, 0x0112), "conflict", "服务器上已有同一 UID 但内容不同的影像，本文件已另存待核查，未覆盖原件。"),
    (range(0x0122, 0x0123), "class-not-supported", "服务器不接收该类型的对象。"),
    (range(0x0124, 0x0125), "not-authorized", "上传凭证没有接收该影像的权限。"),
    (range(0xA700, 0xA800), "out-of-resources", "服务器存储空间不足，请通知管理员后重试。"),
    (range(0xA900, 0xAA00), "mismatch", "文件内容与其类型不符。"),
    (range(0xC000, 0xD000), "cannot-understand", "文件已损坏或内容不符合 DICOM，服务器无法读取。"),
)
"""Failure Reason (0008,1197), PS3.18 Table I.2-2, for servers that give no text of their own."""


def outcomes(batch: Batch, answer: Mapping[str, Any]) -> Iterator[tuple[Candidate, bool | Refusal | None]]:
    """For each file of the batch: True if stored, False if the server had it already, or why it was refused.

    None where the answer does not tell which of several files it means: such a file should be sent alone.
    """
    stored = {_value(item, _INSTANCE): item for item in _items(answer, _REFERENCED)}
    failed = {_value(item, _INSTANCE): item for item in _items(answer, _FAILED)}
    alone = len(batch.files) == 1
    for file in batch.files:
        # Alone in its request, a file needs no UID to be recognised, not even a readable one.
        refused = failed.get(file.sop_instance_uid) or (
            _first(failed.values(), _items(answer, _OTHER)) if alone else None
        )
        known = stored.get(file.sop_instance_uid) or (_first(stored.values()) if alone else None)
        if refused is not None:
            yield file, _refusal(file, refused)
        elif known is not None:
            yield file, _value(known, _WARNING_REASON) is None
        elif alone:
            yield file, Refusal(file.path, "unanswered", "服务器的回复中没有提到该文件，请重新导入。")
        else:
            yield file, None


def _first(*several: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((item for items in several for item in items), None)


def _items(answer: Mapping[str, Any], tag: str) -> list[Mapping[str, Any]]:
    element = answer.get(tag)
    values = element.get("Value", []) if isinstance(element, dict) else []
    return [item for item in values if isinstance(item, dict)]


def _value(item: Mapping[str, Any], tag: str) -> Any:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if values else None


def _refusal(file: Candidate, item: Mapping[str, Any]) -> Refusal:
    """With the server's own words and code, where it gives them as Error Comment: "text（code）"."""
    told = _COMMENT_FORM.fullmatch(str(_value(item, _COMMENT) or ""))
    if told:
        return Refusal(file.path, told[2], told[1])
    reason = _value(item, _FAILURE_REASON)
    number = reason if isinstance(reason, int) else -1
    code, text = next(((c, t) for span, c, t in _REASONS if number in span), ("refused", "服务器拒绝了该文件。"))
    return Refusal(file.path, code, str(_value(item, _COMMENT) or text))
