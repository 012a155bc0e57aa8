"""The DICOMweb routes. Thin: parameters in, one rule, an answer in the form that was negotiated."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler

from backend.access.model import Action
from backend.archive.stow import StowHandler
from backend.web.handler import Handler
from backend.web.router import Route, requires

from .matching import DataSet
from .media import DICOM_JSON, DICOM_XML, JPEG, Chosen, MediaRange, Offer, choose, parse_accept
from .metadata import Metadata
from .model import Level
from .multipart import Part, cut_if_begun, send_parts, send_single
from .native_xml import native_xml
from .openings import Target
from .parameters import parse_frames, parse_rendering, parse_search, parse_uid
from .qido import Searches
from .rendered import Renderer
from .wado import Parts, Retrieval

PREFIX = "/dicom-web"
_JSON_PIECE = 64 << 10
_DATA_SETS = (Offer(DICOM_JSON, multipart=False), Offer(DICOM_XML, single=False))


class DicomWebHandler(Handler):
    """What all of them need: the query as texts, the accepted ranges, the URL of the service."""

    def arguments(self) -> dict[str, list[str]]:
        """Query parameters, decoded; `Invalid` for what is not UTF-8."""
        return {name: self.get_query_arguments(name, strip=False) for name in self.request.query_arguments}

    def accepted(self) -> list[MediaRange]:
        """What the client takes; the query parameter goes before the header (PS3.18 8.7.8)."""
        asked = self.get_query_argument("accept", "") or self.request.headers.get("Accept", "")
        return parse_accept(asked)

    @property
    def base(self) -> str:
        """URL of the DICOMweb service as the client sees it."""
        return (self.public_url or f"{self.request.protocol}://{_host(self.request)}") + PREFIX

    public_url: str = ""

    def warn(self, warnings: Sequence[str]) -> None:
        """Warnings as PS3.18 8.1.2 wants them (RFC 9111 5.5 has retired the field; DICOM has not)."""
        for text in warnings:
            self.add_header("Warning", f'299 {self.request.host}: "{text}"')

    async def send(self, chosen: Chosen, parts: Parts) -> None:
        """The parts in the form that was chosen."""
        if chosen.multipart:
            await send_parts(self, chosen.media, parts)
        else:
            await send_single(self, await anext(parts))

    async def send_data_sets(self, chosen: Chosen, items: AsyncGenerator[DataSet, None]) -> None:
        """Data sets as one JSON array, or as the parts of a multipart body of XML; at the pace of the reader."""
        if chosen.media == DICOM_XML:
            await send_parts(self, DICOM_XML, _documents(items))
            return
        self.set_header("Content-Type", DICOM_JSON)
        waiting, start = 0, "["
        with cut_if_begun(self):
            async for item in items:
                text = start + json.dumps(item, ensure_ascii=False, separators=(",", ":"))
                self.write(text)
                waiting, start = waiting + len(text), ","
                if waiting > _JSON_PIECE:
                    await self.flush()
                    waiting = 0
            await self.finish("]" if start == "," else "[]")

    def target(self, path: dict[str, str]) -> Target:
        """The resource of the path. Raises `Invalid` for a UID that cannot be one."""
        return Target(
            *(parse_uid(path[name], name) if path.get(name) else "" for name in ("study", "series", "instance"))
        )


async def _documents(items: AsyncGenerator[DataSet, None]) -> AsyncGenerator[Part, None]:
    async for item in items:
        yield Part(DICOM_XML, native_xml(item))


def _host(request: HTTPServerRequest) -> str:
    """Host and port that the client connected to.

    dicomweb-client leaves the port out of its Host header. Where no proxy stands between, the socket knows it.
    """
    stream = getattr(request.connection, "stream", None)
    if ":" in request.host or "X-Forwarded-For" in request.headers or stream is None or stream.socket is None:
        return request.host
    port = stream.socket.getsockname()[1]
    return request.host if port in (80, 443) else f"{request.host}:{port}"


class SearchHandler(DicomWebHandler):
    """QIDO-RS (PS3.18 10.6)."""

    searches: Searches
    level: Level

    async def get(self, **path: str) -> None:
        """The rows."""
        chosen = choose(self.accepted(), _DATA_SETS)
        target = self.target(path)
        search = parse_search(self.level, self.arguments(), study=target.study, series=target.series)
        found = await self.searches.run(self.principal, search, self.base)
        self.warn(found.warnings)
        if found.rows or chosen.media == DICOM_JSON:
            await self.send_data_sets(chosen, _each(found.rows))
        else:
            self.set_status(204)  # A multipart body has at least one part.


async def _each(rows: Iterable[DataSet]) -> AsyncGenerator[DataSet, None]:
    for row in rows:
        yield row


class InstancesHandler(DicomWebHandler):
    """Retrieve a study, series or instance (PS3.18 10.4.1.1.1)."""

    retrieval: Retrieval

    async def get(self, **path: str) -> None:
        """The instances as application/dicom."""
        chosen, parts = await self.retrieval.instances(self.principal, self.target(path), self.accepted(), self.base)
        await self.send(chosen, parts)


class MetadataHandler(DicomWebHandler):
    """Retrieve metadata (PS3.18 10.4.1.1.2)."""

    metadata: Metadata

    async def get(self, **path: str) -> None:
        """The headers, sent while they are read."""
        chosen = choose(self.accepted(), _DATA_SETS)
        await self.send_data_sets(chosen, await self.metadata.headers(self.principal, self.target(path), self.base))


class FramesHandler(DicomWebHandler):
    """Retrieve frames (PS3.18 10.4.1.1.6)."""

    retrieval: Retrieval

    async def get(self, frames: str, **path: str) -> None:
        """The frames' pixel data."""
        target, numbers = self.target(path), parse_frames(frames)
        await self.send(*await self.retrieval.frames(self.principal, target, numbers, self.accepted(), self.base))


