"""What the rest of the product knows of text messages."""

from __future__ import annotations

from typing import Protocol

from backend.platform.errors import Unavailable

from .model import TextMessage


class MessageNotSent(Unavailable):
    """The sender did not take the message; nothing in the error tells the number or the text."""

    code = "message-not-sent"
    default_text = "短信暂时无法发送，请稍后再试。"


class TextMessages(Protocol):
    """Sends text messages."""

    async def send(self, message: TextMessage) -> None:
        """Returns when the message is taken for delivery. Raises `MessageNotSent`."""
        ...
