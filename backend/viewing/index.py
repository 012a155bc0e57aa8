"""The series index: every frame of a series in display order, as one compact object.

A JSON head (what many frames share, once) and two tables of numbers. Frames are made when they are asked for, so that a series of
thousands opens in a few milliseconds. It holds all that ordering needs, so that instances that came later are added without reading the others.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from backend.platform.errors import YunyingError
from backend.viewing.ordering import Place
from backend.viewing.series import FrameRef, SeriesView
from render import Geometry, Transform, Window

PREFIX = "index"
"""First part of the keys of index objects."""
_MAGIC = b"YYSX1\0"
_HEAD = struct.Struct("<6sI")
_NONE = -(2**31)
_ROW = np.dtype(
    [
        ("instance", "<u4"),
        ("frame", "<u4"),
        ("start", "<u4"),
        ("overview", "<u4", (2,)),
        ("transform", "<u4"),
        ("shape", "<u4"),
        ("number", "<i4"),
        ("temporal", "<i4"),
        ("stack", "<i4"),
        ("position", "<f8", (3,)),
        ("ends", "<u4"),
    ]
)


class IndexBroken(YunyingError):
    """The bytes are no series index of this version; it must be derived again."""

    code = "index-broken"


@dataclass(frozen=True, slots=True)
class IndexedFrame:
    """A frame with what ordering needs of it."""

    ref: FrameRef
    place: Place


def pack_index(view: SeriesView, frames: Sequence[IndexedFrame]) -> bytes:
    """The index object of a series; `frames` in display order take the place of `view.frames`."""
    shared = _Shared()
    rows = np.zeros(len(frames), _ROW)
    ends: list[int] = []
    for n, indexed in enumerate(frames):
        rows[n] = _row(indexed, shared, len(ends))
        ends += indexed.ref.ends
    head = {
        "key": view.key,
        "entry": dict(view.entry),
        "window": None if view.default_window is None else asdict(view.default_window),
        "overview": view.overview,
        "reduce": view.overview_reduce,
        "instances": list(shared.instances),
        "transforms": [transform.to_dict() for transform in shared.transforms],
        "shapes": [asdict(shape) for shape in shared.shapes],
        "frames": len(frames),
    }
    packed = zlib.compress(json.dumps(head, default=_bytes_to_json, separators=(",", ":")).encode(), 6)
    tail = zlib.compress(rows.tobytes() + np.array(ends, "<u4").tobytes(), 1)
    return _HEAD.pack(_MAGIC, len(packed)) + packed + tail


class _Shared:
    """What many frames have in common, each thing once."""

    def __init__(self) -> None:
        self.instances: dict[tuple[Any, ...], int] = {}
        self.transforms: dict[Transform, int] = {}
        self.shapes: dict[Geometry, int] = {}


def _number(table: dict[Any, int], thing: Any) -> int:
    return table.setdefault(thing, len(table))


def _row(indexed: IndexedFrame, shared: _Shared, ends_at: int) -> tuple[Any, ...]:
    ref, geometry = indexed.ref, indexed.place.geometry
    instance = (
        indexed.place.sop_instance_uid,
        ref.original,
        ref.stream,
        ref.rows,
        ref.columns,
        len(ref.ends),
        ref.problem,
    )
    shape = replace(geometry, position=None, instance_number=None, temporal_position=None, stack_position=None)
    return (
        _number(shared.instances, instance),
        ref.frame,
        ref.start,
        ref.overview or (0, 0),
        _NO_TRANSFORM if ref.transform is None else _number(shared.transforms, ref.transform),
        _number(shared.shapes, shape),
        _or_none(geometry.instance_number),
        _or_none(geometry.temporal_position),
        _or_none(geometry.stack_position),
        (np.nan,) * 3 if geometry.position is None else geometry.position,
        ends_at,
    )


_NO_TRANSFORM = 2**32 - 1


def _or_none(number: int | None) -> int:
    return _NONE if number is None or abs(number) >= 2**31 else number


def _optional(number: int) -> int | None:
    return None if number == _NONE else number


def _bytes_to_json(value: Any) -> dict[str, str]:
    return {"base64": base64.b64encode(value).decode()}


def _bytes_from_json(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["base64"]) if value.keys() == {"base64"} else value


class IndexReader:
    """An index object, opened. Raises `IndexBroken` for bytes that are none."""

    def __init__(self, data: bytes) -> None:
        try:
            magic, length = _HEAD.unpack_from(data)
            if magic != _MAGIC:
                raise ValueError
            head = json.loads(zlib.decompress(data[_HEAD.size : _HEAD.size + length]), object_hook=_bytes_from_json)
            tail = zlib.decompress(data[_HEAD.size + length :])
            self._rows: NDArray[Any] = np.frombuffer(tail, _ROW, head["frames"])
            self._ends = np.frombuffer(tail, "<u4", offset=_ROW.itemsize * head["frames"])
        except (struct.error, ValueError, KeyError, zlib.error) as error:
            raise IndexBroken from error
        self._instances: list[list[Any]] = head["instances"]
        self._transforms = [Transform.from_dict(plain) for plain in head["transforms"]]
        self._shapes = [_shape(plain) for plain in head["shapes"]]
        window = head["window"]
        self.view = SeriesView(
            key=head["key"],
            entry=head["entry"],
            frames=_Frames(self),
            default_window=None if window is None else Window(**window),
            overview=head["overview"],
            overview_reduce=head["reduce"],
        )

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def instances(self) -> dict[str, str]:
        """SOP Instance UID -> object key of the stream object that the index knows; "" where it had none."""
        return {instance[0]: instance[2] for instance in self._instances}

    def frame(self, n: int) -> FrameRef:
        """Frame `n` in display order."""
        row = self._rows[n]
        _, original, stream, rows, columns, levels, problem = self._instances[row["instance"]]
        at, transform = int(row["ends"]), int(row["transform"])
        overview = (int(row["overview"][0]), int(row["overview"][1]))
        return FrameRef(
            original=original,
            frame=int(row["frame"]),
            rows=rows,
            columns=columns,
            stream=stream,
            start=int(row["start"]),
            ends=tuple(self._ends[at : at + levels].tolist()),
            overview=overview if overview[1] else None,
            transform=None if transform == _NO_TRANSFORM else self._transforms[transform],
            problem=problem,
        )

    def indexed(self, n: int) -> IndexedFrame:
        """Frame `n` with its place, for ordering it anew."""
        row = self._rows[n]
        x, y, z = (float(value) for value in row["position"])
        geometry = replace(
            self._shapes[row["shape"]],
            position=None if np.isnan(x) else (x, y, z),
            instance_number=_optional(int(row["number"])),
            temporal_position=_optional(int(row["temporal"])),
            stack_position=_optional(int(row["stack"])),
        )
        return IndexedFrame(self.frame(n), Place(geometry, self._instances[row["instance"]][0], int(row["frame"])))


class _Frames(Sequence[FrameRef]):
    """The frames of an index, made on demand."""

    def __init__(self, reader: IndexReader) -> None:
        self._reader = reader

    def __len__(self) -> int:
        return len(self._reader)

    @overload
    def __getitem__(self, n: int) -> FrameRef: ...

    @overload
    def __getitem__(self, n: slice) -> Sequence[FrameRef]: ...

    def __getitem__(self, n: int | slice) -> FrameRef | Sequence[FrameRef]:
        if isinstance(n, slice):
            return [self._reader.frame(each) for each in range(*n.indices(len(self)))]
        if not -len(self) <= n < len(self):
            raise IndexError(n)
        return self._reader.frame(n)


def _shape(plain: dict[str, Any]) -> Geometry:
    orientation, spacing = plain["orientation"], plain["pixel_spacing"]
    return Geometry(
        **{
            **plain,
            "orientation": None if orientation is None else tuple(orientation),
            "pixel_spacing": None if spacing is None else tuple(spacing),
        }
    )


def lead_document(view: SeriesView, lead: FrameRef) -> dict[str, Any]:
    """What the series document carries: the entry of the manifest and the frame to begin with, without opening the index."""
    frame = {
        name: getattr(lead, name) for name in ("original", "frame", "rows", "columns", "stream", "start", "problem")
    }
    return {
        "entry": dict(view.entry),
        "frame": {
            **frame,
            "ends": list(lead.ends),
            "transform": None if lead.transform is None else lead.transform.to_dict(),
        },
    }


def lead_from(document: Mapping[str, Any]) -> tuple[dict[str, Any], FrameRef]:
    """Manifest entry and first frame out of `lead_document`."""
    frame = dict(document["frame"])
    transform = frame.pop("transform")
    ends = tuple(frame.pop("ends"))
    parsed = None if transform is None else Transform.from_dict(transform)
    return dict(document["entry"]), FrameRef(**frame, ends=ends, transform=parsed)
