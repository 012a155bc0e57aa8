"""Which bytes of encapsulated pixel data belong to which frame (PS3.5 A.4)."""

import struct
from bisect import bisect_right

from pydicom.dataset import Dataset

from render.errors import CorruptImage, LimitExceeded
from render.header import value

Span = tuple[int, int]
"""First byte and the byte after the last one of a fragment, within the pixel data element."""

_ITEM = b"\xfe\xff\x00\xe0"
_DELIMITER = b"\xfe\xff\xdd\xe0"
_END_OF_IMAGE = b"\xff\xd9"


def frame_spans(data: memoryview, frames: int, dataset: Dataset, limit: int) -> list[list[Span]]:
    """The fragments of each frame, in order; at least one frame, at most `frames`.

    The rules, first that fits: one frame takes all; the Extended Offset Table; one fragment per
    frame; the Basic Offset Table; the end-of-image marker at the end of a frame's last fragment.
    Raises CorruptImage where the items are malformed or cannot be dealt out to the frames,
    LimitExceeded beyond `limit` fragments.
    """
    offsets, spans = _items(data, limit)
    if not spans:
        raise CorruptImage("no fragment in the encapsulated pixel data")
    if frames == 1:
        return [spans]
    extended = _extended_offsets(dataset)
    if len(extended) == frames:
        return _by_offsets(spans, extended)
    if len(spans) == frames:
        return [[span] for span in spans]
    if len(offsets) == frames:
        return _by_offsets(spans, offsets)
    dealt = _by_end_marker(data, spans)
    if len(dealt) < frames:
        raise CorruptImage(f"{len(spans)} fragments make {len(dealt)} of {frames} frames")
    return dealt[:frames]


def join(data: memoryview, spans: list[Span]) -> bytes:
    """The codestream of a frame: its fragments one after the other."""
    return b"".join(data[start:stop] for start, stop in spans)


def _items(data: memoryview, limit: int) -> tuple[tuple[int, ...], list[Span]]:
    """Basic Offset Table (maybe empty) and the spans of the fragments.

    A fragment that the file cuts short is refused here, for decoders of JPEG fill what is missing
    with grey and do not tell.
    """
    spans: list[Span] = []
    position, end = 0, len(data)
    while position + 8 <= end:
        tag = bytes(data[position : position + 4])
        (length,) = struct.unpack_from("<I", data, position + 4)
        if tag == _DELIMITER:
            break
        if tag != _ITEM or length == 0xFFFFFFFF:
            raise CorruptImage(f"no item at byte {position} of the encapsulated pixel data")
        if position + 8 + length > end:
            raise CorruptImage("the file ends inside a fragment")
        if len(spans) > limit:
            raise LimitExceeded(f"more than {limit} fragments")
        spans.append((position + 8, position + 8 + length))
        position += 8 + length
    if not spans:
        return (), []
    start, stop = spans[0]
    table = struct.unpack_from(f"<{(stop - start) // 4}I", data, start)
    return table, spans[1:]


def _extended_offsets(dataset: Dataset) -> tuple[int, ...]:
    """Extended Offset Table (PS3.3 C.7.6.3.1.8), empty where there is none."""
    table = value(dataset, "ExtendedOffsetTable")
    if not isinstance(table, bytes):
        return ()
    return struct.unpack(f"<{len(table) // 8}Q", table[: len(table) // 8 * 8])


def _by_offsets(spans: list[Span], offsets: tuple[int, ...]) -> list[list[Span]]:
    """Deal fragments out by the offsets of their item tags from the first item after the table."""
    origin = spans[0][0]
    starts = [start - origin for start, _ in spans]
    if offsets[0] != 0 or list(offsets) != sorted(set(offsets)) or not set(offsets) <= set(starts):
        raise CorruptImage("the offset table does not point at fragments")
    dealt: list[list[Span]] = [[] for _ in offsets]
    for start, span in zip(starts, spans, strict=True):
        dealt[bisect_right(offsets, start) - 1].append(span)
    return dealt


def _by_end_marker(data: memoryview, spans: list[Span]) -> list[list[Span]]:
    dealt: list[list[Span]] = [[]]
    for start, stop in spans:
        dealt[-1].append((start, stop))
        if _END_OF_IMAGE in bytes(data[max(start, stop - 10) : stop]):
            dealt.append([])
    return dealt if dealt[-1] else dealt[:-1]
