"""Derivation: stream objects of new instances, then the overview and the index of their series.

Everything is derived from the originals alone, lands under a key that its content names, and is written before the database speaks of
it. So a run may be killed, repeated, or overtaken by instances that arrive meanwhile, and loses nothing but time.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import numpy as np

import render
from backend.archive.model import Instance, Series, StreamRef
from backend.platform.cpu import CpuPool, Urgency
from backend.platform.jobs import Intent
from backend.platform.objects import ObjectMissing, ObjectStore
from backend.viewing import describe
from backend.viewing.frames import MAX_ORIGINAL
from backend.viewing.index import PREFIX, IndexBroken, IndexedFrame, IndexReader, lead_document, pack_index
from backend.viewing.ordering import Order, Place, display_order
from backend.viewing.series import FrameRef, SeriesView, order_digest, with_default
from render import Image, RenderError, Shown, sop_class

KIND = "derive-series"
"""The intent's kind; its key is the series' key."""
STREAM, OVERVIEW = "stream", "overview"
"""First parts of object keys."""
UNPACKABLE = "unpackable"
"""Flag of an instance that is shown from the original: 32 bit or floating pixels, or some frames broken."""

_SMALL = 64 << 20
"""Originals up to so many bytes are derived several at a time."""
_AT_ONCE = 6


class DerivationArchive(Protocol):
    """What derivation asks of the archive."""

    async def series(self, series_key: str) -> Series | None:
        """The series, or None."""
        ...

    async def instances_of(self, series_key: str) -> Sequence[Instance]:
        """All instances of a series."""
        ...

    async def set_stream(self, instance_key: str, outcome: StreamRef | str) -> None:
        """Records the stream object of an instance, or why there is none."""
        ...

    async def set_index(self, series_key: str, version: int, index: str, lead: dict[str, Any] | None) -> None:
        """Records index and lead, made of `version` of the series, unless a later one is recorded already."""
        ...


@dataclass
class _Run:
    """What one run has learned."""

    facts: dict[str, list[IndexedFrame]] = field(default_factory=dict)
    """SOP Instance UID -> its frames."""
    cells: dict[tuple[str, int], bytes] = field(default_factory=dict)
    """(stream object, frame) -> bytes of its overview cell, as far as there is room."""
    room: int = 256 << 20

    def keep(self, stream: str, frame: int, cell: bytes) -> None:
        """Spares reading a cell again."""
        if len(cell) <= self.room:
            self.cells[stream, frame] = cell
            self.room -= len(cell)


class Deriver:
    """Handles the intent `derive-series`."""

    def __init__(self, archive: DerivationArchive, objects: ObjectStore, pool: CpuPool) -> None:
        self._archive, self._objects, self._pool = archive, objects, pool

    async def handle(self, intent: Intent) -> None:
        """Derives what the series of this key lacks."""
        await self.derive(intent.key)

    async def derive(self, series_key: str) -> None:
        """Brings stream objects, overview and index of a series up to its instances."""
        series = await self._archive.series(series_key)
        if series is None:
            return
        instances = [one for one in await self._archive.instances_of(series_key) if showable(one)]
        old, run = await self._old_index(series), _Run()
        if old is not None:
            _remember(run, old, instances)
        small = [one for one in instances if one.size <= _SMALL]
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(instance: Instance) -> None:
            async with gate:
                await self._instance(instance, run)

        async with asyncio.TaskGroup() as group:
            for instance in small:
                group.create_task(one(instance))
        for instance in instances:
            if instance.size > _SMALL:
                await self._instance(instance, run)
        await self._index(series, instances, run, old)

    async def _old_index(self, series: Series) -> IndexReader | None:
        if not series.index:
            return None
        try:
            return IndexReader(await self._objects.get(series.index))
        except (ObjectMissing, IndexBroken):
            return None

    async def _instance(self, instance: Instance, run: _Run) -> None:
        """Stream object or flag of one instance, and its frames' places."""
        if instance.sop_instance_uid in run.facts:
            return
        if instance.size > MAX_ORIGINAL:
            await self._flag(instance, "limit-exceeded", run)
            return
        data = await self._objects.get(instance.original)
        try:
            image = await self._work(partial(render.open_image, data))
            run.facts[instance.sop_instance_uid] = await self._work(lambda: _facts(instance, image))
        except RenderError as error:
            await self._flag(instance, error.code.replace("_", "-"), run)
            return
        if instance.stream is None and not instance.flag:
            await self._pack(instance, image, run)

    async def _flag(self, instance: Instance, code: str, run: _Run) -> None:
        run.facts[instance.sop_instance_uid] = _blank_facts(instance, code)
        if instance.flag != code:
            await self._archive.set_stream(instance.key, code)

    async def _pack(self, instance: Instance, image: Image, run: _Run) -> None:
        key = f"{STREAM}/{instance.sha256[:2]}/{instance.sha256}"
        rows: list[tuple[int, ...]] = []
        try:
            frames = self._packed(image, key, rows, run)
            whole = b"".join([data async for data in frames]) if image.frame_count == 1 else None
            size = (await self._objects.put(key, frames if whole is None else whole)).size
        except RenderError as error:
            broken = image.frame_count == 1 and not isinstance(error, render.UnsupportedSyntax)
            await self._refuse(instance, error.code.replace("_", "-") if broken else UNPACKABLE, run)
            return
        ends = np.array(rows, "<u4").tobytes()
        await self._archive.set_stream(instance.key, StreamRef(key, size, ends))
        run.facts[instance.sop_instance_uid] = [
            replace(one, ref=replace(one.ref, stream=key, start=row[0], ends=row[1:]))
            for one, row in zip(run.facts[instance.sop_instance_uid], rows, strict=True)
        ]

    async def _refuse(self, instance: Instance, code: str, run: _Run) -> None:
        """Records that there is no stream object; whether the frames can be shown nevertheless, the code says."""
        problem = "" if code == UNPACKABLE else code
        run.facts[instance.sop_instance_uid] = [
            replace(one, ref=replace(one.ref, problem=problem)) for one in run.facts[instance.sop_instance_uid]
        ]
        await self._archive.set_stream(instance.key, code)

    async def _packed(self, image: Image, key: str, rows: list[tuple[int, ...]], run: _Run) -> AsyncIterator[bytes]:
        """The codestreams one after the other, with one in the making; fills `rows` and keeps the overview cells."""

        def pack(frame: int) -> tuple[bytes, tuple[int, ...], bytes]:
            stored = image.decode(frame)
            return *render.pack_frame(stored), render.pack_cell(stored)

        def begin(frame: int) -> asyncio.Task[tuple[bytes, tuple[int, ...], bytes]]:
            return asyncio.ensure_future(self._work(partial(pack, frame)))

        ahead = [begin(n) for n in range(min(2, image.frame_count))]
        start = 0
        try:
            for frame in range(image.frame_count):
                data, ends, cell = await ahead.pop(0)
                if frame + 2 < image.frame_count:
                    ahead.append(begin(frame + 2))
                rows.append((start, *ends))
                run.keep(key, frame, cell)
                start += len(data)
                yield data
        finally:
            for task in ahead:
                task.cancel()
            await asyncio.gather(*ahead, return_exceptions=True)

    async def _index(self, series: Series, instances: Sequence[Instance], run: _Run, old: IndexReader | None) -> None:
        found = [frame for one in instances for frame in run.facts[one.sop_instance_uid]]
        if not found:
            entry = describe.unshowable(series, unshowable_reason(await self._archive.instances_of(series.key)))
            await self._archive.set_index(series.key, series.version, "", {"entry": entry, "frame": None})
            return
        readable = [one for one in found if one.ref.transform is not None]
        order = await self._work(lambda: display_order([one.place for one in readable]))
        frames = [readable[n] for n in order.order] + [one for one in found if one.ref.transform is None]
        lead = _lead(frames, order)
        view = await self._describe(series, frames, lead, order)
        digest = await self._work(lambda: order_digest([one.ref for one in frames]))
        view = replace(view, entry={**view.entry, "order": digest})
        reduce = render.overview_reduce(frames[lead].ref.rows, frames[lead].ref.columns)
        frames, overview = await self._overview(series.key, frames, run, old)
        view = replace(view, overview=overview, overview_reduce=reduce)
        data = await self._work(lambda: pack_index(view, frames))
        key = (await self._objects.put_addressed(PREFIX, data)).key
        document = lead_document(view, _with_window(frames[lead].ref, view))
        await self._archive.set_index(series.key, series.version, key, document)
        if old is not None:
            await self._drop({series.index, old.view.overview} - {key, overview, ""})

    async def _describe(self, series: Series, frames: Sequence[IndexedFrame], lead: int, order: Order) -> SeriesView:
        """The series' view without its frames; reads the lead's original once more."""
        one = frames[lead]
        if one.ref.transform is None:
            entry = describe.unshowable(series, "此序列的图像无法读取，原始数据已完整保存，请联系检查医院。")
            return SeriesView(series.key, entry, ())
        data = await self._objects.get(one.ref.original)
        transform = one.ref.transform

        def look() -> tuple[dict[str, Any], render.Window | None]:
            image = render.open_image(data)
            window = default_of(image, one.ref, series)
            shown = with_default(transform, window)
            entry = describe.entry(
                series, image, one.place.geometry, shown, frames=len(frames), lead_number=lead, volume=order.volume
            )
            return entry, window

        entry, window = await self._work(look)
        return SeriesView(series.key, entry, (), default_window=window)

    async def _overview(
        self, series_key: str, frames: Sequence[IndexedFrame], run: _Run, old: IndexReader | None
    ) -> tuple[list[IndexedFrame], str]:
        """The overview object: the cells of all frames in display order, so that a sheet is one read."""
        placed = [replace(one, ref=replace(one.ref, overview=None)) for one in frames]
        if not any(one.ref.ends for one in frames):
            return placed, ""
        kept = b"" if old is None or not old.view.overview else await self._old_overview(old)

        async def body() -> AsyncIterator[bytes]:
            position = 0
            for n, one in enumerate(frames):
                if not one.ref.ends:
                    continue
                cell = await self._cell(one.ref, run, kept)
                placed[n] = replace(one, ref=replace(one.ref, overview=(position, position + len(cell))))
                position += len(cell)
                yield cell
            # Two institutions may send the same series: each has an overview of its own, since one may replace its own.
            yield hashlib.sha256(series_key.encode()).digest()

        return placed, (await self._objects.put_addressed(OVERVIEW, body())).key

    async def _old_overview(self, old: IndexReader) -> bytes:
        try:
            return await self._objects.get(old.view.overview)
        except ObjectMissing:
            return b""

    async def _cell(self, ref: FrameRef, run: _Run, kept: bytes) -> bytes:
        made = run.cells.get((ref.stream, ref.frame))
        if made is not None:
            return made
        if ref.overview is not None and ref.overview[1] <= len(kept):
            return kept[slice(*ref.overview)]
        data = await self._objects.range(ref.stream, ref.start, ref.start + ref.ends[-1])
        cell: bytes = await self._work(lambda: render.pack_cell(render.unpack(data, ref.ends)))
        return cell

    async def _drop(self, keys: set[str]) -> None:
        for key in keys:
            await self._objects.delete(key)

    async def _work(self, work: Any) -> Any:
        return await self._pool.run(work, Urgency.BACKGROUND)


