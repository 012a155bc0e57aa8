"""The roles that `yunying` runs, and the one-off commands that need the database. Each opens what it needs and closes it in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from backend import app
from backend.archive.dicom_node import DicomNode, NodeOptions
from backend.audit.rules import verify
from backend.audit.store import AuditStore
from backend.platform.dump import dump, restore
from backend.platform.executor import InProcessExecutor
from backend.platform.foundation import Foundation, foundation
from backend.platform.processes import until_told
from backend.platform.schema import migrate
from backend.platform.settings import Settings

log = logging.getLogger("yunying.roles")

_CLOSING_SECONDS = 5.0


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[Foundation, app.Core]]:
    async with foundation(settings) as f:
        await migrate(f.database, app.SCHEMAS, f.clock)
        yield f, app.core(f)


async def serve(settings: Settings) -> None:
    """Pages, interface, DICOMweb and streams, until told to end."""
    async with _opened(settings) as (f, c):
        pool, receiver = app.pixel_pool(f), app.ingest(f, c)
        routes = app.web_routes(f, c, pool, receiver)
        server = HTTPServer(
            app.application(f, c, routes),
            xheaders=bool(settings.trusted_proxies),
            trusted_downstream=[name.strip() for name in settings.trusted_proxies.split(",") if name.strip()],
            max_body_size=settings.max_body_mb << 20,
            max_header_size=32 << 10,
            idle_connection_timeout=120,
            body_timeout=600,
        )
        server.add_sockets(bind_sockets(settings.http_port, settings.http_address))
        log.info("serving on %s:%s", settings.http_address, settings.http_port)
        await until_told()
        server.stop()
        async with asyncio.timeout(_CLOSING_SECONDS):
            await server.close_all_connections()
        await receiver.stop()
        pool.close()


async def worker(settings: Settings) -> None:
    """Background work, until told to end."""
    async with _opened(settings) as (f, c):
        pool, receiver = app.pixel_pool(f), app.ingest(f, c)
        executor = InProcessExecutor(f.intents, slots=settings.worker_jobs)
        executor.handle("derive-series", app.deriver(f, c, pool).handle)
        # What a receiving process had stored when it died is counted here.
        executor.handle("settle-series", receiver.settle)
        await executor.start()
        log.info("working")
        await until_told()
        await executor.stop()
        await receiver.stop()
        pool.close()


async def dicom(settings: Settings) -> None:
    """The DICOM node, until told to end."""
    async with _opened(settings) as (f, c):
        receiver = app.ingest(f, c)
        options = NodeOptions(
            address=settings.dicom_address,
            port=settings.dicom_port,
            ae_title=settings.dicom_ae_title,
            spool=settings.data / "spool",
            max_associations=settings.dicom_max_associations,
            tls_cert=settings.dicom_tls_cert,
            tls_key=settings.dicom_tls_key,
            tls_ca=settings.dicom_tls_ca,
        )
        node = DicomNode(receiver, c.organisation, options)
        await node.start()
        await until_told()
        await node.stop()
        await receiver.stop()


async def gateway_token(settings: Settings, institution: str) -> str:
    """A new upload credential of an institution; shown this once. Raises `NotFound`."""
    async with _opened(settings) as (_, c):
        return await c.organisation.issue_gateway_token(institution)


async def dump_database(settings: Settings, file: Path) -> list[str]:
    """Writes the whole database to `file`; a line a collection with count and digest."""
    async with foundation(settings, serves=False) as f:
        return (await dump(f.database, file, f.clock)).lines()


async def restore_database(settings: Settings, file: Path, *, replace: bool) -> list[str]:
    """Fills the database from `file`; a line a collection with count and digest."""
    async with foundation(settings, serves=False) as f:
        return (await restore(f.database, file, app.SCHEMAS, replace=replace, clock=f.clock)).lines()


async def verify_audit(settings: Settings) -> tuple[bool, list[str]]:
    """Whether every audit chain is whole, and what was found."""
    async with foundation(settings, serves=False) as f:
        verdict = await verify(AuditStore(f.database), f.keys.derive("audit"))
        lines = [f"审计记录 {verdict.entries} 条，链 {verdict.chains} 条。"]
        if verdict.fault is not None:
            fault = verdict.fault
            lines.append(f"链 {fault.chain} 第 {fault.sequence} 条有误：{fault.what}。")
        return verdict.fault is None, lines
