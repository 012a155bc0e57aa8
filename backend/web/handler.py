"""The base of all handlers: who acts, may they enter, JSON in and out, errors as problem documents, headers that keep data off terminals."""

from __future__ import annotations

import json
import logging
import re
from typing import Any, Protocol

import tornado.web
from tornado.httputil import HTTPServerRequest

from backend.access.model import ANONYMOUS, Kind, Principal
from backend.access.rules import decide_action
from backend.audit.model import Origin, origin
from backend.platform import errors, ids

from .problem import CONTENT_TYPE, problem, status_of
from .router import Route

log = logging.getLogger("yunying.web")
_MAX_JSON = 1 << 20


class Authenticator(Protocol):
    """Finds out who sends a request."""

    async def authenticate(self, request: HTTPServerRequest) -> Principal:
        """The principal, or `ANONYMOUS`. Raises `Unauthenticated` for a credential that was given and is bad."""
        ...


class Handler(tornado.web.RequestHandler):
    """Subclasses annotate what `Route.deps` gives them and write thin methods."""

    principal: Principal = ANONYMOUS
    request_id: str = ""

    def initialize(self, route: Route) -> None:
        """Takes the route's dependencies as attributes."""
        self.route = route
        for name, value in route.deps.items():
            setattr(self, name, value)

    async def prepare(self) -> None:
        """Settles origin and principal, and applies the route's declared rule before any method body runs."""
        self.request_id = ids.public_id(12)
        origin.set(
            Origin(
                address=self.request.remote_ip or "",
                agent=self.request.headers.get("User-Agent", "")[:200],
                request_id=self.request_id,
                entry="web",
            )
        )
        rule = self.route.rules.get(self.request.method or "")
        if rule is None:
            return  # Tornado answers 405: the handler has no such method either, `router.check` made sure.
        if self._cross_site():
            raise errors.Forbidden("请求来自其他网站，已拒绝。请在本站页面内操作。", code="cross-site")
        authenticator: Authenticator = self.settings["authenticator"]
        try:
            self.principal = await authenticator.authenticate(self.request)
        except errors.Unauthenticated:
            if not rule.public:
                raise
        if rule.public or rule.action is None:
            return
        if not decide_action(self.principal, rule.action).allowed:
            raise errors.Unauthenticated if self.principal.kind is Kind.ANONYMOUS else errors.Forbidden

    def _cross_site(self) -> bool:
        """True for a state-changing request that a browser sends from another site with this site's cookie."""
        if self.request.method in ("GET", "HEAD", "OPTIONS") or "Authorization" in self.request.headers:
            return False
        site = self.request.headers.get("Sec-Fetch-Site")
        if site is not None:
            return site not in ("same-origin", "none")
        source = self.request.headers.get("Origin")
        return source is not None and source.split("://")[-1] != self.request.host

    def set_default_headers(self) -> None:
        """Nothing private is kept by browsers or proxies, framed, sniffed or referred."""
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("X-Frame-Options", "DENY")
        self.set_header("Cross-Origin-Opener-Policy", "same-origin")
        self.set_header("Permissions-Policy", "geolocation=(), microphone=(), payment=()")

    def compute_etag(self) -> None:
        """No entity tags: private answers are not stored, and hashing pictures costs time."""

    def json_body(self) -> dict[str, Any]:
        """The body as a JSON object. Raises `Invalid`; values are checked by the caller with `web.fields`."""
        if len(self.request.body) > _MAX_JSON:
            raise errors.TooLarge("提交的内容过大。")
        try:
            body = json.loads(self.request.body or b"{}")
        except (ValueError, RecursionError):
            raise errors.Invalid("请求内容不是有效的 JSON。") from None
        if not isinstance(body, dict):
            raise errors.Invalid("请求内容应为 JSON 对象。")
        return body

    def answer(self, value: Any, status: int = 200) -> None:
        """Writes `value` as JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str))

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Maps our errors to their status before Tornado writes them."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if isinstance(error, errors.YunyingError):
            status_code = status_of(error)
        super().send_error(status_code, **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """A problem document; to a browser that asked for a page, a page that says the same."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if isinstance(error, errors.YunyingError):
            code, text, details = error.code, error.text, error.details
        else:
            code, text, details = _generic(status_code)
        if "retry_after" in details:
            self.set_header("Retry-After", str(details["retry_after"]))
        if status_code == 401:
            self.set_header("WWW-Authenticate", 'Bearer realm="yunying"')
        document = problem(status_code, code, text, self.request_id, **details)
        page = self.settings.get("error_page")
        if page is not None and _wants_page(self.request):
            self.set_header("Content-Type", "text/html; charset=utf-8")
            self.finish(page(self, document))
            return
        self.set_header("Content-Type", CONTENT_TYPE)
        self.finish(json.dumps(document, ensure_ascii=False, default=str))

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Errors raised on purpose are logged as a line without a trace; others with one, without the request's content."""
        if isinstance(value, errors.YunyingError):
            log.info("%s %s -> %s [%s]", self.request.method, self.route.pattern, value.code, self.request_id)
        elif isinstance(value, tornado.web.HTTPError):
            log.info("%s -> %s [%s]", self.request.method, value.status_code, self.request_id)
        else:
            log.error("%s %s failed [%s]", self.request.method, self.route.pattern, self.request_id, exc_info=value)


class NotFoundHandler(Handler):
    """Answers every path that no route claims."""

    def initialize(self, route: Route | None = None) -> None:
        """Has no dependencies."""
        self.route = route or Route("(unknown)", NotFoundHandler, {})

    async def prepare(self) -> None:
        """Refuses whatever was asked."""
        self.request_id = ids.public_id(12)
        raise errors.NotFound("没有这个页面，请检查地址是否完整。")


def log_request(handler: tornado.web.RequestHandler) -> None:
    """One line a request: the route's pattern, never the path, which may hold a secret or an id."""
    route: Route | None = getattr(handler, "route", None)
    log.info(
        "%s %s %d %.1f ms [%s]",
        handler.request.method,
        route.pattern if route else "-",
        handler.get_status(),
        1000 * handler.request.request_time(),
        getattr(handler, "request_id", "-"),
    )


def _wants_page(request: HTTPServerRequest) -> bool:
    accept = request.headers.get("Accept", "")
    return bool(re.search(r"\btext/html\b", accept)) and not request.path.startswith(("/api/", "/dicom-web/"))


def _generic(status: int) -> tuple[str, str, dict[str, Any]]:
    texts = {
        400: ("invalid", "请求内容有误，请检查后重新提交。"),
        403: ("forbidden", "请求被拒绝。"),
        404: ("not-found", "没有这个页面，请检查地址是否完整。"),
        405: ("method-not-allowed", "该地址不支持此操作。"),
        413: ("too-large", "提交的内容过大。"),
    }
    code, text = texts.get(status, ("internal", "系统出现错误，已记录。请稍后再试；若反复出现，请将编号告知管理员。"))
    return code, text, {}
