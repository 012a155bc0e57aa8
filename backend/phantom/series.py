"""A whole computed series, one instance at a time."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom import Dataset

from . import header
from .charsets import set_texts
from .flat import radiograph, sector_frames
from .grid import Grid, Mask
from .head import HEIGHT as HEAD_HEIGHT
from .head import Head
from .label import label_mask
from .noise import Noise
from .request import PhantomError, PhantomRequest
from .thorax import HEIGHT as THORAX_HEIGHT
from .thorax import Nodule, Thorax, nodules

_THORAX_FIELD, _HEAD_FIELD, _SECTOR_FIELD = 360.0, 240.0, 200.0
_CT_NOISE_HU, _MR_NOISE = 16.0, 14.0


def generate(request: PhantomRequest) -> Iterator[Dataset]:
    """The instances of the series in order, each with file meta; memory does not grow with their number.

    Their texts are bytes in the asked character set: write an instance (`part10`) before reading a text back from it.
    """
    makers = {"CT": _ct, "MR": _mr, "CR": _projections, "DX": _projections, "US": _ultrasound}
    for dataset in makers[request.modality](request):
        set_texts(dataset, header.texts_of(request), request.encoding, request.label)
        yield dataset


def ground_truth(request: PhantomRequest) -> tuple[Nodule, ...]:
    """The nodules of a CT series, in the patient's millimetres (the frame of Image Position (Patient))."""
    return nodules(request.seed, request.nodules) if request.modality == "CT" else ()


def part10(dataset: Dataset) -> bytes:
    """The DICOM file (PS3.10) of a generated instance."""
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def write(request: PhantomRequest, folder: Path) -> Iterator[Path]:
    """Writes the series to `folder`, which is made if need be; yields each file as it is finished. Raises `PhantomError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for dataset in generate(request):
            path = folder / f"{dataset.Modality}{dataset.InstanceNumber:05d}.dcm"
            path.write_bytes(part10(dataset))
            yield path
    except OSError as error:
        raise PhantomError(f"无法写入 {folder}：{error.strerror}。请检查路径、权限与磁盘空间。") from error


def _ct(request: PhantomRequest) -> Iterator[Dataset]:
    grid = _square_pixels(request, _THORAX_FIELD)
    thorax = Thorax(grid, request.seed, request.nodules)
    noise = Noise(request.rows, request.columns, request.seed, 0.8)
    white = _share(label_mask(request.rows, request.columns))
    for index in range(request.slices):
        hu = thorax.hu(_height(request, index, THORAX_HEIGHT)) + noise.at(index) * np.float32(_CT_NOISE_HU)
        hu += (np.float32(1500) - hu) * white
        dataset = header.header(request, index)
        header.slice_geometry(dataset, request, index, _THORAX_FIELD, THORAX_HEIGHT)
        header.grey_pixels(dataset, request.rows, request.columns, 12)
        header.ct_modules(dataset)
        dataset.PixelData = np.clip(np.rint(hu) + 1024, 0, 4095).astype("<u2").tobytes()
        yield dataset


def _mr(request: PhantomRequest) -> Iterator[Dataset]:
    head = Head(_square_pixels(request, _HEAD_FIELD), request.seed)
    noise = Noise(request.rows, request.columns, request.seed, 0.6)
    white = _share(label_mask(request.rows, request.columns))
    for index in range(request.slices):
        signal = head.signal(_height(request, index, HEAD_HEIGHT))
        # The magnitude of two noisy channels, which is what makes the background of an MR image grainy (Rician).
        other = noise.at(index + request.slices) * np.float32(_MR_NOISE)
        values = np.hypot(signal + noise.at(index) * np.float32(_MR_NOISE), other)
        values += (np.float32(1100) - values) * white
        dataset = header.header(request, index)
        header.slice_geometry(dataset, request, index, _HEAD_FIELD, HEAD_HEIGHT)
        header.grey_pixels(dataset, request.rows, request.columns, 12)
        header.mr_modules(dataset)
        dataset.PixelData = np.clip(np.rint(values), 0, 4095).astype("<u2").tobytes()
        yield dataset


def _projections(request: PhantomRequest) -> Iterator[Dataset]:
    mask = label_mask(request.rows, request.columns)
    for index in range(request.slices):
        picture = radiograph(request.rows, request.columns, request.seed + index)
        picture[mask > 127] = 3800
        dataset = header.header(request, index)
        header.grey_pixels(dataset, request.rows, request.columns, 12)
        header.projection_modules(dataset, request, _THORAX_FIELD)
        dataset.PixelData = picture.astype("<u2").tobytes()
        yield dataset


def _ultrasound(request: PhantomRequest) -> Iterator[Dataset]:
    mask = label_mask(request.rows, request.columns)
    pixels = bytearray()
    for frame in sector_frames(request.rows, request.columns, request.slices, request.seed):
        frame[mask > 127] = 255
        pixels += frame.tobytes()
    dataset = header.header(request, 0)
    header.ultrasound_modules(dataset, request, _SECTOR_FIELD)
    dataset.PixelData = bytes(pixels) + b"\0" * (len(pixels) % 2)
    yield dataset


def _square_pixels(request: PhantomRequest, field: float) -> Grid:
    return Grid(request.rows, request.columns, field, field * request.rows / request.columns)


def _height(request: PhantomRequest, index: int, total: float) -> float:
    """Height above the base of slice `index`, mm; the first is the highest."""
    return total - (index + 0.5) * total / request.slices


def _share(mask: Mask) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return mask.astype(np.float32) / np.float32(255)
