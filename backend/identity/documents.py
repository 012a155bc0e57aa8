"""Numbers that identify a person: the citizen's number of GB 11643-1999, mobile phone numbers, and names as they are compared."""

from __future__ import annotations

import re
import unicodedata
from datetime import date

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK = "10X98765432"
# Province-level prefixes of GB/T 2260, with those of Taiwan, Hong Kong and Macao as they stand on residence permits.
_REGIONS = frozenset(
    {
        *(f"{n}" for n in (*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55))),
        *(f"{n}" for n in (*range(61, 66), 71, 81, 82, 83)),
    }
)
_EARLIEST = date(1880, 1, 1)


def normal_id_number(text: str) -> str:
    """The number as it is compared: no spaces or hyphens, full-width digits made plain, the check letter a capital X."""
    return re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", text)).upper()


def is_id_number(text: str, today: date) -> bool:
    """Whether this is a citizen's number: 18 characters, known region, a real day of birth not after `today`, right check digit.

    The check digit tells a slip of the pen, not who somebody is.
    """
    number = normal_id_number(text)
    if not re.fullmatch(r"[0-9]{17}[0-9X]", number) or number[:2] not in _REGIONS:
        return False
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, number, strict=False))
    return _EARLIEST <= born <= today and _CHECK[total % 11] == number[17]


def normal_phone(text: str) -> str:
    """A mobile number of the mainland as 11 digits, without +86, spaces or hyphens; empty if it is none."""
    digits = re.sub(r"[\s()-]", "", unicodedata.normalize("NFKC", text))
    digits = re.sub(r"^(\+?86|0086)(?=1)", "", digits)
    return digits if re.fullmatch(r"1[3-9][0-9]{9}", digits) else ""


def normal_name(text: str) -> str:
    """A name as it is compared: letters and characters only, width and case folded. Middle dots, carets and spaces do not count."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())
