"""Routes x principals, generated from a route table and the policy (R1): what each request must be answered with, and what it is."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from backend.access.model import Kind, Principal
from backend.access.rules import decide_action
from backend.web.router import Route

Ask = Callable[[str, str, str], Awaitable[int]]
"""(principal's name, method, path) -> status."""


@dataclass(frozen=True)
class Cell:
    """One request."""

    route: Route
    method: str
    who: str
    path: str


_GROUP = re.compile(r"\(\?P<(\w+)>((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)")
_CLASS = re.compile(r"\[([^\]])[^\]]*\](?:\{[^}]*\})?")

Values = Mapping[str, Sequence[str]]
"""Name of a group -> texts to try for it."""


def path_of(pattern: str, values: Values) -> str:
    """A path that the pattern takes: for each named group the first of its values that fits."""
    pieces, end = [], 0
    for group in _GROUP.finditer(pattern):
        pieces.append(_CLASS.sub(r"\1", pattern[end : group.start()]))
        pieces.append(next(value for value in values[group[1]] if re.fullmatch(group[2], value)))
        end = group.end()
    pieces.append(_CLASS.sub(r"\1", pattern[end:]))
    path = "".join(pieces).replace("\\", "")
    assert re.fullmatch(pattern, path), f"no example path for {pattern}: {path}"
    return path


def cells(routes: Iterable[Route], principals: Mapping[str, Principal], values: Values) -> list[Cell]:
    """All cells of the table."""
    return [
        Cell(route, method, who, path_of(route.pattern, values))
        for route in routes
        for method in route.rules
        for who in principals
    ]


async def wrong_cells(table: Iterable[Cell], principals: Mapping[str, Principal], ask: Ask) -> list[str]:
    """Cells that are not answered as the policy says; a good table gives none.

    Whoever may not do a route's action gets 401 when nobody is signed in and 403 otherwise; whoever may gets neither
    (what then comes depends on the resource and on the body).
    """
    wrong = []
    for cell in table:
        rule, principal = cell.route.rules[cell.method], principals[cell.who]
        status = await ask(cell.who, cell.method, cell.path)
        if rule.public:
            right = status != 403
        elif rule.action is not None and decide_action(principal, rule.action).allowed:
            right = status not in (401, 403)
        else:
            right = status == (401 if principal.kind is Kind.ANONYMOUS else 403)
        if not right:
            wrong.append(f"{cell.method} {cell.route.pattern} as {cell.who}: {status}")
    return wrong