def default_of(image: Image, ref: FrameRef, series: Series) -> render.Window | None:
    """The window of frames that bring none of their own, found in this one; None where the file says, or for colour."""
    transform = image.transform(ref.frame)
    if transform.colour or transform.windows or transform.voi_luts:
        return None
    try:
        values = image.decode(ref.frame)
    except RenderError:
        return None
    return render.default_window(transform, values, series.modality, f"{series.body_part} {series.description}")


def showable(instance: Instance) -> bool:
    """Whether an instance holds pictures, by its SOP class and transfer syntax."""
    shown = sop_class(instance.sop_class_uid, instance.transfer_syntax_uid, instance.frames).shown
    return shown in (Shown.IMAGE, Shown.CINE)


def unshowable_reason(instances: Sequence[Instance]) -> str:
    """The sentence that tells people what a series holds instead of pictures."""
    names = sorted({sop_class(one.sop_class_uid, one.transfer_syntax_uid, one.frames).name for one in instances})
    return f"此序列的内容为{'、'.join(names[:3])}，不是图像，原始数据已完整保存。"


def _remember(run: _Run, old: IndexReader, instances: Sequence[Instance]) -> None:
    """Takes from the old index what needs no second look."""
    known = {one.sop_instance_uid: one.stream.key if one.stream else "" for one in instances}
    usable = {uid for uid, stream in old.instances.items() if known.get(uid) == stream != ""}
    for n in range(len(old)):
        one = old.indexed(n)
        if one.place.sop_instance_uid in usable:
            run.facts.setdefault(one.place.sop_instance_uid, []).append(one)


