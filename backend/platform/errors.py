"""The errors that callers distinguish. Only `backend.web` knows which HTTP status each becomes (RFC 9457)."""

from __future__ import annotations


class YunyingError(Exception):
    """Root of all errors raised on purpose.

    `code` is stable and machine-readable; `text` is Chinese, free of personal data, and says what to do next.
    """

    code = "error"
    default_text = "操作未能完成，请稍后再试。"

    def __init__(self, text: str | None = None, *, code: str | None = None, **details: object) -> None:
        self.text = text or self.default_text
        self.code = code or type(self).code
        self.details = details
        super().__init__(f"{self.code}: {self.text}")


class Invalid(YunyingError):
    """The request is malformed or out of bounds; repeating it unchanged cannot succeed."""

    code = "invalid"
    default_text = "请求内容有误，请检查后重新提交。"


class Unauthenticated(YunyingError):
    """Nobody has proved who they are, or the proof has expired."""

    code = "unauthenticated"
    default_text = "请先验证身份。"


class Forbidden(YunyingError):
    """The principal is known and may not do this."""

    code = "forbidden"
    default_text = "您没有进行此操作的权限。如需开通，请联系所在机构的管理员。"


class NotFound(YunyingError):
    """There is no such thing, or none that this principal may know of."""

    code = "not-found"
    default_text = "没有找到该内容，可能链接有误或已失效。"


class Gone(YunyingError):
    """It existed and has expired or was revoked; the text may say so because the holder proved knowledge of a secret."""

    code = "gone"
    default_text = "链接已失效，请重新获取。"


class Conflict(YunyingError):
    """The state does not allow this now."""

    code = "conflict"
    default_text = "内容已被更改，请刷新后再试。"


class TooLarge(YunyingError):
    """The body or the image passes a limit."""

    code = "too-large"
    default_text = "内容超出允许的大小。"


class TooMany(YunyingError):
    """A rate limit was reached. Details carry `retry_after` in seconds."""

    code = "too-many"
    default_text = "操作过于频繁，请稍后再试。"


class Unsupported(YunyingError):
    """A media type, transfer syntax or option that is not supported."""

    code = "unsupported"
    default_text = "不支持该格式。"


class NotAcceptable(YunyingError):
    """None of the representations that the client accepts can be made. Details carry `acceptable`."""

    code = "not-acceptable"
    default_text = "无法按所要求的格式（Accept）返回该资源。"


class Unavailable(YunyingError):
    """Something that this depends on is down for the moment. Details may carry `retry_after` in seconds."""

    code = "unavailable"
    default_text = "服务暂时不可用，请稍后再试。"


class DatabaseUnavailable(Unavailable):
    """The database does not answer."""

    code = "database-unavailable"
    default_text = "数据服务暂时不可用，已提交的数据不会丢失，请稍后再试。"


class StorageUnavailable(Unavailable):
    """The object store does not answer."""

    code = "storage-unavailable"
    default_text = "影像存储暂时不可用，请稍后再试。"


class StorageFull(Unavailable):
    """The object store or the disk is full."""

    code = "storage-full"
    default_text = "影像存储空间不足，本次内容未保存，请通知管理员后重试。"


class Overloaded(Unavailable):
    """A bounded queue is full."""

    code = "overloaded"
    default_text = "当前访问较多，请稍候几秒再试。"
