"""Texts of a data set as they are meant: character sets as labelled (PS3.5 6.1.2, PS3.3 C.12.1.1.2), and as found where the label is wrong.

Nothing here changes what was received. A reading only decides what is shown and searched, and says why it doubts the label.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydicom import charset as pydicom_charset

# Python's codec of GB 2312 knows no escape sequences, although pydicom believes so: it would leave ESC $ ) A in the text when
# reading and leave it out when writing (PS3.5 K.2). With these names alone in the list pydicom sees to it.
vars(pydicom_charset)["handled_encodings"] = ("iso2022_jp", "iso2022_jp_2")

UTF8, GB = "utf-8", "gb18030"
_NAMES = {UTF8: "UTF-8", GB: "GB18030"}
# GB 18030 contains GBK and GB 2312, which lack characters of real names: their labels are read by the larger set.
_GB_LABELS = frozenset(
    {"GB18030", "GBK", "GB2312", "GB_2312-80", "ISO 2022 GBK", "ISO 2022 58", "ISO_IR 58", "CP936", "GB18030-2022"}
)
_UTF8_LABELS = frozenset({"ISO_IR 192", "UTF-8", "UTF8", "ISO 2022 IR 192"})
_LATIN_LABELS = frozenset({"", "ISO_IR 6", "ISO 2022 IR 6", "ISO_IR 100", "ISO 2022 IR 100", "ASCII", "ISO_IR 1"})
_PN_DELIMITERS = {0x5C, 0x5E, 0x3D, 0x0A, 0x0D}
_TEXT_DELIMITERS = {0x5C, 0x09, 0x0A, 0x0C, 0x0D}
_ESCAPE = 0x1B


@dataclass(frozen=True, slots=True)
class TextReader:
    """Decodes the texts of one data set."""

    codec: str
    """Python codec of everything without escape sequences."""
    extensions: tuple[str, ...] = ()
    """Python codecs of all values of Specific Character Set when it names code extensions; the first is `codec`."""
    doubt: str = ""
    """Why the label is not believed, in Chinese; empty if it is."""

    def text(self, value: bytes, *, name: bool = False) -> str:
        """The text of a value, backslashes and `^` `=` still in it, padding kept. What fits no reading becomes U+FFFD."""
        if value.isascii() and (not self.extensions or _ESCAPE not in value):
            return value.decode("ascii")
        if self.extensions and _ESCAPE in value:
            try:
                delimiters = _PN_DELIMITERS if name else _TEXT_DELIMITERS
                return pydicom_charset.decode_bytes(value, self.extensions, delimiters)
            except (UnicodeError, LookupError, ValueError):
                return value.decode(self.codec, "replace")
        return value.decode(self.codec, "replace")


ASCII_READER = TextReader("latin-1")


def reader_for(label: Sequence[str], values: Iterable[bytes]) -> TextReader:
    """How to read the texts of a data set whose Specific Character Set is `label`, judged by all its text `values`.

    A label is believed unless the bytes contradict it: then strict UTF-8 is tried, then GB 18030 with a look at whether the
    characters are ones that people use.
    """
    terms = [_normalised(term) for term in label] or [""]
    sample = [value for value in values if not value.isascii()]
    plain = [value for value in sample if _ESCAPE not in value]
    if len(terms) > 1:
        return _extended(terms, plain)
    term = terms[0]
    if term in _UTF8_LABELS:
        return _labelled_utf8(plain, term)
    if term in _GB_LABELS:
        return _labelled_gb(plain, term)
    if term in _LATIN_LABELS:
        return _labelled_latin(plain, term)
    return _labelled_other(plain, term)


def plausibility(text: str) -> float:
    """How likely the characters beyond ASCII are Chinese that people write: about 1 for common ones, below 0 for nonsense."""
    scores = [_score(character) for character in text if ord(character) > 127]
    return sum(scores) / len(scores) if scores else 0.0


def encode(text: str, label: str) -> bytes:
    """`text` in the character set `label`. Raises ValueError where the set lacks a character: nothing becomes `?`."""
    reader = reader_for(label.split("\\"), ())
    for codec in reader.extensions or (reader.codec,):
        try:
            return text.encode(codec)
        except UnicodeEncodeError:
            continue
    raise ValueError(f"a character is not in {label}")


def _normalised(term: str) -> str:
    """A defined term as it should be written; typing mistakes that leave no doubt are mended."""
    term = re.sub(r"\s+", " ", term.strip().upper())
    if match := re.fullmatch(r"ISO[ _-]?(2022[ _-])?IR[ _-]?(\d+)", term):
        return f"ISO 2022 IR {match[2]}" if match[1] else f"ISO_IR {match[2]}"
    return term


def _labelled_utf8(sample: list[bytes], term: str) -> TextReader:
    if _decodes(sample, UTF8) or not _is_gb(sample):
        return TextReader(UTF8)
    return TextReader(GB, doubt=_doubt(term, GB))


def _labelled_gb(sample: list[bytes], term: str) -> TextReader:
    if not sample or not _decodes(sample, UTF8):
        return TextReader(GB)
    as_utf8, as_gb = _joined(sample, UTF8), _joined(sample, GB)
    if _decodes(sample, GB) and plausibility(as_gb) >= plausibility(as_utf8):
        return TextReader(GB)
    return TextReader(UTF8, doubt=_doubt(term, UTF8))


def _labelled_latin(sample: list[bytes], term: str) -> TextReader:
    if not sample:
        return ASCII_READER
    if guess := _guess(sample):
        return TextReader(guess, doubt=_doubt(term, guess))
    if term in ("ISO_IR 100", "ISO 2022 IR 100"):
        return ASCII_READER
    return TextReader("latin-1", doubt="未声明字符集而含有非 ASCII 文字，无法判定其编码，请与原系统核对")


def _labelled_other(sample: list[bytes], term: str) -> TextReader:
    """A single-byte set, or a term that does not exist."""
    known = pydicom_charset.python_encoding.get(term)
    if known is None:
        guess = _guess(sample) if sample else None
        return TextReader(guess or "latin-1", doubt=_doubt(term, guess) if sample else "")
    if not sample or _decodes(sample, known):
        return TextReader(known, extensions=(known,))
    guess = _guess(sample)
    return TextReader(guess, doubt=_doubt(term, guess)) if guess else TextReader(known, extensions=(known,))


def _extended(terms: list[str], sample: list[bytes]) -> TextReader:
    """Code extensions: every value has its codec; the first also reads what comes before any escape sequence."""
    known = [pydicom_charset.python_encoding.get(term) for term in terms]
    if not terms[0]:
        known[0] = pydicom_charset.python_encoding["ISO_IR 6"]
    found = tuple(codec for codec in known if codec)
    if not sample or (found and terms[0] not in _LATIN_LABELS and _decodes(sample, found[0])):
        return TextReader(found[0] if found else "latin-1", extensions=found)
    # Bytes beyond ASCII outside any escape sequence: allowed in the right half of the first set only.
    guess = _guess(sample)
    if guess:
        return TextReader(guess, extensions=(guess, *found[1:]), doubt=_doubt("\\".join(terms), guess))
    return TextReader(found[0] if found else "latin-1", extensions=found)


def _guess(sample: list[bytes]) -> str | None:
    """UTF-8 if all values are, unless the characters are odd and GB 18030 gives better ones."""
    if not _decodes(sample, UTF8):
        return GB if _is_gb(sample) else None
    text = _joined(sample, UTF8)
    beyond = [c for c in text if ord(c) > 127]
    # Two-byte sequences: accents stand among letters, while a short Chinese word stands alone.
    alone = sum(c.isascii() and c.isalpha() for c in text) < len(beyond)
    odd = plausibility(text) < 0 if min(beyond) >= "\u2000" else alone
    return GB if odd and _is_gb(sample) and plausibility(_joined(sample, GB)) > plausibility(text) else UTF8


def _is_gb(sample: list[bytes]) -> bool:
    if not sample or not _decodes(sample, GB):
        return False
    # Western texts hold no bytes of the C1 range; with one, rare characters are more likely than nonsense.
    control = any(0x80 <= byte < 0xA0 for value in sample for byte in value)
    return plausibility(_joined(sample, GB)) >= (-0.31 if control else 0.3)


def _decodes(sample: list[bytes], codec: str) -> bool:
    try:
        for value in sample:
            codecs.decode(value, codec)
    except (UnicodeError, LookupError):
        return False
    return True


def _joined(sample: list[bytes], codec: str) -> str:
    return "".join(value.decode(codec, "replace") for value in sample)


def _score(character: str) -> float:
    """1 for the 3,755 most used characters of GB 2312, less for others, negative for what is no Chinese text."""
    try:
        code = character.encode("gb2312")
    except UnicodeEncodeError:
        # Rare characters of names count against the reading a little, letters and symbols much.
        return -0.3 if "\u3400" <= character <= "\u9fff" or "\U00020000" <= character <= "\U0003ffff" else -1.0
    if code[0] < 0xB0:
        return 0.0 if character in "·、，。：；（）－—“”《》①②③④⑤℃×°～％＋／" else -0.5
    return 1.0 if code[0] < 0xD8 else 0.5


def _doubt(term: str, guess: str | None) -> str:
    label = f"声明的字符集为 {term}" if term else "未声明字符集"
    if guess is None:
        return f"{label}，该写法不存在，无法判定其编码，请与原系统核对"
    return f"{label}，文字实为 {_NAMES[guess]}，已按 {_NAMES[guess]} 显示，原始数据未改动"
