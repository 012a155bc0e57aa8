"""Invented people: names as hospitals write them, and identity numbers that are valid in form and belong to nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pypinyin import Style, lazy_pinyin

_COMPOUND = "欧阳司马诸葛上官司徒东方独孤南宫夏侯皇甫尉迟公孙慕容令狐长孙宇文轩辕端木呼延闻人"
COMPOUND_SURNAMES = frozenset(_COMPOUND[at : at + 2] for at in range(0, len(_COMPOUND), 2))
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"


@dataclass(frozen=True, slots=True)
class IdNumberParts:
    """What a GB 11643 number is made of. No district has the code 210199, so no person has the number."""

    birth_date: date
    sequence: int
    """Odd for men, even for women, 0 to 999."""
    district: str = "210199"


@dataclass(frozen=True, slots=True)
class Person:
    """An invented patient."""

    name: str
    sex: str
    birth_date: date
    id_number: str
    phone: str


def id_number(parts: IdNumberParts) -> str:
    """The 18 characters of GB 11643 with their check character (ISO 7064 MOD 11-2)."""
    body = f"{parts.district}{parts.birth_date:%Y%m%d}{parts.sequence:03d}"
    total = sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True))
    return body + _CHECKS[total % 11]


def person_name(name: str) -> str:
    """`name` as a DICOM person name with pinyin and ideographs, e.g. `Zhang^Xiaodong=张^晓东`; kept if it has a delimiter already."""
    if name.isascii() or "^" in name or "=" in name:
        return name
    cut = 2 if name[:2] in COMPOUND_SURNAMES and len(name) > 2 else 1
    if "·" in name:
        return f"{' '.join(_pinyin(part) for part in name.split('·'))}={name}"
    latin = [_pinyin(part) for part in (name[:cut], name[cut:])]
    return f"{latin[0]}^{latin[1]}={name[:cut]}^{name[cut:]}"


def _pinyin(text: str) -> str:
    """Pinyin of `text` without tones, capitalised; ASCII, a character without a reading is left out."""
    syllables = lazy_pinyin(text, style=Style.NORMAL, errors="ignore")
    return "".join(syllables).replace("ü", "v").capitalize()
