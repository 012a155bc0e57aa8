"""The overview of a series: a small full-depth picture of every frame in one object, and contact sheets."""

import json
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray

from render.errors import CorruptImage, RenderError
from render.pyramid import fit, shrink
from render.stream import pack_frame, resolution_ends, unpack

LONG_SIDE = 128
"""An overview's frames are at most so many pixels long."""

_MAGIC = b"YYOV1\0"
_HEAD = struct.Struct("<6sI")


def overview_reduce(rows: int, columns: int) -> int:
    """The level of a stream object that serves as overview: the first at most `LONG_SIDE` long."""
    reduce = 0
    while -(-max(rows, columns) >> reduce) > LONG_SIDE:
        reduce += 1
    return reduce


def pack_cell(stored: NDArray[Any]) -> bytes:
    """The overview of one frame at full depth: the mean of the pixels under each of its own, as HTJ2K that stands alone.

    The lowest resolutions of a stream object would cost nothing, but they are hardly filtered: their noise makes a contact sheet
    twice as large. `stored` is what `pack_frame` takes; raises what it raises.
    """
    rows, columns = stored.shape[:2]
    reduce = overview_reduce(rows, columns)
    small = shrink(stored, -(-columns >> reduce), -(-rows >> reduce)) if reduce else stored
    return pack_frame(small, verify=False)[0]


def unpack_cell(data: bytes) -> NDArray[Any]:
    """The values of a cell; raises CorruptImage."""
    return unpack(data, resolution_ends(data))


def pack_overview(frames: Sequence[NDArray[Any]]) -> bytes:
    """One object with every array, exactly; shapes and types may differ.

    8 and 16 bit frames are held as HTJ2K, others deflated.
    """
    table, parts = [], []
    for frame in frames:
        form, data = _packed(frame)
        table.append([form, frame.dtype.name, list(frame.shape), len(data)])
        parts.append(data)
    head = zlib.compress(json.dumps(table, separators=(",", ":")).encode())
    return b"".join([_HEAD.pack(_MAGIC, len(head)), head, *parts])


def _packed(frame: NDArray[Any]) -> tuple[str, bytes]:
    try:
        return "htj2k", pack_frame(frame, verify=False)[0]
    except RenderError:
        return "deflate", zlib.compress(np.ascontiguousarray(frame).tobytes(), 1)


class OverviewReader:
    """Reads the frames of one overview object, each on its own."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        try:
            magic, length = _HEAD.unpack_from(data)
            self._table = json.loads(zlib.decompress(data[_HEAD.size : _HEAD.size + length]))
            sizes = [int(entry[3]) for entry in self._table]
        except Exception as error:
            raise CorruptImage("no overview") from error
        starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]) + _HEAD.size + length
        self._starts: list[int] = starts.tolist()
        if magic != _MAGIC or self._starts[-1] != len(data):
            raise CorruptImage("an overview of a wrong length")

    def __len__(self) -> int:
        return len(self._table)

    def frame(self, index: int) -> NDArray[Any]:
        """Stored values of frame `index`, as they were packed; raises CorruptImage."""
        if not 0 <= index < len(self):
            raise CorruptImage(f"frame {index} of {len(self)}")
        form, dtype, shape, _ = self._table[index]
        data = bytes(self._data[self._starts[index] : self._starts[index + 1]])
        try:
            if form == "deflate":
                return np.frombuffer(zlib.decompress(data), dtype=dtype).reshape(shape).copy()
            return np.asarray(imagecodecs.htj2k_decode(data)).reshape(shape)
        except Exception as error:
            raise CorruptImage("the overview's frame is broken") from error


def sheet(frames: Sequence[NDArray[np.uint8]], cell: tuple[int, int], columns: int) -> NDArray[np.uint8]:
    """A contact sheet: each 8 bit frame fitted and centred in a cell (width, height), row by row, on black.

    Grey (rows, columns) uint8; RGB (rows, columns, 3) where any frame is RGB.
    """
    if not frames or columns < 1 or min(cell) < 1:
        raise CorruptImage("no frames, cells or columns for a sheet")
    width, height = cell
    colour = any(frame.ndim == 3 for frame in frames)
    lines = -(-len(frames) // columns)
    shape = (lines * height, min(columns, len(frames)) * width, *([3] if colour else []))
    whole = np.zeros(shape, dtype=np.uint8)
    for number, frame in enumerate(frames):
        wide, high = fit(frame.shape[0], frame.shape[1], cell)
        small = cv2.resize(frame, (wide, high), interpolation=cv2.INTER_AREA)
        small = cv2.cvtColor(small, cv2.COLOR_GRAY2RGB) if colour and small.ndim == 2 else small
        y = number // columns * height + (height - high) // 2
        x = number % columns * width + (width - wide) // 2
        whole[y : y + high, x : x + wide] = small
    return whole
