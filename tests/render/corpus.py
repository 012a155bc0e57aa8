"""The real images by what their manifest says of them."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

import render
from tests.images import ROOT, shared_dicom

Entry = dict[str, Any]

BIG_ENDIAN = "1.2.840.10008.1.2.2"
LOSSY_JPEG = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"})
JPEG_LS = frozenset({"1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"})
DCMTK_JPEG = LOSSY_JPEG | {"1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"}


@functools.cache
def entries() -> tuple[Entry, ...]:
    """Every file of the corpus; one empty entry where it is absent, whose tests then skip with the reason."""
    try:
        manifest = shared_dicom("MANIFEST.json")
    except BaseException:
        return ({"file": "", "has_pixels": True, "decodes": True, "rows": "1", "transfer_syntax": ""},)
    return tuple(json.loads(manifest.read_text()))


def images() -> list[Entry]:
    """The entries whose pixels every decoder reads."""
    return [entry for entry in entries() if entry["has_pixels"] and entry["decodes"]]


def each(chosen: list[Entry]) -> Callable[[Any], Any]:
    """A test for each of the entries, named by its file."""
    return pytest.mark.parametrize("entry", chosen, ids=[entry["file"] for entry in chosen])


def path_of(entry: Entry) -> Path:
    return shared_dicom(entry["file"])


def opened(entry: Entry) -> render.Image:
    return render.open_image(path_of(entry).read_bytes())


def header(entry: Entry) -> pydicom.Dataset:
    return pydicom.dcmread(path_of(entry), stop_before_pixels=True)


def sample_of_each_form() -> list[Entry]:
    """One image of each transfer syntax, photometric interpretation, depth, signedness of the corpus."""
    chosen: dict[Any, Entry] = {}
    for entry in images():
        form = (entry["transfer_syntax"], entry["photometric"], entry["bits"], entry["frames"] not in ("", "1"))
        if form not in chosen or entry["bytes"] < chosen[form]["bytes"]:
            chosen[form] = entry
    return list(chosen.values())


__all__ = ["ROOT", "Entry", "each", "entries", "header", "images", "opened", "path_of", "sample_of_each_form"]
