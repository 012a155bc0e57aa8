"""`make demo`: the whole system in the foreground, on the embedded database, with sample exams received through its real doors."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from backend.platform.embedded import EmbeddedDatabase
from backend.platform.errors import YunyingError
from backend.platform.foundation import embedded_options
from backend.platform.processes import Child, until_told
from backend.platform.settings import Settings, child_environment

from .data import PATIENTS
from .enrol import enrol
from .pictures import plan_of
from .ports import ADDRESS, dicom_port, must_be_free
from .seed import Doors, seed

_AE_TITLE = "YUNYING"
_ROLES = ("serve", "worker", "dicom")
_READY_SECONDS = 60.0
_STAFF_TOKEN_MINUTES = 7 * 24 * 60


class DemoError(YunyingError):
    """The demo cannot run; the text says what to do."""

    code = "demo"


def run(data: Path, port: int, samples: Path | None) -> int:
    """Runs the demo in `data` until Ctrl-C; 0 when it ended in order. Raises `DemoError` when it cannot start."""
    data = data.resolve()
    (data / "log").mkdir(parents=True, exist_ok=True)
    (data / "demo.json").unlink(missing_ok=True)
    must_be_free(port)
    with dicom_port() as node:
        settings = Settings(
            environment="demo",
            data=data,
            http_port=port,
            dicom_port=node,
            staff_token_minutes=_STAFF_TOKEN_MINUTES,
        )
        asyncio.run(_run(settings, samples))
    return 0


async def _run(settings: Settings, samples: Path | None) -> None:
    """Starts everything, seeds it, tells where to look, and waits to be told to end."""
    demo_json = settings.data / "demo.json"
    told = asyncio.create_task(until_told())
    async with AsyncExitStack() as stack:
        _tell("启动内置数据库 …")
        database = await stack.enter_async_context(EmbeddedDatabase(embedded_options(settings)))
        children = await _start(settings, database.uri, stack)
        work = asyncio.create_task(_seed(settings, database.uri, samples, demo_json))
        await asyncio.wait([told, work], return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
        elif error := work.exception():
            raise error
        else:
            _tell(_banner(settings, demo_json, children))
            await told
        _tell("正在停止 …")


async def _start(settings: Settings, uri: str, stack: AsyncExitStack) -> list[Child]:
    environment = child_environment(
        environment="demo",
        data=settings.data,
        mongodb_uri=uri,
        http_address=ADDRESS,
        http_port=settings.http_port,
        dicom_address=ADDRESS,
        dicom_port=settings.dicom_port,
        dicom_ae_title=_AE_TITLE,
        staff_token_minutes=_STAFF_TOKEN_MINUTES,
    )
    children: list[Child] = []
    stack.push_async_callback(_stop, children)
    for role in _ROLES:
        command = [sys.executable, "-m", "backend.cli", "--with-parent", str(os.getpid()), role]
        child = Child(role, command, environment, settings.data / "log" / f"{role}.log")
        children.append(child)
        await child.start()
    return children


async def _stop(children: list[Child]) -> None:
    """Ends them side by side: none needs another to end in order."""
    await asyncio.gather(*(child.stop() for child in children))


async def _seed(settings: Settings, uri: str, samples: Path | None, demo_json: Path) -> None:
    base_url = f"http://{ADDRESS}:{settings.http_port}"
    await _until_ready(base_url, settings.dicom_port)
    async with enrol(replace(settings, mongodb_uri=uri)) as enrolled:
        doors = Doors(
            base_url,
            ADDRESS,
            settings.dicom_port,
            _AE_TITLE,
            settings.outbox_file,
            enrolled.gateway_tokens,
            enrolled.staff_tokens,
        )
        plan = await asyncio.to_thread(plan_of, samples)
        await seed(doors, plan, enrolled.find, demo_json, _tell)


async def _until_ready(base_url: str, dicom_port: int) -> None:
    """Waits until the web server says that it is ready and the DICOM node listens."""
    deadline = asyncio.get_running_loop().time() + _READY_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        if await asyncio.to_thread(_is_ready, base_url) and _listening(dicom_port):
            return
        await asyncio.sleep(0.1)
    raise DemoError("服务没有在一分钟内就绪，原因见数据目录下 log/ 中的日志。")


def _is_ready(base_url: str) -> bool:
    try:
        with urlopen(f"{base_url}/readyz", timeout=5) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((ADDRESS, port)) == 0


def _banner(settings: Settings, demo_json: Path, children: list[Child]) -> str:
    base = f"http://{ADDRESS}:{settings.http_port}"
    first = PATIENTS[0]
    running = "、".join(f"{child.name}（{child.pid}）" for child in children)
    return f"""
云影已就绪。
  患者入口      {base}/          手机号 {first.phone}，姓名 {first.name}，证件号后四位 {first.id_number[-4:]}
  短信验证码    {settings.outbox_file}   （每行一条，最后一行是最新的）
  账号与凭证    {demo_json}   （患者姓名与证件号、医护账号、上传凭证都在其中）
  DICOM 节点    {_AE_TITLE}@{ADDRESS}:{settings.dicom_port}   主叫 AE：SYHN_PACS、DLBH_PACS
  接口说明      {base}/api/v1/openapi.json
  日志          {settings.data / "log"}   进程：{running}
按 Ctrl-C 停止；再次启动时沿用同一数据。
"""


def _tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the demo speaks to a person
