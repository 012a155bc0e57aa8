"""The description of `/api/v1` (OpenAPI 3.1), made from the route table: what is served and what is said cannot differ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from .handler import Handler
from .router import Operation, Route, Rule, public

_GROUP = re.compile(r"\(\?P<(\w+)>((?:[^()\\]|\\.|\[[^\]]*\]|\((?:[^()]*)\))*)\)")
PATH = "/api/v1/openapi.json"

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "stable, for programs"},
        "detail": {"type": "string", "description": "Chinese, for people: what went wrong and what to do next"},
        "request_id": {"type": "string"},
        "field": {"type": "string", "description": "the field that is wrong"},
        "retry_after": {"type": "integer", "description": "seconds"},
    },
}
_PROBLEMS = {
    "400": "请求有误：字段缺失、格式或范围不对",
    "401": "需要验证身份，或凭证无效、已过期",
    "403": "身份已知，但没有此操作的权限",
    "404": "没有找到，或该身份无权知道其存在",
    "409": "与现有状态冲突",
    "429": "操作过于频繁；见 Retry-After",
    "503": "暂时不可用；见 Retry-After",
}


def describe(routes: Sequence[Route], version: str, server: str = "") -> dict[str, Any]:
    """The OpenAPI document of the routes under `/api/v1`."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if route.pattern.startswith("/api/v1/"):
            path, parameters = _path(route.pattern)
            entry = paths.setdefault(path, {"parameters": parameters} if parameters else {})
            for method, operation in route.operations.items():
                entry[method.lower()] = _operation(path, method, operation, route.rules[method])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "云影 Yunying",
            "version": version,
            "description": "影像云接口。错误一律为 RFC 9457 的 problem document；无需登录的操作标有 x-public。",
        },
        **({"servers": [{"url": server}]} if server else {}),
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {"Problem": _PROBLEM},
            "responses": {status: _problem(text) for status, text in _PROBLEMS.items()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "工作人员的令牌，或机构的上传凭证"},
                "session": {"type": "apiKey", "in": "cookie", "name": "yy_session", "description": "患者浏览器的会话"},
            },
        },
    }


def _operation(path: str, method: str, operation: Operation, rule: Rule) -> dict[str, Any]:
    words = re.sub(r"[^a-z0-9]+", "_", path.removeprefix("/api/v1").lower()).strip("_")
    described: dict[str, Any] = {
        "operationId": f"{method.lower()}_{words}",
        "summary": operation.summary,
        "responses": {str(operation.status): _answer(operation)}
        | {status: {"$ref": f"#/components/responses/{status}"} for status in _PROBLEMS},
    }
    if operation.parameters:
        described["parameters"] = list(operation.parameters)
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": operation.body}}}
    if rule.public:
        described |= {"security": [], "x-public": True, "x-public-reason": rule.public}
    else:
        described |= {"security": [{"bearer": []}, {"session": []}], "x-action": str(rule.action)}
    return described


def _answer(operation: Operation) -> dict[str, Any]:
    if operation.status == 204:
        return {"description": "完成"}
    schema = {"schema": operation.answer} if operation.answer is not None else {}
    return {"description": "成功", "content": {operation.answer_type: schema}}


def _problem(text: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": text, "content": content}


def _path(pattern: str) -> tuple[str, list[dict[str, Any]]]:
    """A route's regular expression as a templated path, and its parameters."""
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": f"^{expression}$"},
        }
        for name, expression in _GROUP.findall(pattern)
    ]
    return _GROUP.sub(r"{\1}", pattern).removesuffix("$").replace("\\", ""), parameters


class OpenApiHandler(Handler):
    """The description itself."""

    document: dict[str, Any]

    async def get(self) -> None:
        """The OpenAPI document."""
        self.answer(self.document)


def routes(others: Sequence[Route], version: str, server: str = "") -> list[Route]:
    """`/api/v1/openapi.json`, which describes the other routes and itself."""
    document: dict[str, Any] = {}
    own = Route(
        re.escape(PATH),
        OpenApiHandler,
        {"GET": public("describes the interface; holds nothing about persons or exams")},
        {"document": document},
        {"GET": Operation("本接口说明（OpenAPI 3.1）", answer={"type": "object"})},
    )
    document.update(describe([*others, own], version, server))
    return [own]
