"""Whether two files hold the same image, however they are written: file meta, group lengths, lengths of sequences, implicit or explicit VR."""

from __future__ import annotations

from io import BytesIO

import pydicom
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from .header import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, data_set_start

_TRAILING_PADDING = 0xFFFCFFFC
_PLAIN = frozenset({IMPLICIT, EXPLICIT, DEFLATED})


def same_image(first: bytes, second: bytes) -> bool:
    """True where every element has the same value. Senders write the same image differently, and convert between plain syntaxes."""
    syntaxes = {data_set_start(content)[0] for content in (first, second)}
    if len(syntaxes) > 1 and not syntaxes <= _PLAIN:
        return False
    if BIG_ENDIAN in syntaxes:
        return first[data_set_start(first)[1] :] == second[data_set_start(second)[1] :]
    try:
        return _same(*(pydicom.dcmread(BytesIO(content), force=True) for content in (first, second)))
    except Exception:  # pydicom raises nearly anything on broken files
        return False


def _same(first: Dataset, second: Dataset) -> bool:
    ours, theirs = _elements(first), _elements(second)
    if ours.keys() != theirs.keys():
        return False
    return all(_equal(first, second, tag, ours[tag], theirs[tag]) for tag in ours)


def _elements(dataset: Dataset) -> dict[int, RawDataElement | DataElement]:
    return {int(tag): e for tag, e in dataset.items() if tag & 0xFFFF and tag != _TRAILING_PADDING}


def _equal(
    first: Dataset, second: Dataset, tag: int, ours: RawDataElement | DataElement, theirs: RawDataElement | DataElement
) -> bool:
    if isinstance(ours.value, bytes) and isinstance(theirs.value, bytes):
        if ours.value.rstrip(b" \0") == theirs.value.rstrip(b" \0"):
            return True
        if "SQ" not in (ours.VR, theirs.VR) and ours.VR is not None:
            return False
    # Sequences, whose bytes depend on how their lengths are written.
    one, other = first[tag].value, second[tag].value
    if isinstance(one, Sequence) and isinstance(other, Sequence):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
