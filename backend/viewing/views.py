"""Series opened for viewing: from the derived index, or straight from the originals while there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cachetools import LRUCache

from backend.archive.model import Instance, Series
from backend.platform.cpu import CpuPool, Urgency
from backend.platform.errors import NotFound, YunyingError
from backend.platform.objects import ObjectStore
from backend.viewing import describe
from backend.viewing.derive import UNPACKABLE, default_of, showable, unshowable_reason, with_stream
from backend.viewing.frames import FrameSource
from backend.viewing.index import IndexReader, lead_from
from backend.viewing.series import FrameRef, SeriesView, order_digest, with_default
from render import Image, Window

_VOLUMES = frozenset({"CT", "MR", "PT"})
_KEPT_FRAMES = 200_000


class SeriesArchive(Protocol):
    """What opening a series asks of the archive."""

    async def instances_of(self, series_key: str) -> Sequence[Instance]:
        """All instances of a series."""
        ...


@dataclass(frozen=True, slots=True)
class Summary:
    """What the manifest and the first picture need of a series; the same cost for twenty frames and for two thousand."""

    series: Series
    entry: Mapping[str, Any]
    lead: FrameRef | None
    """The frame to begin with; None where nothing can be shown."""

    @property
    def name(self) -> tuple[str, str, int]:
        """Changes whenever the frames of the series may have changed."""
        return (self.series.key, self.series.index, 0 if self.series.index else self.series.version)


class SeriesViews:
    """Opens series, and keeps what was opened while there is room."""

    def __init__(self, archive: SeriesArchive, objects: ObjectStore, source: FrameSource, pool: CpuPool) -> None:
        self._archive, self._objects, self._source, self._pool = archive, objects, source, pool
        self._views: LRUCache[tuple[str, str, int], SeriesView] = LRUCache(
            _KEPT_FRAMES, getsizeof=lambda view: len(view.frames) + 20
        )

    async def summary(self, series: Series) -> Summary:
        """Entry and first frame, out of the series document alone once it is derived."""
        if series.lead is not None and series.lead.get("frame") is not None:
            entry, lead = lead_from(series.lead)
            return Summary(series, entry, lead)
        if series.lead is not None:
            return Summary(series, series.lead["entry"], None)
        view = await self.view(Summary(series, {}, None))
        number = view.entry["default_frame"]
        return Summary(series, view.entry, view.frames[number] if view.frames else None)

    async def view(self, summary: Summary) -> SeriesView:
        """All frames of a series in display order."""
        kept = self._views.get(summary.name)
        if kept is not None:
            return kept
        series = summary.series
        if series.index:
            data = await self._objects.get(series.index)
            view = await self._pool.run(lambda: IndexReader(data).view)
        else:
            view = await self._from_originals(series)
        if len(view.frames) + 20 <= _KEPT_FRAMES:
            self._views[summary.name] = view
        return view

    async def _from_originals(self, series: Series) -> SeriesView:
        """The frames by instance number, before anybody has looked into the files; the derived index puts them right."""
        everything = await self._archive.instances_of(series.key)
        instances = sorted(
            (one for one in everything if showable(one)),
            key=lambda one: (one.instance_number is None, one.instance_number or 0, one.sop_instance_uid),
        )
        frames = [
            with_stream(_reference(one, frame), one.stream) for one in instances for frame in range(max(1, one.frames))
        ]
        if not frames:
            return SeriesView(series.key, describe.unshowable(series, unshowable_reason(everything)), ())
        volume = series.modality in _VOLUMES and len(frames) > 1
        number = len(frames) // 2 if volume else 0
        return await self._described(series, frames, number, volume)

    async def _described(self, series: Series, frames: list[FrameRef], number: int, volume: bool) -> SeriesView:
        lead = frames[number]
        try:
            image = await self._source.image(lead.original, Urgency.SEEN)
            entry, window = await self._pool.run(
                lambda: _look(series, image, lead, frames=len(frames), number=number, volume=volume)
            )
        except YunyingError as error:
            # One broken file: the others may be sound, so the series is offered and the frame says what is wrong.
            entry = {**describe.unshowable(series, ""), "frames": len(frames), "default_frame": number}
            entry |= {"rows": lead.rows, "columns": lead.columns, "showable": error.text if len(frames) == 1 else True}
            window = None
        entry["order"] = order_digest(frames)
        return SeriesView(series.key, entry, frames, default_window=window)


def _reference(instance: Instance, frame: int) -> FrameRef:
    problem = "" if instance.flag in ("", UNPACKABLE) else instance.flag
    rows, columns = max(1, instance.rows), max(1, instance.columns)
    return FrameRef(instance.original, frame, rows, columns, problem=problem)


def _look(
    series: Series, image: Image, lead: FrameRef, *, frames: int, number: int, volume: bool
) -> tuple[dict[str, Any], Window | None]:
    window = default_of(image, lead, series)
    transform = with_default(image.transform(lead.frame), window)
    place = image.geometry(lead.frame)
    entry = describe.entry(series, image, place, transform, frames=frames, lead_number=number, volume=volume)
    return entry, window


def frame_of(view: SeriesView, number: int) -> FrameRef:
    """Frame `number` in display order, from 0. Raises NotFound beyond the series."""
    if not 0 <= number < len(view.frames):
        raise NotFound("该序列中没有这一帧，请刷新页面。")
    return view.frames[number]


def lead_view(summary: Summary) -> SeriesView:
    """As much of a series as its first picture needs."""
    assert summary.lead is not None
    return SeriesView(summary.series.key, summary.entry, (summary.lead,))
