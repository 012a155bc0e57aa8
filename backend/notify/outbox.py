"""The sender of demo and development: messages are lines of a file that a person can read."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from backend.platform.clock import Clock

from .model import TextMessage
from .rules import MessageNotSent


class OutboxSender:
    """Appends `{"time","phone","template","params","text"}` lines, durably; the file is its owner's alone.

    One write call per line with O_APPEND: processes may share the file.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock

    async def send(self, message: TextMessage) -> None:
        """Returns when the line is on the disk. Raises `MessageNotSent`."""
        line = {
            "time": self._clock.now().isoformat(),
            "phone": message.phone,
            "template": message.template,
            "params": dict(message.params),
            "text": message.text,
        }
        try:
            await asyncio.to_thread(self._append, json.dumps(line, ensure_ascii=False) + "\n")
        except OSError as error:
            raise MessageNotSent from error

    def _append(self, line: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
