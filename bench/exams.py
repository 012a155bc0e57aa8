"""The exams that the targets ask for, computed and sent to the product and, where a peer is compared, to the peer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import islice

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from backend.demo.data import CHEST_CT
from backend.demo.pictures import plan_of
from backend.phantom import PhantomRequest, generate, part10

from . import serving
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


def demo_ct(product: Product, peer: Orthanc | None) -> tuple[Sent, NDArray[np.uint16]]:
    """The demo's chest CT (real where real images are at hand), sent to the peer too; and one frame as HU + 1024."""
    [source] = [source for source in plan_of(None) if source.plan.key == CHEST_CT.key]
    study, _ = source.identifiers()
    pictures: list[Picture] = []
    for index, file in enumerate(islice(source.files(), serving.FRAME + 1)):
        dataset = dcmread(BytesIO(file))
        pictures.append(Picture(dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID))
        if index == serving.FRAME:
            hu = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
            if peer:
                with peer.client() as other:
                    other.stow([file])
    entry = next(exam for exam in product.demo["exams"] if exam["study_instance_uid"] == study)
    return Sent(entry["exam"], pictures), np.clip(hu + 1024, 0, 65535).astype(np.uint16)


def fresh(request: PhantomRequest) -> PhantomRequest:
    """The same under another accession number, so that all its UIDs are new."""
    return replace(request, accession_number=f"{request.accession_number[:8]}{int(time.time()) % 10**7}")
