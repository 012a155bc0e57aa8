"""The query parameters of QIDO-RS (PS3.18 8.3.4) and of rendering (8.3.5): typed, bounded, each error naming its parameter."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from backend.archive.rules import MAX_PAGE
from backend.platform.errors import Invalid

from .attributes import attribute, level_of
from .model import Attribute, Function, Level, Match, Rendering, Search, Viewport, Window

MAX_OFFSET = 100_000
MAX_PARAMETERS, MAX_VALUE, MAX_UIDS = 40, 1024, 100
MAX_SIDE = 8192
"""Largest side of a picture that may be asked for, pixels."""

UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_TIME = re.compile(r"([01]\d|2[0-3])(?:([0-5]\d)(?:([0-5]\d|60)(?:\.(\d{1,6}))?)?)?")
_NUMBER = re.compile(r"[+-]?\d{1,12}")
_LISTS = frozenset({"UI", "CS"})

Arguments = Mapping[str, Sequence[str]]
"""Query parameters, each with its values in the order given."""


def invalid(parameter: str, remedy: str) -> Invalid:
    """The error for a wrong value."""
    return Invalid(f"参数 {parameter} 的值有误：{remedy}。", code="invalid-parameter", parameter=parameter)


def parse_uid(text: str, parameter: str) -> str:
    """A UID (PS3.5 9.1). Raises `Invalid`."""
    if len(text) > 64 or not UID.fullmatch(text):
        raise invalid(parameter, "UID 只能由数字和点组成，最长 64 个字符")
    return text


def parse_search(level: Level, arguments: Arguments, *, study: str = "", series: str = "") -> Search:
    """The search that the parameters ask for. Raises `Invalid` for the first that cannot be read."""
    if sum(len(values) for values in arguments.values()) > MAX_PARAMETERS:
        raise Invalid(f"查询参数过多，最多 {MAX_PARAMETERS} 个。", code="too-many-parameters")
    warnings: list[str] = []
    matches: list[Match] = []
    include: list[Attribute] = []
    include_all = fuzzy = False
    limit, offset = 100, 0
    for name, values in arguments.items():
        if any(len(value) > MAX_VALUE for value in values):
            raise invalid(_printable(name), f"最长 {MAX_VALUE} 个字符")
        match name.lower():
            case "includefield":
                fields = [f.strip() for value in values for f in value.split(",") if f.strip()]
                include_all = include_all or "all" in fields
                include += [attribute(f, "includefield") for f in fields if f != "all"]
            case "fuzzymatching":
                fuzzy = _boolean(values[-1], "fuzzymatching")
            case "limit":
                limit = _integer(values[-1], "limit", 1, None)
            case "offset":
                offset = _integer(values[-1], "offset", 0, MAX_OFFSET)
            case "accept" | "charset":
                continue
            case "emptyvaluematching" | "multiplevaluematching":
                if _boolean(values[-1], name):
                    warnings.append(f"{name} is not supported and was ignored")
            case _:
                found = _match(attribute(name, name), values, level, warnings)
                matches += [found] if found else []
                include.append(attribute(name, name))
    if limit > MAX_PAGE:
        limit = MAX_PAGE
        warnings.append(f"The limit was reduced to {MAX_PAGE}, the maximum supported by the server")
    return Search(
        level, study, series, tuple(matches), tuple(include), include_all, fuzzy, limit, offset, tuple(warnings)
    )


def parse_rendering(arguments: Arguments) -> Rendering:
    """How a picture is to be rendered. Raises `Invalid` for the first parameter that cannot be read."""
    warnings = [
        f"The {name} parameter is not supported and was ignored"
        for name in ("annotation", "iccprofile", "presentationseriesuid", "presentationuid")
        if name in arguments and arguments[name][-1] not in ("", "no")
    ]
    return Rendering(
        window=_window(arguments["window"][-1]) if "window" in arguments else None,
        viewport=_viewport(arguments["viewport"][-1]) if "viewport" in arguments else None,
        quality=_integer(arguments["quality"][-1], "quality", 1, 100) if "quality" in arguments else 90,
        warnings=tuple(warnings),
    )


def parse_frames(text: str) -> list[int]:
    """Frame numbers of a path, from 1, in the order asked. Raises `Invalid`."""
    numbers = [_integer(part, "frames", 1, 1_000_000) for part in text.split(",")[:1001]]
    if len(numbers) > 1000:
        raise invalid("frames", "一次最多 1000 帧")
    return numbers


def _match(attribute: Attribute, values: Sequence[str], level: Level, warnings: list[str]) -> Match | None:
    """The condition; None for universal matching and, with a warning, for what this level cannot match."""
    given = [value for value in values if value.strip() not in ("", "*")]
    if not given:
        return None
    if not _supported(attribute, level):
        warnings.append(f"Matching on {attribute.keyword} is not supported and was ignored")
        return None
    if attribute.vr in _LISTS:
        return _list(attribute, given)
    if len(given) > 1:
        raise invalid(attribute.keyword, "只能给出一次")
    return _single(attribute, given[0].strip())


def _list(attribute: Attribute, given: Sequence[str]) -> Match:
    """List of UID matching (PS3.4 C.2.2.2.2), for codes as well; separated by commas, backslashes or repetition."""
    name = attribute.keyword
    parts = [part.strip() for value in given for part in re.split(r"[,\\]", value) if part.strip()]
    if not 0 < len(parts) <= MAX_UIDS:
        raise invalid(name, f"应为 1 至 {MAX_UIDS} 个值")
    if attribute.vr == "UI":
        return Match(attribute, values=tuple(parse_uid(part, name) for part in parts))
    if len(parts) == 1 and ("*" in parts[0] or "?" in parts[0]):
        return Match(attribute, pattern=parts[0])
    return Match(attribute, values=tuple(parts))


def _single(attribute: Attribute, value: str) -> Match:
    """Single value, range or wild card matching."""
    if attribute.vr == "DA":
        return _range(attribute, value, _date, _date)
    if attribute.vr == "TM":
        return _range(attribute, value, _time, lambda text, p: _time(text, p, last=True))
    if attribute.vr in ("IS", "US"):
        if not _NUMBER.fullmatch(value):
            raise invalid(attribute.keyword, "应为整数")
        return Match(attribute, values=(str(int(value)),))
    if attribute.vr == "PN" or "*" in value or "?" in value:
        return Match(attribute, pattern=value)
    return Match(attribute, values=(value,))


def _supported(attribute: Attribute, level: Level) -> bool:
    """Levels match on their own attributes and on those above (relational queries)."""
    order = list(Level)
    own = level_of(attribute)
    return own is not None and order.index(own) <= order.index(level)


def _range(attribute: Attribute, value: str, low: Callable[[str, str], str], high: Callable[[str, str], str]) -> Match:
    """Range matching of PS3.4 C.2.2.2.5; a single value is a range of itself."""
    start, dash, end = value.partition("-")
    if dash and not (start or end):
        raise invalid(attribute.keyword, "区间至少应给出一端，如 20260101-20260131")
    if not dash:
        end = start
    match = Match(
        attribute,
        low=low(start, attribute.keyword) if start else None,
        high=high(end, attribute.keyword) if end else None,
    )
    if match.low and match.high and match.low > match.high:
        raise invalid(attribute.keyword, "区间的起点晚于终点")
    return match


def _date(text: str, parameter: str) -> str:
    try:
        return datetime.strptime(text, "%Y%m%d").strftime("%Y%m%d")
    except ValueError:
        raise invalid(parameter, "日期应写成 YYYYMMDD，区间写成 YYYYMMDD-YYYYMMDD") from None


def _time(text: str, parameter: str, *, last: bool = False) -> str:
    """The time in full; of one given in part, its first or last instant."""
    found = _TIME.fullmatch(text)
    if not found:
        raise invalid(parameter, "时间应写成 HHMMSS，区间写成 HHMMSS-HHMMSS")
    hour, minute, second, fraction = found.groups()
    filler = ("59", "59", "9") if last else ("00", "00", "0")
    return f"{hour}{minute or filler[0]}{second or filler[1]}.{(fraction or '').ljust(6, filler[2])}"


def _window(text: str) -> Window:
    parts = text.split(",")
    if len(parts) not in (2, 3):
        raise invalid("window", "应写成 窗位,窗宽,函数，如 40,400,linear")
    center, width = _real(parts[0], "window"), _real(parts[1], "window")
    try:
        function = Function(parts[2].strip().lower().replace("_", "-")) if len(parts) == 3 else Function.LINEAR
    except ValueError:
        raise invalid("window", "函数只能是 linear、linear-exact 或 sigmoid") from None
    # PS3.3 C.11.2.1.2.1 and C.11.2.1.3.2: linear needs a width of at least 1, the others more than 0.
    if width < 1 if function is Function.LINEAR else width <= 0:
        raise invalid("window", "窗宽应不小于 1" if function is Function.LINEAR else "窗宽应大于 0")
    return Window(center, width, function)


def _viewport(text: str) -> Viewport:
    parts = text.split(",")
    if len(parts) not in (2, 6):
        raise invalid("viewport", "应写成 宽,高 或 宽,高,左,上,区域宽,区域高")
    size = [_integer(part, "viewport", 1, MAX_SIDE) for part in parts[:2]]
    if len(parts) == 2:
        return Viewport(size[0], size[1])
    x, y = (_real(part, "viewport") if part.strip() else 0.0 for part in parts[2:4])
    region = [_real(part, "viewport") if part.strip() else None for part in parts[4:]]
    if x < 0 or y < 0 or 0 in region:
        raise invalid("viewport", "左、上不能为负，区域宽、高不能为零")
    return Viewport(size[0], size[1], x, y, region[0], region[1])


def _real(text: str, parameter: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not abs(number) < 1e9:
        raise invalid(parameter, "应为数字")
    return number


def _integer(text: str, parameter: str, low: int, high: int | None) -> int:
    number = int(text) if _NUMBER.fullmatch(text.strip()) else None
    if number is None or number < low or (high is not None and number > high):
        bounds = f"{low} 至 {high} 的整数" if high is not None else f"不小于 {low} 的整数"
        raise invalid(parameter, f"应为{bounds}")
    return number


def _boolean(text: str, parameter: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise invalid(_printable(parameter), "应为 true 或 false")
    return text.lower() == "true"


def _printable(name: str) -> str:
    return name if name.isascii() and name.isprintable() and len(name) <= 64 else "?"
