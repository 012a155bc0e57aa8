"""The stream object: frames as lossless HTJ2K whose prefixes are complete lower resolutions.

Each frame is one codestream in RPCL order with one tile-part per resolution and a TLM marker, the
form of the transfer syntax HTJ2K Lossless RPCL (PS3.5 A.4.14). A prefix that ends with a tile-part
decodes to that resolution exactly. A prefix that ends anywhere else decodes too, to wrong pixels and
without an error: so lengths are checked here before any decoder sees them.
"""

import struct
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from render.errors import CorruptImage, UnsupportedSyntax
from render.image import Image
from render.pyramid import level_count, level_size

_END_OF_CODESTREAM = b"\xff\xd9"
_CSIZ = 40
"""Where the number of components stands: SOC and SIZ always come first."""
_KINDS = frozenset({"uint8", "int8", "uint16", "int16"})


@dataclass(frozen=True)
class StreamIndex:
    """Where each resolution of each frame ends in the bytes of a stream object."""

    rows: int
    columns: int
    samples: int
    """1 for grey, 3 for RGB."""
    dtype: str
    offsets: tuple[int, ...]
    """First byte of each frame."""
    ends: tuple[tuple[int, ...], ...]
    """Per frame the length of the prefix of each resolution, lowest first; the last is the frame's."""

    @property
    def levels(self) -> int:
        """Number of resolutions of every frame."""
        return stream_levels(self.rows, self.columns)

    def span(self, frame: int, reduce: int = 0) -> tuple[int, int]:
        """First byte and the byte after the last one of `frame` at 1 / 2**reduce of its size."""
        ends = self.ends[frame]
        start = self.offsets[frame]
        return start, start + ends[len(ends) - 1 - reduce]

    def to_dict(self) -> dict[str, Any]:
        """The index in plain dicts, lists, numbers and strings."""
        return {
            "rows": self.rows,
            "columns": self.columns,
            "samples": self.samples,
            "dtype": self.dtype,
            "offsets": list(self.offsets),
            "ends": [list(one) for one in self.ends],
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "StreamIndex":
        """The index that `to_dict` gave."""
        offsets, ends = tuple(plain["offsets"]), tuple(tuple(one) for one in plain["ends"])
        return cls(**{**plain, "offsets": offsets, "ends": ends})


@dataclass(frozen=True)
class StreamObject:
    """The codestreams of all frames, one after the other, and their index."""

    data: bytes
    index: StreamIndex


def pack(image: Image) -> StreamObject:
    """The stream object of an instance, every frame verified bit for bit.

    Raises UnsupportedSyntax where it cannot be derived (the caller shows the original instead), and
    what `Image.decode` raises.
    """
    check_packable(image.format.dtype)
    parts: list[bytes] = []
    offsets: list[int] = []
    ends: list[tuple[int, ...]] = []
    position = 0
    for frame in range(image.frame_count):
        data, frame_ends = pack_frame(image.decode(frame))
        parts.append(data)
        offsets.append(position)
        ends.append(frame_ends)
        position += len(data)
    form = image.format
    index = StreamIndex(form.rows, form.columns, 3 if form.colour else 1, form.dtype, tuple(offsets), tuple(ends))
    return StreamObject(b"".join(parts), index)


def stream_levels(rows: int, columns: int) -> int:
    """Number of resolutions of a codestream: down to at most 64 pixels, and at least one below the frame.

    (The encoder's binding takes no decompositions for "as usual".)
    """
    return max(2, level_count(rows, columns))


def check_packable(dtype: str) -> None:
    """Raise UnsupportedSyntax for stored values that have no stream object (32 bit, floating)."""
    if dtype not in _KINDS:
        raise UnsupportedSyntax(f"no stream object of {dtype}")


def pack_frame(stored: NDArray[Any], verify: bool = True) -> tuple[bytes, tuple[int, ...]]:
    """One frame's codestream and the prefix length of each resolution, lowest first.

    `stored` is (rows, columns) of 8 or 16 bits or (rows, columns, 3) uint8. With `verify` the
    codestream is decoded again and compared. Raises UnsupportedSyntax for other values.
    """
    check_packable(stored.dtype.name)
    if stored.ndim == 3 and (stored.dtype != np.uint8 or stored.shape[2] != 3):
        raise UnsupportedSyntax(f"no stream object of {stored.shape}")
    rows, columns = stored.shape[:2]
    levels = stream_levels(rows, columns)
    source = np.ascontiguousarray(stored)
    try:
        data = bytes(
            imagecodecs.htj2k_encode(
                source,
                rgb=True if stored.ndim == 3 else None,
                resolutions=levels - 1,
                reversible=True,
                tlm=True,
                tilepart=imagecodecs.HTJ2K.TILEPART.RESOLUTIONS,
            )
        )
    except Exception as error:
        raise UnsupportedSyntax(f"the encoder refuses {rows} x {columns}") from error
    ends = resolution_ends(data)
    if len(ends) != levels:
        raise UnsupportedSyntax(f"{len(ends)} tile-parts for {levels} resolutions")
    if verify and not np.array_equal(imagecodecs.htj2k_decode(data), source):
        raise UnsupportedSyntax("the stream object does not give back the original")
    return data, ends


def unpack(prefix: bytes, ends: tuple[int, ...] | list[int], reduce: int = 0) -> NDArray[Any]:
    """The frame at 1 / 2**reduce of its size, out of exactly the prefix of that resolution.

    `reduce` 0 is the original, bit for bit; beyond the lowest resolution it means the lowest.
    Samples of level k lie on pixels 0, 2**k, 2 * 2**k ... of the frame. Raises CorruptImage where the
    prefix has another length than `ends` says, or the codestream's own TLM says otherwise.
    """
    reduce = min(reduce, len(ends) - 1)
    wanted = ends[len(ends) - 1 - reduce]
    if len(prefix) != wanted:
        raise CorruptImage(f"{len(prefix)} bytes of a prefix of {wanted}")
    if _tlm_ends(prefix) != (*ends[:-1], ends[-1] - len(_END_OF_CODESTREAM)):
        raise CorruptImage("the prefix does not end where its TLM says")
    try:
        return _lower(prefix, reduce) if reduce else np.asarray(imagecodecs.htj2k_decode(prefix))
    except Exception as error:
        raise CorruptImage("the decoder refuses the prefix") from error


def _lower(prefix: bytes, reduce: int) -> NDArray[Any]:
    """A lower resolution, clipped to the range of the stored type.

    Subbands ring beyond that range at sharp edges, and the decoder lets the excess wrap: black turns white there. So the decoder is told
    of one bit more a sample (ISO/IEC 15444-1 A.5.1, Ssiz); the level shift of unsigned samples (G.1.2), which doubles with it, is put right.
    """
    wide = bytearray(prefix)
    (samples,) = struct.unpack_from(">H", wide, _CSIZ)
    bits, signed = (wide[_CSIZ + 2] & 0x7F) + 1, bool(wide[_CSIZ + 2] & 0x80)
    for sample in range(samples):
        wide[_CSIZ + 2 + 3 * sample] += 1
    values = np.asarray(imagecodecs.htj2k_decode(bytes(wide), skipres=reduce)).astype(np.int32)
    kind = np.dtype(f"{'int' if signed else 'uint'}{bits}")
    limits = np.iinfo(kind)
    return np.clip(values - (0 if signed else 1 << (bits - 1)), limits.min, limits.max).astype(kind)


def resolution_ends(data: bytes) -> tuple[int, ...]:
    """Prefix length of each resolution, lowest first, checked against every tile-part header.

    Raises CorruptImage where the TLM, the tile-parts and the length of `data` do not agree.
    """
    ends = _tlm_ends(data)
    position = _first_tile_part(data)
    for end in ends:
        if position + 10 > len(data):
            raise CorruptImage("the codestream ends before its last tile-part")
        marker, _, _, length = struct.unpack_from(">HHHI", data, position)
        if marker != 0xFF90 or position + length != end:
            raise CorruptImage("a tile-part is not where the TLM says")
        position = end
    if data[position:] != _END_OF_CODESTREAM:
        raise CorruptImage("the codestream does not end with its last tile-part")
    return (*ends[:-1], len(data))


def _first_tile_part(data: bytes) -> int:
    position = 2
    while position + 4 <= len(data):
        code, length = struct.unpack_from(">HH", data, position)
        if code == 0xFF90:
            return position
        if code < 0xFF4F or length < 2:
            break
        position += 2 + length
    raise CorruptImage("no tile-part")


def _tlm_ends(data: bytes) -> tuple[int, ...]:
    """Where each tile-part ends by the TLM marker (ISO/IEC 15444-1 A.7.1)."""
    position = 2
    while position + 6 <= len(data):
        code, length = struct.unpack_from(">HH", data, position)
        if code == 0xFF55:
            return _tile_part_ends(data[position + 4 : position + 2 + length], _first_tile_part(data))
        if code == 0xFF90 or code < 0xFF4F or length < 2:
            break
        position += 2 + length
    raise CorruptImage("no TLM")


def _tile_part_ends(body: bytes, position: int) -> tuple[int, ...]:
    """Ends of the tile-parts whose lengths follow Ztlm and Stlm in `body`."""
    if len(body) < 2:
        raise CorruptImage("TLM too short")
    index_bytes, length_bytes = (body[1] >> 4) & 3, 4 if body[1] & 0x40 else 2
    ends = []
    for at in range(2, len(body) - index_bytes - length_bytes + 1, index_bytes + length_bytes):
        position += int.from_bytes(body[at + index_bytes : at + index_bytes + length_bytes], "big")
        ends.append(position)
    return tuple(ends)


def expected_shape(index: StreamIndex, reduce: int) -> tuple[int, ...]:
    """Shape of the array that `unpack` gives for a frame of `index`."""
    size = level_size(index.rows, index.columns, min(reduce, index.levels - 1))
    return size if index.samples == 1 else (*size, 3)
