"""Routes with a declared rule. One that declares nothing stops the start: deny by default begins here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import tornado.web
from tornado.httputil import HTTPServerRequest
from tornado.routing import PathMatches, URLSpec

from backend.access.model import Action
from backend.platform.errors import YunyingError


class UndeclaredRouteError(YunyingError):
    """A route says not who may enter; the server does not start."""

    code = "undeclared-route"


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may enter a route: whoever may do `action`, or everybody for a stated reason."""

    action: Action | None = None
    public: str = ""
    """Why this needs no sign-in; shown in the API description."""


def requires(action: Action) -> Rule:
    """Entry for principals whose rights include `action`; the resource itself is decided in the capability's rules."""
    return Rule(action=action)


def public(reason: str) -> Rule:
    """Entry for everybody, for a reason that a reviewer can weigh."""
    return Rule(public=reason)


@dataclass(frozen=True, slots=True)
class Operation:
    """What the API description says of one HTTP method."""

    summary: str
    parameters: tuple[dict[str, Any], ...] = ()
    body: dict[str, Any] | None = None
    """JSON schema of the body."""
    answer: dict[str, Any] | None = None
    """JSON schema of a good answer."""
    answer_type: str = "application/json"
    status: int = 200
    """The status of a good answer."""


@dataclass(frozen=True, slots=True)
class Route:
    """One path pattern (a regular expression with named groups), its handler, its rule by HTTP method, and what the handler is given."""

    pattern: str
    handler: type[tornado.web.RequestHandler]
    rules: dict[str, Rule]
    """HTTP method -> rule; a method that the handler has and this has not stops the start."""
    deps: dict[str, Any] = field(default_factory=dict)
    """Attributes set on the handler."""
    operations: dict[str, Operation] = field(default_factory=dict)
    """HTTP method -> description; routes under /api/v1 must describe each method."""


_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def methods_of(handler: type[tornado.web.RequestHandler]) -> list[str]:
    """HTTP methods that the handler implements itself."""
    base = tornado.web.RequestHandler
    return [m for m in _METHODS if getattr(handler, m.lower()) is not getattr(base, m.lower())]


def check(routes: Iterable[Route]) -> None:
    """Raises `UndeclaredRouteError` for the first method without a rule, or API method without a description."""
    for route in routes:
        for method in methods_of(route.handler):
            rule = route.rules.get(method)
            if rule is None or (rule.action is None and not rule.public):
                raise UndeclaredRouteError(f"路由 {method} {route.pattern} 没有声明访问规则，服务拒绝启动。")
            if route.pattern.startswith("/api/v1/") and method not in route.operations:
                raise UndeclaredRouteError(f"路由 {method} {route.pattern} 没有接口说明，服务拒绝启动。")


class _OneOf(PathMatches):
    """Matches a path for some methods only: several routes may share it, as reading and storing do in DICOMweb."""

    def __init__(self, pattern: str, methods: Iterable[str]) -> None:
        super().__init__(pattern)
        self._methods = frozenset(methods)

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """The path's groups if the method is one of these."""
        return super().match(request) if request.method in self._methods else None


def build(routes: Iterable[Route]) -> list[URLSpec]:
    """Tornado's specs of checked routes. Of routes with the same pattern the last one answers the methods that none has."""
    routes = list(routes)
    check(routes)
    last = {route.pattern: route for route in routes}
    specs = [URLSpec(r.pattern, r.handler, {"route": r}) for r in routes]
    for route, spec in zip(routes, specs, strict=True):
        if last[route.pattern] is not route:
            spec.matcher = _OneOf(route.pattern, route.rules)
    return specs
