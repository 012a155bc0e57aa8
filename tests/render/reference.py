"""Independent references: the formulas of PS3.3 C.11 written again, and pydicom's and dcmtk's own tools."""

import subprocess
from pathlib import Path

import numpy as np
import pydicom
from pydicom.pixels import apply_color_lut, apply_modality_lut

import render


def modality(stored: np.ndarray, dataset: pydicom.Dataset, frame: int) -> np.ndarray:
    """pydicom's modality transform, with the functional groups of an enhanced object applied by hand."""
    group = frame_group(dataset, frame, "PixelValueTransformationSequence")
    if group is not None:
        return stored.astype(np.float64) * float(group.RescaleSlope) + float(group.RescaleIntercept)
    return apply_modality_lut(stored, dataset).astype(np.float64)


def frame_group(dataset: pydicom.Dataset, frame: int, keyword: str) -> pydicom.Dataset | None:
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence")
    for place in ([per_frame[frame]] if per_frame else []) + list(dataset.get("SharedFunctionalGroupsSequence") or []):
        if keyword in place and len(place[keyword].value):
            return place[keyword].value[0]
    return None


def exact_levels(values: np.ndarray, center: float, width: float, function: str) -> np.ndarray:
    """PS3.3 C.11.2.1.2.1, C.11.2.1.3.1 and C.11.2.1.3.2 case by case, output 0 to 255, not rounded."""
    x = np.asarray(values, dtype=np.float64)
    if function == "SIGMOID":
        with np.errstate(over="ignore"):
            return 255 / (1 + np.exp(-4 * (x - center) / width))
    if function == "LINEAR_EXACT":
        low, high, sloped = center - width / 2, center + width / 2, ((x - center) / width + 0.5) * 255
    else:
        low, high = center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
        sloped = ((x - (center - 0.5)) / max(width - 1, 1e-9) + 0.5) * 255
    return np.where(x <= low, 0.0, np.where(x > high, 255.0, sloped))


def rounded(levels: np.ndarray) -> np.ndarray:
    return np.floor(levels + 0.5).astype(np.uint8)


def finished(grey: np.ndarray, stored: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """Polarity (C.7.6.3.1.2, C.11.6) and padding (C.7.5.1.1.2) on rounded levels."""
    if dataset.PhotometricInterpretation == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE":
        grey = 255 - grey
    return np.where(padded(stored, dataset), 0, grey).astype(np.uint8)


def padded(stored: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    first = dataset.get("PixelPaddingValue")
    if first is None:
        return np.zeros(stored.shape, dtype=bool)
    ends = np.array([first, dataset.get("PixelPaddingRangeLimit", first)]).astype(np.int64)
    ends = ends.astype(stored.dtype).astype(np.int64)
    return (stored >= ends.min()) & (stored <= ends.max())


def palette(indices: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """pydicom's palette expansion in 8 bits."""
    colours = apply_color_lut(indices, dataset)[..., :3]
    return colours if colours.dtype == np.uint8 else (colours >> 8).astype(np.uint8)


def dcmtk_picture(source: Path, folder: Path, frame: int, *options: str) -> np.ndarray:
    """What dcmtk shows for a frame: `dcm2pnm` and its JPEG and JPEG-LS sisters; (rows, columns[, 3]) uint8."""
    syntax = pydicom.dcmread(source, stop_before_pixels=True).file_meta.TransferSyntaxUID
    tool = {"5": "dcmj2pnm", "7": "dcmj2pnm", "8": "dcml2pnm"}.get(
        syntax.removeprefix("1.2.840.10008.1.2.4.")[:1] if syntax.startswith("1.2.840.10008.1.2.4.") else "", "dcm2pnm"
    )
    target = folder / "picture.pnm"
    command = [tool, "--write-raw-pnm", "--frame", str(frame + 1), *options, str(source), str(target)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return read_pnm(target.read_bytes())


def read_pnm(data: bytes) -> np.ndarray:
    kind, rest = data[:2], data[2:]
    numbers: list[int] = []
    while len(numbers) < 3:
        line, rest = rest.lstrip().split(b"\n", 1) if b"\n" in rest.lstrip() else (rest, b"")
        numbers += [int(word) for word in line.split(b"#")[0].split()]
    width, height, _ = numbers
    shape = (height, width, 3) if kind == b"P6" else (height, width)
    return np.frombuffer(rest, np.uint8, int(np.prod(shape))).reshape(shape)


def dcmtk_stored(source: Path, folder: Path, tool: str) -> np.ndarray:
    """Stored values after dcmtk's decompression."""
    target = folder / "plain.dcm"
    subprocess.run([tool, str(source), str(target)], check=True, capture_output=True, timeout=60)
    return pydicom.dcmread(target).pixel_array


def frames_of(image: render.Image) -> np.ndarray:
    """All frames, with the axis of frames only where there is more than one."""
    frames = [image.decode(frame) for frame in range(image.frame_count)]
    return np.stack(frames) if len(frames) > 1 else frames[0]