def _facts(instance: Instance, image: Image) -> list[IndexedFrame]:
    """The frames of an instance, in its own order."""
    facts = []
    for frame in range(image.frame_count):
        ref = FrameRef(
            original=instance.original,
            frame=frame,
            rows=image.format.rows,
            columns=image.format.columns,
            transform=image.transform(frame),
            problem="" if instance.flag in ("", UNPACKABLE) else instance.flag,
        )
        ref = with_stream(ref, instance.stream)
        facts.append(IndexedFrame(ref, Place(image.geometry(frame), instance.sop_instance_uid, frame)))
    return facts


def with_stream(ref: FrameRef, stream: StreamRef | None) -> FrameRef:
    """The reference, pointing into the stream object if there is one."""
    if stream is None:
        return ref
    levels = render.level_count(ref.rows, ref.columns)
    table = np.frombuffer(stream.ends, "<u4").reshape(-1, 1 + levels)
    start, *ends = table[ref.frame].tolist()
    return replace(ref, stream=stream.key, start=start, ends=tuple(ends))


def _blank_facts(instance: Instance, code: str) -> list[IndexedFrame]:
    """One frame that stands for an instance whose header cannot be read: it is missed by nobody and shows why."""
    nowhere = render.Geometry(None, None, None, "", None, None, "", instance.instance_number, None, None, "")
    ref = FrameRef(instance.original, 0, max(1, instance.rows), max(1, instance.columns), problem=code)
    return [IndexedFrame(ref, Place(nowhere, instance.sop_instance_uid, 0))]


def _lead(frames: Sequence[IndexedFrame], order: Order) -> int:
    """The frame to begin with: the middle of a volume, else the first; one that can be shown, if there is any."""
    wanted = len(frames) // 2 if order.volume else 0
    good = [n for n, one in enumerate(frames) if not one.ref.problem and one.ref.transform is not None]
    return min(good, key=lambda n: abs(n - wanted), default=wanted)


def _with_window(ref: FrameRef, view: SeriesView) -> FrameRef:
    if ref.transform is None:
        return ref
    return replace(ref, transform=with_default(ref.transform, view.default_window))
