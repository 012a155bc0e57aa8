"""Errors as RFC 9457 problem documents."""

from __future__ import annotations

from typing import Any

from backend.platform import errors

CONTENT_TYPE = "application/problem+json; charset=utf-8"

_STATUS: tuple[tuple[type[errors.YunyingError], int], ...] = (
    (errors.Invalid, 400),
    (errors.Unauthenticated, 401),
    (errors.Forbidden, 403),
    (errors.NotFound, 404),
    (errors.NotAcceptable, 406),
    (errors.Conflict, 409),
    (errors.Gone, 410),
    (errors.TooLarge, 413),
    (errors.Unsupported, 415),
    (errors.TooMany, 429),
    (errors.StorageFull, 507),
    (errors.Unavailable, 503),
)
_TITLES = {
    400: "请求有误",
    401: "需要验证身份",
    403: "没有权限",
    404: "没有找到",
    405: "不支持该操作",
    406: "不支持所要求的格式",
    409: "状态冲突",
    410: "已失效",
    413: "内容过大",
    415: "不支持的格式",
    429: "操作过于频繁",
    500: "系统出错",
    503: "暂时不可用",
    507: "存储空间不足",
}


def status_of(error: errors.YunyingError) -> int:
    """The HTTP status of an error kind; 500 for one that is nobody's fault but ours."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def problem(status: int, code: str, detail: str, request_id: str, **extra: Any) -> dict[str, Any]:
    """The members of the problem document; `type` is a relative reference that the API description explains."""
    return {
        "type": f"/problems/{code}",
        "title": _TITLES.get(status, "请求未能完成"),
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": request_id,
        **{key: value for key, value in extra.items() if value is not None},
    }
