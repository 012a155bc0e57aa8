"""Texts in the character sets of Chinese hospitals, byte for byte as PS3.5 6.1 wants them, or mislabelled as many hospitals send them.

pydicom writes ISO 2022 IR 58 without its escape sequences, so the bytes are made here and put into the data set as they shall be sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.charset import convert_encodings, default_encoding
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.tag import Tag

from backend.platform.errors import YunyingError

_ESCAPE_58 = b"\x1b$)A"
_TEXTS = {"PN": "^=\\", "LO": "\\", "SH": "\\", "UC": "\\", "ST": "", "LT": "", "UT": ""}
"""Value representations that Specific Character Set governs, with the delimiters that reset it (PS3.5 6.1.2.5.3)."""


class CharsetError(YunyingError):
    """A text has characters that the character set lacks, or the set is unknown."""

    code = "phantom-charset"


@dataclass(frozen=True, slots=True)
class Charset:
    """How texts are encoded, and what Specific Character Set (0008,0005) says of them."""

    name: str
    codec: str
    label: str
    escaped: bool = False

    def encode(self, text: str, vr: str) -> bytes:
        """`text` in this character set, unpadded. Raises `CharsetError` where a character is lacking; nothing becomes '?'."""
        try:
            if not self.escaped:
                return text.encode(self.codec)
            parts = re.split(f"([{re.escape(_TEXTS[vr])}\r\n\f\t])", text)
            return b"".join(part.encode("ascii") if part.isascii() else self._escape(part) for part in parts)
        except UnicodeEncodeError as error:
            lacking = error.object[error.start : error.end]
            raise CharsetError(f"字符集 {self.name} 没有“{lacking}”这个字，请换用 GB18030 或 UTF-8。") from None

    def _escape(self, part: str) -> bytes:
        return _ESCAPE_58 + part.encode(self.codec)


CHARSETS = {
    charset.name: charset
    for charset in (
        Charset("GB18030", "gb18030", "GB18030"),
        Charset("GBK", "gbk", "GBK"),
        Charset("ISO 2022 IR 58", "gb2312", "\\ISO 2022 IR 58", escaped=True),
        Charset("UTF-8", "utf-8", "ISO_IR 192"),
    )
}


def set_texts(dataset: Dataset, texts: Mapping[str, str], charset: Charset, label: str | None = None) -> None:
    """Sets `texts` (by keyword) in `dataset` as bytes of `charset`, and with them every text that it held already.

    `label` is what Specific Character Set says instead of the truth; an empty one leaves the attribute out. Write the data set
    before reading a text back from it: reading decodes by the label.
    """
    little = dataset.original_encoding[1] is not False
    correct_ambiguous_vr(dataset, little)
    held = {e.keyword: _held(e.value) for e in dataset if e.VR in _TEXTS and not e.tag.is_private and e.keyword}
    stated = charset.label if label is None else label
    for keyword, text in {**held, **texts}.items():
        tag, vr = Tag(tag_for_keyword(keyword) or 0), dictionary_VR(keyword)
        value = charset.encode(text, vr)
        value += b" " * (len(value) % 2)
        dataset[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    if "SpecificCharacterSet" in dataset:
        del dataset.SpecificCharacterSet
    if stated:
        raw = stated.encode("ascii") + b" " * (len(stated) % 2)
        tag = Tag(0x0008, 0x0005)
        dataset[tag] = RawDataElement(tag, "CS", len(raw), raw, 0, False, True)
    # What pydicom believes to have read in this form it writes as it is, instead of decoding and encoding by the label.
    encodings = convert_encodings(dataset.SpecificCharacterSet) if stated else default_encoding
    dataset.set_original_encoding(bool(dataset.original_encoding[0]), little, encodings)


def _held(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
        return "\\".join(str(item) for item in value)  # type: ignore[attr-defined]
    return str(value)
