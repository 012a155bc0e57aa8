"""Rendered resources and thumbnails (PS3.18 10.4.1.1.3, 10.4.1.1.5): 8-bit pictures for whoever may view the exam."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from backend.access.model import Action, Principal
from backend.archive.model import Instance
from backend.platform.cpu import CpuPool, Urgency
from backend.platform.errors import NotFound
from backend.viewing.frames import FrameSource, problem_of
from backend.viewing.series import FrameRef
from render import RenderError, Transform, default_window, fit
from render import Window as RenderWindow

from .media import JPEG, PNG, Chosen, MediaRange, Offer, choose
from .model import Rendering, Viewport
from .multipart import Part
from .openings import Openings, Target
from .picture import Array, encoded, render_window, thumbnail
from .references import frame_ref

THUMBNAIL = 128
# Up to so many pixels a JPEG is made on the event loop: handing it to a thread would cost as much as it saves.
_INLINE_PIXELS = 300_000


class Renderer:
    """Makes pictures. All methods need `Action.EXAM_VIEW` and raise `NotFound` without it, and for what is no image."""

    def __init__(self, openings: Openings, source: FrameSource, pool: CpuPool) -> None:
        self._openings, self._source, self._pool = openings, source, pool

    async def pictures(
        self,
        principal: Principal,
        target: Target,
        numbers: Sequence[int],
        accept: Sequence[MediaRange],
        asked: Rendering,
        base: str,
    ) -> tuple[Chosen, AsyncGenerator[Part, None]]:
        """The frames `numbers` (from 1) of an instance, or with none all frames of the path's instances.

        As a single part: the frame that stands for them. Raises `NotAcceptable`, `Invalid` for a region outside of the image.
        """
        instances = await self._images(principal, target)
        frames = [(one, number) for one in instances for number in numbers or range(1, one.frames + 1)]
        if any(number > one.frames for one, number in frames):
            raise NotFound(f"该实例共有 {instances[0].frames} 帧，没有所要求的帧。")
        many = [Offer(JPEG, single=False), Offer(PNG, single=False)] if len(frames) > 1 else []
        chosen = choose(accept, [*many, Offer(JPEG), Offer(PNG)])
        wanted = frames if chosen.multipart else [frames[len(frames) // 2]]
        return chosen, self._parts(wanted, chosen.media, asked, f"{base}/studies/{target.study}")

    async def thumbnail(self, principal: Principal, target: Target, number: int | None) -> bytes:
        """A JPEG of at most 128 pixels of the frame, or of the one that stands for the path's instances."""
        instances = await self._images(principal, target)
        instance = instances[len(instances) // 2]
        if number is not None and number > instance.frames:
            raise NotFound(f"该实例共有 {instance.frames} 帧，没有所要求的帧。")
        ref = frame_ref(instance, (number or instance.frames // 2 + 1) - 1)
        transform = await self._source.transform(ref, Urgency.OVERVIEW)
        size = fit(ref.rows, ref.columns, (THUMBNAIL, THUMBNAIL))
        values = await self._source.fitted(ref, size, exact=False, urgency=Urgency.OVERVIEW)

        def make() -> bytes:
            return thumbnail(values, transform, default_window(transform, values), THUMBNAIL)

        return await self._pool.run(make, Urgency.OVERVIEW)

    async def _images(self, principal: Principal, target: Target) -> list[Instance]:
        exam = await self._openings.exam(principal, Action.EXAM_VIEW, target.study)
        images = [one for one in await self._openings.instances(exam, target) if one.rows and one.columns]
        if not images:
            raise problem_of("not-an-image")
        return images

    async def _parts(
        self, frames: Sequence[tuple[Instance, int]], media: str, asked: Rendering, base: str
    ) -> AsyncGenerator[Part, None]:
        for instance, number in frames:
            data = await self._picture(frame_ref(instance, number - 1), media, asked)
            series = instance.series_key.partition("/")[2]
            url = f"{base}/series/{series}/instances/{instance.sop_instance_uid}/frames/{number}/rendered"
            yield Part(media, data, url, len(data))

    async def _picture(self, ref: FrameRef, media: str, asked: Rendering) -> bytes:
        size = _fitted(ref, asked.viewport)
        transform = await self._source.transform(ref, Urgency.SEEN)
        values = self._source.peek(ref, size, exact=True)
        if values is not None and media == JPEG and asked.window and size[0] * size[1] <= _INLINE_PIXELS:
            return _made(values, transform, media, asked)
        values = await self._source.fitted(ref, size, exact=True, urgency=Urgency.SEEN)
        return await self._pool.run(lambda: _made(values, transform, media, asked), Urgency.SEEN)


def _fitted(ref: FrameRef, viewport: Viewport | None) -> tuple[int, int]:
    """The size of values to begin with: what fills a viewport, for it is kept in memory; else the whole frame."""
    if viewport is None or viewport.region_width is not None or viewport.region_height is not None:
        return ref.size
    if viewport.x or viewport.y:
        return ref.size
    return fit(ref.rows, ref.columns, (viewport.width, viewport.height))


def _made(values: Array, transform: Transform, media: str, asked: Rendering) -> bytes:
    try:
        return encoded(values, transform, _window(values, transform, asked), asked, media)
    except RenderError as error:
        raise problem_of(error.code) from error


def _window(values: Array, transform: Transform, asked: Rendering) -> RenderWindow | None:
    if asked.window is not None:
        return render_window(asked.window)
    return default_window(transform, values)
