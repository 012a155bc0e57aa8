"""Names: groups and components (PS3.5 6.2.1), search by characters, by pinyin and by initials, over blind tokens."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice, product

from pypinyin import Style, pinyin

from .model import PersonName

Tokenise = Callable[[str, str], str]
"""(kind of token, value) -> blind token; see `FieldCipher.token`."""

_MAX_READINGS = 12
_MAX_RUN = 6
_MAX_LATIN = 40
_SEPARATORS = re.compile(r"[\s^=.,·•・‧˙'’-]+")
_HAN = re.compile(r"[\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
# Readings of characters as surnames, where a dictionary lists another one first (PS3.5 knows nothing of these).
_SURNAMES = {
    "单": "shan", "曾": "zeng", "解": "xie", "仇": "qiu", "区": "ou", "查": "zha", "任": "ren", "尉": "yu", "朴": "piao",
    "盖": "ge", "乐": "yue", "召": "shao", "种": "chong", "秘": "bi", "繁": "po", "折": "she", "黑": "he", "员": "yun",
    "冼": "xian", "覃": "qin", "翟": "zhai", "燕": "yan", "华": "hua", "宁": "ning", "柏": "bai", "缪": "miao", "郇": "xun",
    "逄": "pang", "万": "wan", "谌": "chen", "隗": "wei", "訾": "zi", "牟": "mu", "贲": "ben", "洗": "xian", "过": "guo",
    "哈": "ha", "重": "chong", "葛": "ge", "纪": "ji", "應": "ying", "应": "ying", "褶": "xi", "便": "pian", "句": "gou",
}  # fmt: skip


def parse_name(text: str) -> PersonName:
    """A name out of the text of a PN value: three groups split by `=`, padding removed.

    Chinese characters in the first group, where many systems put them, count as the ideographic group.
    """
    groups = [part.strip(" \0") for part in text.split("=")]
    alphabetic, ideographic, phonetic = (*groups, "", "", "")[:3]
    alphabetic, ideographic, phonetic = (g.rstrip("^ ") for g in (alphabetic, ideographic, phonetic))
    if not ideographic and _HAN.search(alphabetic):
        return PersonName("", alphabetic, phonetic)
    return PersonName(alphabetic, ideographic, phonetic)


def parse_groups(text: str) -> dict[str, str]:
    """The groups of a PN value by their names in the DICOM JSON model (PS3.18 F.2.2), exactly as written; empty ones left out."""
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), text.split("="), strict=False)
    return {name: part.strip(" \0") for name, part in groups if part.strip(" \0")}


def folded(text: str) -> str:
    """The text for comparison: compatibility forms, case and accents folded, separators removed, `ü` as `v`."""
    text = unicodedata.normalize("NFKC", text).lower().replace("ü", "v")
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
        text = unicodedata.normalize("NFC", text)
    return _SEPARATORS.sub("", text)


def readings(han: str) -> list[tuple[str, ...]]:
    """The pinyin readings of a Chinese name by syllables, likeliest first, at most twelve; a surname's own reading leads."""
    choices = []
    for index, (character, found) in enumerate(
        zip(han, pinyin(han, style=Style.NORMAL, heteronym=True, v_to_u=False), strict=False)
    ):
        options = dict.fromkeys(folded(option) for option in found)
        first = _SURNAMES.get(character) if index == 0 else None
        ordered = dict.fromkeys(([first] if first else []) + list(options))
        choices.append(
            [
                variant
                for option in ordered
                for variant in ([option, option.replace("v", "u")] if "v" in option else [option])
            ]
        )
    return list(islice(product(*choices), _MAX_READINGS))


