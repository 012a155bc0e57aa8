"""Computed test images: a thorax in true Hounsfield units, a head for MR, a radiograph and an ultrasound sector, with the headers of
Chinese hospitals in every character set. Deterministic by seed, made slice by slice, labelled synthetic in the picture and the header.
"""

from .charsets import CHARSETS, Charset, set_texts
from .people import IdNumberParts, Person, id_number, person_name
from .request import MODALITIES, PhantomError, PhantomRequest
from .series import generate, ground_truth, part10, write
from .thorax import Nodule

__all__ = [
    "CHARSETS",
    "MODALITIES",
    "Charset",
    "IdNumberParts",
    "Nodule",
    "Person",
    "PhantomError",
    "PhantomRequest",
    "generate",
    "ground_truth",
    "id_number",
    "part10",
    "person_name",
    "set_texts",
    "write",
]
