"""The pixel library: DICOM bytes and arrays in, arrays and pictures out.

It knows neither HTTP, nor databases, nor accounts, and can be used alone:
`image = render.open_image(data); picture = render.window_pixels(image.decode(0), image.transform(0))`.
Nothing here raises anything but `RenderError` for bad input. All calls are safe in threads; the
codecs release the interpreter lock and use one thread each.
"""

import cv2

from render.encode import encode_jpeg, encode_png
from render.errors import CorruptImage, LimitExceeded, NotAnImage, RenderError, UnsupportedSyntax
from render.format import ImageFormat, describe
from render.geometry import Geometry, geometry_of
from render.image import Image, open_image
from render.limits import Limits
from render.overview import OverviewReader, overview_reduce, pack_cell, pack_overview, sheet, unpack_cell
from render.presets import default_window, drag_window, presets
from render.pyramid import (
    TILE,
    Rect,
    best_level,
    fit,
    level_count,
    level_for,
    level_size,
    reference_fit,
    shrink,
    tile_grid,
    tile_rect,
    tiles_in,
)
from render.sop import Shown, SopClass, sop_class
from render.stream import StreamIndex, StreamObject, pack, pack_frame, resolution_ends, unpack
from render.transform import Lut, Transform, Window, transform_of
from render.window import grey_lut, modality_values, window_pixels

cv2.setNumThreads(1)

__all__ = [
    "TILE",
    "CorruptImage",
    "Geometry",
    "Image",
    "ImageFormat",
    "LimitExceeded",
    "Limits",
    "Lut",
    "NotAnImage",
    "OverviewReader",
    "Rect",
    "RenderError",
    "Shown",
    "SopClass",
    "StreamIndex",
    "StreamObject",
    "Transform",
    "UnsupportedSyntax",
    "Window",
    "best_level",
    "default_window",
    "describe",
    "drag_window",
    "encode_jpeg",
    "encode_png",
    "fit",
    "geometry_of",
    "grey_lut",
    "level_count",
    "level_for",
    "level_size",
    "modality_values",
    "open_image",
    "overview_reduce",
    "pack",
    "pack_cell",
    "pack_frame",
    "pack_overview",
    "presets",
    "reference_fit",
    "resolution_ends",
    "sheet",
    "shrink",
    "sop_class",
    "tile_grid",
    "tile_rect",
    "tiles_in",
    "transform_of",
    "unpack",
    "unpack_cell",
    "window_pixels",
]
