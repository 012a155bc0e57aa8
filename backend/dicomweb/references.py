"""Frames of archived instances in the terms of viewing."""

from __future__ import annotations

import struct

from backend.archive.model import Instance
from backend.viewing.series import FrameRef


def frame_ref(instance: Instance, index: int) -> FrameRef:
    """Frame `index` (0 is the first) of an instance."""
    stream = instance.stream
    levels = _levels(instance)
    start, *ends = levels[index] if index < len(levels) else (0,)
    return FrameRef(
        original=instance.original,
        frame=index,
        rows=instance.rows,
        columns=instance.columns,
        stream=stream.key if stream is not None else "",
        start=start,
        ends=tuple(ends),
    )


def stream_spans(instance: Instance) -> list[tuple[int, int]]:
    """First byte and the byte after the last one of each frame in the stream object; empty if there is none."""
    return [(start, start + ends[-1]) for start, *ends in _levels(instance) if ends]


def _levels(instance: Instance) -> list[tuple[int, ...]]:
    """Per frame its start, then the prefix length of each resolution: `StreamRef.ends` unpacked."""
    if instance.stream is None or not instance.frames:
        return []
    each = len(instance.stream.ends) // 4 // instance.frames
    numbers = struct.unpack(f"<{len(instance.stream.ends) // 4}I", instance.stream.ends)
    return [numbers[at : at + each] for at in range(0, each * instance.frames, each)] if each else []
