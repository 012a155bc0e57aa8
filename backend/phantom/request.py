"""What is asked of the phantom, checked at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256

from backend.platform.errors import YunyingError

from .charsets import CHARSETS, Charset
from .people import IdNumberParts, Person, id_number

MODALITIES = ("CT", "MR", "DX", "CR", "US")
_MAX_SLICES = 5000
_MAX_SIDE = 5000


class PhantomError(YunyingError):
    """The phantom cannot be made as asked; the text says what to change."""

    code = "phantom"


def _default_person() -> Person:
    born = date(1970, 5, 17)
    return Person("张晓东", "M", born, id_number(IdNumberParts(born, 13)), "13800000013")


@dataclass(frozen=True, slots=True)
class PhantomRequest:
    """One computed series. The same request gives the same bytes."""

    modality: str = "CT"
    slices: int = 200
    """Slices of CT and MR, frames of a US cine, pictures of DX and CR."""
    rows: int = 512
    columns: int = 512
    seed: int = 1
    person: Person = field(default_factory=_default_person)
    patient_id: str = "P0001"
    charset: str = "GB18030"
    label: str | None = None
    """What Specific Character Set says instead of the truth; empty: it is left out."""
    institution: str = "沈阳浑南示范医院"
    department: str = "放射科"
    accession_number: str = "A0001"
    study_date: date = date(2026, 11, 2)
    study_time: str = "093000"
    description: str = ""
    series_number: int = 1
    nodules: int = 6

    def __post_init__(self) -> None:
        if self.modality not in MODALITIES:
            raise PhantomError(f"不支持的检查类型 {self.modality}，可选 {'、'.join(MODALITIES)}。")
        if not 1 <= self.slices <= _MAX_SLICES:
            raise PhantomError(f"层数 {self.slices} 超出范围，应为 1 至 {_MAX_SLICES}。")
        if not (32 <= self.rows <= _MAX_SIDE and 32 <= self.columns <= _MAX_SIDE):
            raise PhantomError(f"图像大小 {self.rows}x{self.columns} 超出范围，每边应为 32 至 {_MAX_SIDE}。")
        if self.charset not in CHARSETS:
            raise PhantomError(f"未知的字符集 {self.charset}，可选 {'、'.join(CHARSETS)}。")

    @property
    def encoding(self) -> Charset:
        """The character set of all texts."""
        return CHARSETS[self.charset]

    def uid(self, *parts: object) -> str:
        """A UID under 2.25 (PS3.5 B.2) that only the seed, the accession number and `parts` decide."""
        text = "/".join(str(part) for part in ("yunying-phantom", self.seed, self.accession_number, *parts))
        return f"2.25.{int.from_bytes(sha256(text.encode()).digest()[:16])}"
