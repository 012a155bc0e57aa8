"""What the Store Instances Response Module (PS3.18 10.5.3, Annex I) says of each file of a batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .discover import Candidate
from .report import Refusal
from .request import Batch

_REFERENCED, _FAILED, _INSTANCE = "00081199", "00081198", "00081155"
_FAILURE_REASON, _WARNING_REASON, _COMMENT = "00081197", "00081196", "00000902"

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


def outcomes(batch: Batch, answer: Mapping[str, Any]) -> Iterator[tuple[Candidate, bool | Refusal]]:
    """For each file of the batch: True if stored, False if the server had it already, or why it was refused."""
    stored = {_value(item, _INSTANCE): item for item in _items(answer, _REFERENCED)}
    failed = {_value(item, _INSTANCE): item for item in _items(answer, _FAILED)}
    for file in batch.files:
        uid = file.sop_instance_uid
        if len(batch.files) == 1:
            # Alone in its request, a file needs no UID to be recognised, not even a readable one.
            uid = next(iter(failed or stored), uid)
        if uid in failed:
            yield file, _refusal(file, failed[uid])
        elif uid in stored:
            yield file, _value(stored[uid], _WARNING_REASON) is None
        else:
            yield file, Refusal(file.path, "unanswered", "服务器的回复中没有提到该文件，请重新导入。")


def _items(answer: Mapping[str, Any], tag: str) -> list[Mapping[str, Any]]:
    element = answer.get(tag)
    values = element.get("Value", []) if isinstance(element, dict) else []
    return [item for item in values if isinstance(item, dict)]


def _value(item: Mapping[str, Any], tag: str) -> Any:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if values else None


def _refusal(file: Candidate, item: Mapping[str, Any]) -> Refusal:
    reason = _value(item, _FAILURE_REASON)
    number = reason if isinstance(reason, int) else -1
    code, text = next(((c, t) for span, c, t in _REASONS if number in span), ("refused", "服务器拒绝了该文件。"))
    return Refusal(file.path, code, str(_value(item, _COMMENT) or text))
