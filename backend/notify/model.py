"""A text message and the templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TEMPLATES: Mapping[str, str] = {
    "sign-in-code": "【云影】您的验证码为{code}，{minutes}分钟内有效。请勿告知他人，工作人员不会向您索要验证码。",
    "exam-ready": "【云影】您在{institution}的影像检查已可查看：{link}。查看前需验证本人身份。",
    "share-opened": "【云影】您分享的影像于{time}由{phone}打开（第{number}次）。如非您本意，请登录云影，在“我的分享”中撤销。",
}
"""Name -> text as it is registered with the carrier. Parameters hold nothing medical."""


@dataclass(frozen=True, slots=True)
class TextMessage:
    """One message to one number."""

    phone: str
    """11 digits."""
    template: str
    """A key of `TEMPLATES`."""
    params: Mapping[str, str]

    @property
    def text(self) -> str:
        """The message as it is read."""
        return TEMPLATES[self.template].format(**self.params)
