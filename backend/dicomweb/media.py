"""Content negotiation of PS3.18 8.7: media ranges as asked, offers as possible, and the one that is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backend.platform.errors import NotAcceptable

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
OCTETS = "application/octet-stream"
JPEG, PNG = "image/jpeg", "image/png"

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
ANY = "*"

_MAX_ACCEPT = 4096
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_RANGE = re.compile(rf"\s*({_WORD}/{_WORD})\s*")
_PARAMETER = re.compile(rf";\s*({_WORD})\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;,\"]*))\s*")

_COMPRESSED = {
    "image/jpeg": (
        "1.2.840.10008.1.2.4.50",
        "1.2.840.10008.1.2.4.51",
        "1.2.840.10008.1.2.4.57",
        "1.2.840.10008.1.2.4.70",
    ),
    "image/dicom-rle": ("1.2.840.10008.1.2.5",),
    "image/jls": ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"),
    "image/jp2": ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"),
    "image/jpx": ("1.2.840.10008.1.2.4.92", "1.2.840.10008.1.2.4.93"),
    "image/jphc": ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203"),
}
MEDIA_OF_SYNTAX = {syntax: media for media, syntaxes in _COMPRESSED.items() for syntax in syntaxes}
"""Transfer Syntax UID -> media type of a frame compressed so (PS3.18 Table 8.7.3-5)."""


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One element of an Accept header or `accept` query parameter."""

    media: str
    """Type and subtype, lower case; of the parts, where `multipart`."""
    multipart: bool
    transfer_syntax: str
    """UID, `*`, or empty if none was asked for."""
    quality: float


@dataclass(frozen=True, slots=True)
class Offer:
    """A representation that can be made."""

    media: str
    transfer_syntax: str = ""
    """Empty where the notion does not apply."""
    single: bool = True
    """Can be sent as the body itself."""
    multipart: bool = True
    """Can be sent as parts of multipart/related."""
    stored: bool = False
    """Is the form that is stored: what `transfer-syntax=*` asks for."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What will be sent."""

    media: str
    transfer_syntax: str
    multipart: bool

    @property
    def content_type(self) -> str:
        """The media type of the body, or of each part."""
        return f"{self.media}; transfer-syntax={self.transfer_syntax}" if self.transfer_syntax else self.media


def parse_accept(text: str) -> list[MediaRange]:
    """The ranges of an Accept value, best first; of an empty one, anything. Raises `NotAcceptable` for what cannot be read."""
    if len(text) > _MAX_ACCEPT:
        raise NotAcceptable("Accept 过长，无法解析。")
    ranges: list[MediaRange] = []
    position = 0
    while position < len(text):
        found = _RANGE.match(text, position)
        if found is None:
            raise NotAcceptable("Accept 的写法有误，应为以逗号分隔的媒体类型。")
        position, parameters = _parameters(text, found.end())
        ranges.append(_range(found[1].lower(), parameters))
    ranges = [r for r in ranges if r.quality > 0] if ranges else [MediaRange("*/*", False, "", 1.0)]
    return sorted(ranges, key=lambda r: -r.quality)


def choose(ranges: Sequence[MediaRange], offers: Sequence[Offer]) -> Chosen:
    """The first offer that the best range allows. Offers are in the order of our own preference.

    Raises `NotAcceptable` naming what there is.
    """
    for asked in ranges:
        allowed = [offer for offer in offers if _allows(asked, offer)]
        if asked.transfer_syntax == ANY:
            allowed.sort(key=lambda offer: not offer.stored)
        if allowed:
            return Chosen(allowed[0].media, allowed[0].transfer_syntax, asked.multipart or not allowed[0].single)
    raise NotAcceptable(acceptable=list(_describe(offers)))


def _parameters(text: str, position: int) -> tuple[int, dict[str, str]]:
    """Where the next range begins, and the parameters before it."""
    parameters: dict[str, str] = {}
    while found := _PARAMETER.match(text, position):
        name, quoted, plain = found.groups()
        parameters[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
        position = found.end()
    if position < len(text):
        if text[position] != ",":
            raise NotAcceptable("Accept 的参数写法有误。")
        position += 1
    return position, parameters


def _range(media: str, parameters: dict[str, str]) -> MediaRange:
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        raise NotAcceptable("Accept 中的 q 应为 0 至 1 的数。") from None
    multipart = media in ("multipart/related", "multipart/*")
    if multipart:
        media = parameters.get("type", "*/*").lower()
    if media == "application/json":
        media = DICOM_JSON
    return MediaRange(media, multipart, parameters.get("transfer-syntax", ""), quality)


def _allows(asked: MediaRange, offer: Offer) -> bool:
    if asked.multipart and not offer.multipart:
        return False
    if not asked.multipart and not offer.single and asked.media != "*/*":
        return False
    named = asked.media in ("*/*", offer.media)
    if not named and not (asked.media.endswith("/*") and offer.media.startswith(asked.media[:-1])):
        return False
    return asked.transfer_syntax in ("", ANY, offer.transfer_syntax)


def _describe(offers: Iterable[Offer]) -> Iterable[str]:
    for offer in offers:
        inner = f"; transfer-syntax={offer.transfer_syntax}" if offer.transfer_syntax else ""
        if offer.single:
            yield offer.media + inner
        if offer.multipart:
            yield f'multipart/related; type="{offer.media}"{inner}'
