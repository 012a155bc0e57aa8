"""DICOM data sets made by code, for what no real file of the corpus has."""

import struct
from io import BytesIO
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def dataset(pixels: np.ndarray | bytes, syntax: str = ExplicitVRLittleEndian, **attributes: Any) -> Dataset:
    """A data set with `pixels` (rows, columns) in its own depth; `attributes` overrule."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = SECONDARY_CAPTURE
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = generate_uid()
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    if isinstance(pixels, np.ndarray):
        made.Rows, made.Columns = pixels.shape[:2]
        made.BitsAllocated = made.BitsStored = pixels.dtype.itemsize * 8
        made.HighBit = made.BitsStored - 1
        made.PixelRepresentation = int(pixels.dtype.kind == "i")
        made.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    else:
        made.PixelData = pixels
    made["PixelData"].VR = "OW"
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def file_of(made: Dataset) -> bytes:
    """The data set as the bytes of a file."""
    if made.file_meta.TransferSyntaxUID.is_encapsulated:
        made["PixelData"].is_undefined_length = True
    stream = BytesIO()
    pydicom.dcmwrite(stream, made, enforce_file_format=True)
    return stream.getvalue()


def item(data: bytes) -> bytes:
    """A fragment of encapsulated pixel data, padded to an even length."""
    data += b"\0" * (len(data) % 2)
    return b"\xfe\xff\x00\xe0" + struct.pack("<I", len(data)) + data