def tokens(name: PersonName, tokenise: Tokenise) -> list[str]:
    """Blind tokens under which the name is found: runs of characters, beginnings of pinyin and of Latin parts, initials."""
    found: dict[tuple[str, str], None] = {}
    for han in _han_parts(name):
        found.update(dict.fromkeys(("han", run) for run in _runs(han)))
        for syllables in readings(han):
            found.update(dict.fromkeys(("latin", p) for p in _prefixes("".join(syllables))))
            found.update(dict.fromkeys(("latin", p) for p in _prefixes("".join(syllables[1:]))))
            found.update(dict.fromkeys(("latin", p) for p in _prefixes("".join(s[0] for s in syllables))))
    for words in _latin_words(name):
        for index in range(len(words)):
            found.update(dict.fromkeys(("latin", p) for p in _prefixes("".join(words[index:]))))
        found.update(dict.fromkeys(("latin", p) for p in _prefixes("".join(w[0] for w in words))))
    return [tokenise(kind, value) for kind, value in found]


@dataclass(frozen=True, slots=True)
class NameQuery:
    """What a person typed, or a DICOM matching key: tokens to look up, and the exact check of an opened name."""

    text: str
    exact: bool = False
    """Whole names only, as DICOM matches without wildcards (PS3.4 C.2.2.2.1); else characters anywhere, letters from a beginning."""

    @property
    def wildcard(self) -> bool:
        """Whether this is a DICOM pattern with `*` or `?`."""
        return "*" in self.text or "?" in self.text

    def lookup(self, tokenise: Tokenise) -> str:
        """A blind token that every match has among its own; empty where there is none (such as `*xiao*`): then only the check decides."""
        literals = [folded(part) for part in re.split(r"[*?=]+", self.text)]
        han = max((run for part in literals for run in _HAN.findall(part)), key=len, default="")
        if han:
            return tokenise("han", han[:_MAX_RUN])
        first = "" if self.text[:1] in "*?" else literals[0]
        return tokenise("latin", first[:_MAX_LATIN]) if first and first.isascii() else ""

    def matches(self, name: PersonName) -> bool:
        """Whether the opened name fits."""
        wanted = "".join(part if part in "*?" else folded(part) for part in re.split(r"([*?])", self.text))
        if not wanted.strip("*"):
            return True
        forms = list(_forms(name))
        if self.wildcard or self.exact:
            pattern = re.compile("".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in wanted), re.DOTALL)
            return any(pattern.fullmatch(form) for form in forms)
        if _HAN.search(wanted):
            return any(wanted in form for form in forms)
        return any(form.startswith(wanted) for form in forms)


def _han_parts(name: PersonName) -> list[str]:
    """The Chinese characters of the name, joined over separators."""
    whole = ["".join(_HAN.findall(folded(group))) for group in (name.ideographic, name.alphabetic, name.phonetic)]
    return [han[:_MAX_LATIN] for han in dict.fromkeys(whole) if han]


def _latin_words(name: PersonName) -> list[list[str]]:
    """The words of each group that is not Chinese, folded."""
    found = []
    for group in (name.alphabetic, name.ideographic, name.phonetic):
        if group and not _HAN.search(group):
            words = [folded(word) for word in re.split(r"[\s^,]+", group)]
            if words := [word for word in words if word][:8]:
                found.append(words)
    return found


def _forms(name: PersonName) -> Iterable[str]:
    """Everything that a name is compared as."""
    for group in (name.alphabetic, name.ideographic, name.phonetic):
        if group:
            yield folded(group)
    for han in _han_parts(name):
        for syllables in readings(han):
            yield "".join(syllables)
            yield "".join(syllables[1:])
            yield "".join(s[0] for s in syllables)
    for words in _latin_words(name):
        yield from ("".join(words[index:]) for index in range(len(words)))
        yield "".join(word[0] for word in words)


def _runs(han: str) -> Iterable[str]:
    return (han[i:j] for i in range(len(han)) for j in range(i + 1, min(len(han), i + _MAX_RUN) + 1))


def _prefixes(latin: str) -> Iterable[str]:
    return (latin[:n] for n in range(1, min(len(latin), _MAX_LATIN) + 1))
