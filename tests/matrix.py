"""Routes x principals, generated from a route table and the policy (R1): what each request must be answered with, and what it is."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from backend.access.model import ANONYMOUS, Kind, Principal
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


def path_of(pattern: str, values: Mapping[str, str]) -> str:
    """A path that the pattern takes, with these values for its named groups."""

    def value(match: re.Match[str]) -> str:
        return values[match[1]]

    path = re.sub(r"\(\?P<(\w+)>(?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)", value, pattern)
    path = path.replace("[msq]", "m").replace("[A-Za-z0-9_-]{1,64}", "x").replace("\\", "")
    assert re.fullmatch(pattern, path), f"no example path for {pattern}: {path}"
    return path


def cells(routes: Iterable[Route], principals: Mapping[str, Principal], values: Mapping[str, str]) -> list[Cell]:
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


__all__ = ["ANONYMOUS", "Cell", "cells", "path_of", "wrong_cells"]
