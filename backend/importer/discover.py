"""Finds DICOM files: in files, folders and the records of a DICOMDIR (PS3.10 8.6, PS3.3 F)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.filereader import read_file_meta_info
from pydicom.uid import MediaStorageDirectoryStorage

from .report import Refusal

_PREAMBLE = 128


@dataclass(frozen=True, slots=True)
class Candidate:
    """A DICOM file to send."""

    path: Path
    size: int
    """Bytes."""
    sop_instance_uid: str
    """Of the file meta information; empty if that is not readable, then the server shall judge."""


@dataclass(frozen=True, slots=True)
class NotDicom:
    """A file without the mark of PS3.10 7.1."""

    path: Path


Finding = Candidate | NotDicom | Refusal


def discover(paths: Iterable[Path]) -> Iterator[Finding]:
    """What is found under `paths`, in order of name, one at a time so that any number of files needs no memory.

    A DICOMDIR that is named itself is followed record by record; in a folder its records only tell which files are missing.
    """
    for path in paths:
        if path.is_dir():
            for folder, names, files in os.walk(path):
                names.sort()
                for name in sorted(files):
                    yield from _look(Path(folder, name), follow=False)
        else:
            yield from _look(path, follow=True)


def count(paths: Iterable[Path]) -> int:
    """How many files there are to look at; the records of a DICOMDIR are not counted."""
    return sum(sum(len(files) for _, _, files in os.walk(path)) if path.is_dir() else 1 for path in paths)


def _look(path: Path, *, follow: bool) -> Iterator[Finding]:
    """The findings of one file."""
    try:
        with path.open("rb") as file:
            head = file.read(_PREAMBLE + 4)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        yield Refusal(path, "unreadable", f"文件无法读取（{error.strerror}），请检查权限或介质后重试。")
        return
    if head[_PREAMBLE:] != b"DICM":
        yield NotDicom(path)
        return
    sop_class, sop_instance = _identity(path)
    if sop_class == MediaStorageDirectoryStorage:
        yield from _records(path, follow=follow)
    else:
        yield Candidate(path, size, sop_instance)


def _identity(path: Path) -> tuple[str, str]:
    """SOP Class and SOP Instance UID of the file meta information; empty where it is broken in whatever way."""
    try:
        meta = read_file_meta_info(path)
        return str(meta.get("MediaStorageSOPClassUID", "")), str(meta.get("MediaStorageSOPInstanceUID", ""))
    except Exception:  # The parser raises a dozen kinds on hostile bytes; the server judges such a file.
        return "", ""


def _records(path: Path, *, follow: bool) -> Iterator[Finding]:
    """The files that a DICOMDIR refers to (PS3.3 F.3.2.2), or only those that are missing."""
    try:
        records = dcmread(path).get("DirectoryRecordSequence") or []
        references = [_parts(record.ReferencedFileID) for record in records if record.get("ReferencedFileID")]
    except Exception:  # As above.
        yield Refusal(path, "dicomdir-unreadable", "DICOMDIR 已损坏，无法读取。请改为导入其所在的文件夹。")
        return
    for parts in references:
        file = _resolve(path.parent, parts)
        if file is None:
            missing = path.parent.joinpath(*parts)
            yield Refusal(missing, "dicomdir-missing", "DICOMDIR 引用的文件不存在，请检查介质是否完整。")
        elif follow:
            yield from _look(file, follow=False)


def _parts(file_id: str | Iterable[str]) -> list[str]:
    return [file_id] if isinstance(file_id, str) else [str(part) for part in file_id]


def _resolve(folder: Path, parts: list[str]) -> Path | None:
    """The file of a Referenced File ID; media are often copied with names in lower case or with a dot behind. Never outside of `folder`."""
    place = folder
    for part in parts:
        if part in ("", ".", "..") or "/" in part or "\\" in part:
            return None
        exact = place / part
        if not exact.exists():
            wanted = part.casefold().rstrip(".")
            try:
                exact = next(p for p in place.iterdir() if p.name.casefold().rstrip(".") == wanted)
            except (OSError, StopIteration):
                return None
        place = exact
    return place if place.is_file() else None
