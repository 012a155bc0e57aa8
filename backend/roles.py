"""The roles that `yunying` runs, and the one-off commands that need the database. Each opens what it needs and closes it in order."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from backend import app
from backend.archive.dicom_node import DicomNode, NodeOptions
from backend.audit.anchors import read_anchors
from backend.audit.store import AuditStore
from backend.audit.verification import export, verify
from backend.platform.dump import dump, restore
from backend.platform.executor import InProcessExecutor
from backend.platform.foundation import Foundation, foundation
from backend.platform.keyring import KeyRing, load_master_key
from backend.platform.processes import until_told
from backend.platform.reseal import KIND as RESEAL
from backend.platform.schema import migrate
from backend.platform.settings import Settings, SettingsError

log = logging.getLogger("yunying.roles")

_CLOSING_SECONDS = 5.0
_GIVES_WAY = 10


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[Foundation, app.Core]]:
    async with foundation(settings) as f:
        await migrate(f.database, app.SCHEMAS, f.clock)
        core = app.core(f)
        try:
            yield f, core
        finally:
            await core.anchors.stop()


@contextmanager
def _binding(name: str, port: int) -> Iterator[None]:
    """Says which setting names a port that cannot be had."""
    try:
        yield
    except OSError as error:
        raise SettingsError(
            f"设置 YUNYING_{name.upper()}={port} 无法使用：{error.strerror}。请改用其他端口，或停止占用它的程序。"
        ) from error


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
        with _binding("http_port", settings.http_port):
            server.add_sockets(bind_sockets(settings.http_port, settings.http_address))
        log.info("serving on %s:%s", settings.http_address, settings.http_port)
        await until_told()
        server.stop()
        async with asyncio.timeout(_CLOSING_SECONDS):
            await server.close_all_connections()
        await receiver.stop()
        pool.close()


async def worker(settings: Settings) -> None:
    """Background work, until told to end; it gives way to the processes that somebody waits for."""
    os.nice(_GIVES_WAY)
    async with _opened(settings) as (f, c):
        pool, receiver = app.pixel_pool(f), app.ingest(f, c)
        executor = InProcessExecutor(f.intents, slots=settings.worker_jobs)
        executor.handle("derive-series", app.deriver(f, c, pool).handle)
        executor.handle(RESEAL, app.resealer(f).handle)
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
        with _binding("dicom_port", settings.dicom_port):
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


_FAULTS = {
    "changed": "内容、位置或前一条与写入时不符",
    "missing": "中间缺少记录",
    "cut": "从此条起的记录被删除（库外锚点表明其曾存在）",
    "rewritten": "整条链被改写（与库外锚点不符）",
    "forged-anchor": "锚点文件被改动或伪造",
}


async def verify_audit(settings: Settings) -> tuple[bool, list[str]]:
    """Whether every audit chain is whole and reaches to its anchored head, and what was found."""
    async with foundation(settings, serves=False) as f:
        anchors = list(read_anchors(settings.anchor_folder, f.keys.derive("audit-anchors")))
        verdict = await verify(AuditStore(f.database), f.keys.derive("audit"), anchors)
    lines = [f"审计记录 {verdict.entries} 条，链 {verdict.chains} 条，锚点 {len(anchors)} 个。"]
    if verdict.unanchored:
        lines.append(f"其中 {verdict.unanchored} 条链没有锚点：早于锚点启用，或锚点文件缺失，其末尾是否完整无法判断。")
    lines += [f"链 {fault.chain} 第 {fault.sequence} 条有误：{_FAULTS[fault.what]}。" for fault in verdict.faults]
    return not verdict.faults, lines


async def export_audit(settings: Settings, file: Path) -> list[str]:
    """Writes the whole trail to `file` as JSON lines, with its hashes; how many, and the file's SHA-256."""
    async with foundation(settings, serves=False) as f:
        count, digest = await export(AuditStore(f.database), file)
    return [f"已导出审计记录 {count} 条。", f"SHA-256 {digest}"]


def rotate_keys(settings: Settings, *, prepare: bool) -> list[str]:
    """A new master key beside the others, in use at once or only prepared; what to do next."""
    load_master_key(settings.key_file, create=settings.environment != "production")
    ring = KeyRing(settings.key_file)
    made = ring.rotate(prepare=prepare)
    if prepare:
        return [
            f"已准备密钥 {made}。请把 {settings.key_file.name}.{made}.new 复制到每台机器，再逐台执行 yunying keys rotate。"
        ]
    return [f"密钥 {made} 已启用，旧密钥仍用于读取。请备份密钥目录，然后执行 yunying keys reseal。"]


async def reseal_fields(settings: Settings) -> list[str]:
    """Asks the workers to seal all stored fields anew."""
    async with foundation(settings, serves=False) as f:
        names = await app.resealer(f).want()
    return [f"已安排后台重新加密：{'、'.join(names)}。用 yunying keys status 查看进度。"]


async def key_status(settings: Settings) -> tuple[bool, list[str]]:
    """Whether every sealed field can be read, and which keys and ciphers sealed how many."""
    async with foundation(settings, serves=False) as f:
        tallies = await app.resealer(f).survey()
    lines = [
        f"{tally.collection}：密钥 {key_id}，{cipher}，{count} 项"
        for tally in tallies
        for (key_id, cipher), count in sorted(tally.by_key.items())
    ]
    unreadable = sum(tally.unreadable for tally in tallies)
    return unreadable == 0, [*lines, f"无法解密 {unreadable} 项。"]
