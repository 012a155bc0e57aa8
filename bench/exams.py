"""The exams that the targets ask for, computed and sent to the product and, where a peer is compared, to the peer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import imagecodecs
import numpy as np
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from backend.phantom import PhantomRequest, generate, part10

from .orthanc import Orthanc
from .product import Product, patient_of
from .serving import Picture


@dataclass(frozen=True, slots=True)
class Sent:
    """An exam at the product."""

    exam: str
    pictures: list[Picture]


def ct(product: Product, slices: int) -> PhantomRequest:
    """A chest CT of the first demo patient."""
    return PhantomRequest(
        slices=slices, seed=slices, accession_number=f"BCT{slices}", patient_id="B1", person=patient_of(product)
    )


def radiograph(product: Product, rows: int, columns: int) -> PhantomRequest:
    """A chest radiograph of the first demo patient."""
    whose = patient_of(product)
    return PhantomRequest(
        "DX", 1, rows, columns, accession_number=f"BDX{rows}x{columns}", patient_id="B1", person=whose
    )


def send(product: Product, request: PhantomRequest, peer: Orthanc | None = None, *, jpeg2000: bool = False) -> Sent:
    """Sends the exam to both; instances one by one, never the whole series in memory."""
    pictures: list[Picture] = []
    source = _files(request, pictures, jpeg2000=jpeg2000)
    with product.gateway() as gateway:
        other = peer.client() if peer else None
        while part := list(islice(source, 20)):
            gateway.stow(part)
            if other:
                other.stow(part)
    return Sent(product.exam_of(request.uid("study")), pictures)


def _files(request: PhantomRequest, pictures: list[Picture], *, jpeg2000: bool) -> Iterator[bytes]:
    for dataset in generate(request):
        pictures.append(Picture(dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID))
        if jpeg2000:
            pixels = np.frombuffer(dataset.PixelData, "<u2").reshape(request.rows, request.columns)
            packed = imagecodecs.jpeg2k_encode(pixels, level=0, reversible=True, codecformat="J2K", bitspersample=12)
            dataset.PixelData = encapsulate([bytes(packed)])
            dataset["PixelData"].VR = "OB"
            dataset["PixelData"].is_undefined_length = True
            dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
        yield part10(dataset)


def fresh(request: PhantomRequest) -> PhantomRequest:
    """The same under another accession number, so that all its UIDs are new."""
    return replace(request, accession_number=f"{request.accession_number[:8]}{int(time.time()) % 10**7}")
