"""The answer to a STOW-RS request: the Store Instances Response Module (PS3.18 I.2) in DICOM JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .model import Outcome, Receipt

Element = dict[str, Any]

_CONFLICT = 0x0111
_REASONS = {
    "uid-conflict": _CONFLICT,
    "series-differs": _CONFLICT,
    "patient-differs": _CONFLICT,
    "transfer-syntax": 0x0122,
    "other-study": 0xA900,
    "uid-mismatch": 0xA900,
    "too-large": 0xA700,
    "header-too-large": 0xA700,
    "storage-full": 0xA700,
    "storage-unavailable": 0xA700,
    "database-unavailable": 0xA700,
}
_CANNOT_UNDERSTAND = 0xC000
# PS3.18 I.2.2 has no warning for "known already"; B006 and B007 say something else, so this is of our own in the same range.
_KNOWN_ALREADY = 0xB0FF


def status_of(receipts: Sequence[Receipt]) -> int:
    """200 if all instances are stored, 409 if none is, 202 otherwise (PS3.18 Table 10.5.3-1)."""
    good = sum(map(_is_good, receipts))
    return 200 if good == len(receipts) else 202 if good else 409


def answer(receipts: Sequence[Receipt], base: str, *, broken: bool) -> dict[str, Element]:
    """The module. `base` is the address of `/dicom-web`; `broken` adds that the body ended too early."""
    stored = [_stored(receipt, base) for receipt in receipts if _is_good(receipt)]
    failed = [_failed(receipt) for receipt in receipts if not _is_good(receipt) and receipt.sop_instance_uid]
    other = [_other(receipt) for receipt in receipts if not _is_good(receipt) and not receipt.sop_instance_uid]
    if broken:
        other.append(
            _failure(_CANNOT_UNDERSTAND, "上传在中途断开或结构有误，其后的内容没有收到，请重新上传（broken-multipart）")
        )
    studies = {receipt.study_instance_uid for receipt in receipts if _is_good(receipt)}
    found: dict[str, Element] = {}
    if len(studies) == 1:
        found["00081190"] = _element("UR", f"{base}/studies/{studies.pop()}")
    for tag, items in (("00081198", failed), ("00081199", stored), ("0008119A", other)):
        if items:
            found[tag] = {"vr": "SQ", "Value": items}
    return found


def _is_good(receipt: Receipt) -> bool:
    return receipt.outcome in (Outcome.STORED, Outcome.DUPLICATE)


def _stored(receipt: Receipt, base: str) -> dict[str, Element]:
    address = f"{base}/studies/{receipt.study_instance_uid}"
    found = {**_reference(receipt), "00081190": _element("UR", f"{address}/instances/{receipt.sop_instance_uid}")}
    if receipt.outcome is Outcome.DUPLICATE:
        found["00081196"] = _element("US", _KNOWN_ALREADY)
    return dict(sorted(found.items()))


def _failed(receipt: Receipt) -> dict[str, Element]:
    return dict(sorted({**_other(receipt), **_reference(receipt)}.items()))


def _other(receipt: Receipt) -> dict[str, Element]:
    return _failure(_REASONS.get(receipt.code, _CANNOT_UNDERSTAND), f"{receipt.text}（{receipt.code}）")


def _failure(reason: int, comment: str) -> dict[str, Element]:
    """Failure Reason, and the words for people in Error Comment (0000,0902)."""
    return {"00000902": _element("LO", comment), "00081197": _element("US", reason)}


def _reference(receipt: Receipt) -> dict[str, Element]:
    return {
        "00081150": _element("UI", receipt.sop_class_uid),
        "00081155": _element("UI", receipt.sop_instance_uid),
    }


def _element(vr: str, value: str | int) -> Element:
    return {"vr": vr, "Value": [value]}
