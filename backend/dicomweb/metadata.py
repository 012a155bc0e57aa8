"""Metadata of WADO-RS (PS3.18 10.4.1.1.2): headers in the DICOM JSON model, large values by reference."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from backend.access.model import Action, Principal
from backend.archive.model import Instance

from .matching import DataSet
from .openings import Archive, Openings, Target

PIXEL_DATA = "7FE00010"
_BATCH = 32


class Metadata:
    """Headers of whole studies in constant memory. Needs `Action.EXAM_SEARCH`, for they tell who the patient is: no viewer link."""

    def __init__(self, openings: Openings, archive: Archive) -> None:
        self._openings, self._archive = openings, archive

    async def headers(self, principal: Principal, target: Target, base: str) -> AsyncGenerator[dict[str, Any], None]:
        """The headers of the path's instances, in order. Raises `NotFound`."""
        exam = await self._openings.exam(principal, Action.EXAM_SEARCH, target.study)
        instances = await self._openings.instances(exam, target)
        return self._headers(instances, f"{base}/studies/{target.study}")

    async def _headers(self, instances: Sequence[Instance], base: str) -> AsyncGenerator[dict[str, Any], None]:
        for start in range(0, len(instances), _BATCH):
            batch = instances[start : start + _BATCH]
            for instance, header in zip(batch, await headers_of(self._archive, batch), strict=True):
                series = instance.series_key.partition("/")[2]
                url = f"{base}/series/{series}/instances/{instance.sop_instance_uid}/bulkdata/"
                header = with_references(header, url)
                if instance.rows:
                    header[PIXEL_DATA] = {"vr": "OW", "BulkDataURI": url + PIXEL_DATA}
                yield header


async def headers_of(archive: Archive, instances: Sequence[Instance]) -> list[dict[str, Any]]:
    """The headers of a few instances, asked for at once."""
    found = await asyncio.gather(*(archive.header(instance.key) for instance in instances))
    return [header or {} for header in found]


def with_references(dataset: DataSet, url: str) -> dict[str, Any]:
    """The data set with absolute BulkDataURI: the archive knows where in the file a value is, not where the service is."""
    return {tag: _with_reference(element, url) for tag, element in dataset.items()}


def _with_reference(element: Mapping[str, Any], url: str) -> Mapping[str, Any]:
    if "BulkDataURI" in element:
        return {**element, "BulkDataURI": url + element["BulkDataURI"]}
    if element["vr"] == "SQ" and "Value" in element:
        return {**element, "Value": [with_references(item, url) for item in element["Value"]]}
    return element