class BulkDataHandler(DicomWebHandler):
    """Retrieve bulk data (PS3.18 10.4.1.1.4) by the URIs of the metadata."""

    retrieval: Retrieval

    async def get(self, offset: str, length: str, **path: str) -> None:
        """A value out of the file."""
        span = (int(offset), int(length))
        await self.send(*await self.retrieval.bulkdata(self.principal, self.target(path), span, self.accepted()))


class PixelDataHandler(DicomWebHandler):
    """Retrieve the value of Pixel Data."""

    retrieval: Retrieval

    async def get(self, **path: str) -> None:
        """The value, or its frames where it is compressed."""
        target = self.target(path)
        await self.send(*await self.retrieval.pixel_data(self.principal, target, self.accepted(), self.base))


class RenderedHandler(DicomWebHandler):
    """Retrieve rendered (PS3.18 10.4.1.1.3)."""

    renderer: Renderer

    async def get(self, frames: str = "", **path: str) -> None:
        """Pictures of 8 bits."""
        asked, target = parse_rendering(self.arguments()), self.target(path)
        numbers = parse_frames(frames) if frames else []
        self.warn(asked.warnings)
        await self.send(
            *await self.renderer.pictures(self.principal, target, numbers, self.accepted(), asked, self.base)
        )


class ThumbnailHandler(DicomWebHandler):
    """Retrieve a thumbnail (PS3.18 10.4.1.1.5)."""

    renderer: Renderer

    async def get(self, frames: str = "", **path: str) -> None:
        """One small JPEG."""
        choose(self.accepted(), [Offer(JPEG, multipart=False)])
        number = parse_frames(frames)[0] if frames else None
        data = await self.renderer.thumbnail(self.principal, self.target(path), number)
        await send_single(self, Part(JPEG, data))


class StudiesHandler(SearchHandler, StowHandler):
    """The Studies resource: searched by GET, stored into by POST."""


class StudyHandler(InstancesHandler, StowHandler):
    """One study: retrieved by GET, stored into by POST."""


def routes(
    searches: Searches,
    retrieval: Retrieval,
    metadata: Metadata,
    renderer: Renderer,
    *,
    store: Sequence[Route] = (),
    public_url: str = "",
) -> list[Route]:
    """All routes of QIDO-RS and WADO-RS, and those of STOW-RS given as `store`, for the two services share addresses.

    `public_url`: address that clients know the server by; empty: that of the request.
    """
    study = PREFIX + r"/studies/(?P<study>[^/]+)"
    series = study + r"/series/(?P<series>[^/]+)"
    instance = series + r"/instances/(?P<instance>[^/]+)"
    frames = instance + r"/frames/(?P<frames>[^/]+)"
    common: dict[str, Any] = {"public_url": public_url}
    original = {"GET": requires(Action.EXAM_ORIGINAL)}
    view = {"GET": requires(Action.EXAM_VIEW)}
    search = {"GET": requires(Action.EXAM_SEARCH)}
    table: list[Route] = [
        Route(pattern, SearchHandler, search, {**common, "searches": searches, "level": level})
        for pattern, level in (
            (PREFIX + "/studies", Level.STUDY),
            (PREFIX + "/series", Level.SERIES),
            (PREFIX + "/instances", Level.INSTANCE),
            (study + "/series", Level.SERIES),
            (study + "/instances", Level.INSTANCE),
            (series + "/instances", Level.INSTANCE),
        )
    ]
    for resource in (study, series, instance):
        table += [
            Route(resource, InstancesHandler, original, {**common, "retrieval": retrieval}),
            Route(resource + "/metadata", MetadataHandler, search, {**common, "metadata": metadata}),
        ]
    for resource in (study, series, instance, frames):
        table += [
            Route(resource + "/rendered", RenderedHandler, view, {**common, "renderer": renderer}),
            Route(resource + "/thumbnail", ThumbnailHandler, view, {**common, "renderer": renderer}),
        ]
    bulk = instance + r"/bulkdata/(?P<offset>\d{1,15})/(?P<length>\d{1,15})"
    table += [
        Route(frames, FramesHandler, original, {**common, "retrieval": retrieval}),
        Route(bulk, BulkDataHandler, original, {**common, "retrieval": retrieval}),
        Route(instance + r"/bulkdata/7[Ff][Ee]00010", PixelDataHandler, original, {**common, "retrieval": retrieval}),
    ]
    return _joined(table, {route.pattern: route for route in store})


def _joined(table: Sequence[Route], store: dict[str, Route]) -> list[Route]:
    """One route for each address: Tornado asks only the first that matches."""
    both: dict[type[RequestHandler], type[Handler]] = {SearchHandler: StudiesHandler, InstancesHandler: StudyHandler}
    joined = []
    for route in table:
        other = store.get(route.pattern)
        if other is not None:
            route = Route(
                route.pattern,
                both[route.handler],
                {**route.rules, **other.rules},
                {**route.deps, **other.deps},
                {**route.operations, **other.operations},
            )
        joined.append(route)
    return joined
