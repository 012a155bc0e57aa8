"""One STOW-RS request (PS3.18 10.5): the files of a batch as a body of known length, read while it is sent."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from backend.platform.errors import YunyingError

from .discover import Candidate

_PIECE = 256 * 1024


class FileChanged(YunyingError):
    """A file shrank, grew or vanished while it was sent; the request is given up."""

    code = "file-changed"
    default_text = "文件在发送过程中发生变化或无法读取，请确认没有其他程序正在写入后重试。"

    def __init__(self, candidate: Candidate) -> None:
        super().__init__()
        self.candidate = candidate


@dataclass(frozen=True, slots=True)
class Batch:
    """The files of one request."""

    files: Sequence[Candidate]
    boundary: str = field(default_factory=lambda: f"yunying-{secrets.token_hex(16)}")

    @property
    def content_type(self) -> str:
        """The media type of the body."""
        return f'multipart/related; type="application/dicom"; boundary={self.boundary}'

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return sum(len(self._head(file)) + file.size + 2 for file in self.files) + len(self._tail)

    @property
    def payload(self) -> int:
        """Bytes of the files."""
        return sum(file.size for file in self.files)

    def body(self) -> Iterator[bytes]:
        """The body in pieces of at most 256 KiB. Raises `FileChanged`."""
        for file in self.files:
            yield self._head(file)
            yield from _content(file)
            yield b"\r\n"
        yield self._tail

    def split(self) -> list[Batch]:
        """The same files, each in a request of its own."""
        return [Batch((file,)) for file in self.files]

    def without(self, file: Candidate) -> Batch:
        """The other files."""
        return Batch(tuple(other for other in self.files if other is not file))

    def _head(self, file: Candidate) -> bytes:
        return (f"--{self.boundary}\r\nContent-Type: application/dicom\r\nContent-Length: {file.size}\r\n\r\n").encode()

    @property
    def _tail(self) -> bytes:
        return f"--{self.boundary}--\r\n".encode()


def _content(file: Candidate) -> Iterator[bytes]:
    """Exactly the bytes that were announced."""
    left = file.size
    try:
        with file.path.open("rb") as stream:
            while piece := stream.read(_PIECE):
                left -= len(piece)
                if left < 0:
                    break
                yield piece
    except OSError as error:
        raise FileChanged(file) from error
    if left:
        raise FileChanged(file)


def batches(candidates: Iterator[Candidate], *, instances: int, size: int) -> Iterator[Batch]:
    """Candidates in groups of at most `instances` files and `size` bytes (a larger file goes alone).

    Within a batch each SOP Instance UID is known and appears once, so that the answer can be told apart by it.
    """
    group: list[Candidate] = []
    for candidate in candidates:
        if not candidate.sop_instance_uid:
            yield Batch((candidate,))
            continue
        full = len(group) == instances or sum(c.size for c in group) + candidate.size > size
        if group and (full or any(c.sop_instance_uid == candidate.sop_instance_uid for c in group)):
            yield Batch(tuple(group))
            group = []
        group.append(candidate)
    if group:
        yield Batch(tuple(group))
