"""The whole composition root with two exams of one patient and one of another, and people who share and open."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.websocket import WebSocketClientConnection, websocket_connect

from backend import app
from backend.access.model import Kind, Principal
from backend.archive.model import Exam
from backend.identity.authenticator import LINK_COOKIE
from backend.organisation.model import Institution
from backend.platform.clock import Clock
from backend.platform.foundation import foundation
from backend.platform.ids import public_id
from backend.platform.schema import migrate
from backend.platform.settings import Settings
from backend.reports.model import ReportState, ReportText
from backend.reports.rules import Reports
from backend.reports.store import ReportStore
from backend.web.router import Route
from tests.identity.house import Browser
from tests.portal.site import WANG_ID, Study, _once

PHONE, NAME, LAST4 = "13800000001", "张小明", "002X"
GUEST = "13912345678"
FINDINGS = "两肺纹理清晰，走行自然。"


class SharingHouse:
    """A web role, as it is run; `url` is where it listens."""

    url: str
    routes: list[Route]

    async def start(self, stack: AsyncExitStack, uri: str, folder: Path, clock: Clock | None = None) -> None:
        """Everything opened, received and served until the stack ends."""
        name = f"test_{public_id(12)}"
        settings = Settings(data=folder, mongodb_uri=uri, mongodb_name=name, render_threads=1)
        self.outbox = settings.outbox_file
        f = await stack.enter_async_context(foundation(settings))
        self.f = replace(f, clock=clock) if clock else f
        self.clock: Any = self.f.clock
        await migrate(self.f.database, app.SCHEMAS, self.f.clock)
        self.core = app.core(self.f)
        await self._receive()
        self.url = self.serve(stack, self.core)

    def serve(self, stack: AsyncExitStack, core: app.Core) -> str:
        """One more process's worth of the web role over the same database; its address."""
        pool, receiver = app.pixel_pool(self.f), app.ingest(self.f, core)
        stack.callback(pool.close)
        self.routes = app.web_routes(self.f, core, pool, receiver)
        server = HTTPServer(app.application(self.f, core, self.routes), xheaders=True, trusted_downstream=["127.0.0.1"])
        socket, port = bind_unused_port()
        server.add_sockets([socket])
        stack.callback(server.stop)
        return f"http://127.0.0.1:{port}"

    async def _receive(self) -> None:
        receiver = app.ingest(self.f, self.core)
        for code, hospital in (("h1", "沈阳市第一人民医院"), ("h2", "大连医科大学附属第二医院")):
            await self.core.organisation.register(Institution(code, hospital))
        studies = (
            Study(series=("定位像", "肺窗 1mm", "纵隔窗")),
            Study(institution="h2", modality="MR", description="头颅 MRI 平扫", series=("T1", "T2")),
            Study(institution="h2", id_number=WANG_ID, name="王^五", phone="13800000002"),
        )
        for study in studies:
            for data in study.files():
                await receiver.receive(_once(data), study.institution, "test")
        await receiver.stop()
        self.ct, self.mr, self.foreign = [await self._exam(study) for study in studies]
        reports = Reports(ReportStore(self.f.database, self.f.cipher), self.core.archive, self.core.guard, self.clock)
        text = ReportText(FINDINGS, "未见明显异常。", "李建国", ReportState.FINAL, self.clock.now())
        await reports.write(Principal(Kind.GATEWAY, "gateway:h1", institution="h1"), self.ct.exam, text)

    async def _exam(self, study: Study) -> Exam:
        exam = await self.core.archive.exam(f"{study.institution}/{study.uid}")
        assert exam is not None
        return exam

    async def series(self, exam: Exam) -> list[str]:
        """Series Instance UIDs of an exam, by Series Number."""
        return [one.series_instance_uid for one in await self.core.archive.series_of(exam.key)]

    def sent(self, template: str = "") -> list[dict[str, Any]]:
        """The text messages, or those of one template."""
        lines = self.outbox.read_text().splitlines() if self.outbox.exists() else []
        return [one for one in map(json.loads, lines) if template in ("", one["template"])]

    def last_code(self) -> str:
        """The code of the latest message that holds one."""
        return self.sent("sign-in-code")[-1]["params"]["code"]

    async def entries(self, action: str) -> list[dict[str, Any]]:
        """What the audit trail holds of an action, oldest first."""
        return await self.f.database.collection("audit").find({"action": action}, sort=("time",))


class Patient(Browser):
    """Somebody who shares."""

    async def enter(self, phone: str = PHONE, name: str = NAME, last4: str = LAST4) -> Patient:
        status, body = await self.sign_in(phone, name, last4)
        assert body == {"state": "proved"}, (status, body)
        return self

    async def share(self, *exams: Exam, series: list[str] | None = None, **wanted: Any) -> dict[str, Any]:
        """A new share of these exams, or of some series of the one."""
        listed = [{"exam": exam.exam, **({"series": series} if series else {})} for exam in exams]
        status, made = await self.ask("POST", "/api/v1/shares", {"exams": listed, **wanted})
        assert status == 201, made
        return made

    async def manifest_of(self, exam: Exam) -> Any:
        status, manifest = await self.ask("GET", f"/api/v1/exams/{exam.exam}/manifest")
        assert status == 200, manifest
        return manifest

    async def listed(self, share: dict[str, Any]) -> dict[str, Any]:
        status, one = await self.ask("GET", f"/api/v1/shares/{share['id']}")
        assert status == 200, one
        return one


class Guest(Browser):
    """Somebody who got a link."""

    def __init__(self, house: Any, url: str, address: str = "203.0.113.7") -> None:
        super().__init__(house, address)
        self.link = url.rsplit("/", 1)[1]
        self.share = ""

    async def verify(self, phone: str = GUEST) -> Guest:
        """Through the first half of the gate."""
        status, body = await self.ask("POST", "/api/v1/shared/codes", {"link": self.link, "phone": phone})
        assert status == 202, body
        code = self.house.last_code()
        told = {"link": self.link, "phone": phone, "code": code}
        status, body = await self.ask("POST", "/api/v1/shared/identity", told)
        assert status == 201, body
        self.share = body["share"]
        return self

    async def open(self, passcode: str | None = "") -> tuple[int, Any]:
        """Through the second half."""
        body = {"passcode": passcode} if passcode else {}
        return await self.ask("POST", f"/api/v1/shared/{self.share}/opening", body)

    async def content(self) -> tuple[int, Any]:
        return await self.ask("GET", f"/api/v1/shared/{self.share}")

    async def manifest(self, exam: Exam) -> tuple[int, Any]:
        return await self.ask("GET", f"/api/v1/exams/{exam.exam}/manifest")

    async def stream(self, exam: Exam) -> WebSocketClientConnection:
        """An open stream, greeted."""
        _, manifest = await self.manifest(exam)
        socket = await websocket_connect(self.house.url.replace("http", "ws") + "/stream")
        ask = {"t": "open", "ticket": manifest["ticket"], "v": 1, "dpr": 2, "viewport": [390, 700], "have": None}
        await socket.write_message(json.dumps(ask | {"keep": 48_000_000}))
        ready = json.loads(await socket.read_message())
        assert ready["t"] == "ready"
        return socket


async def verified(house: SharingHouse, share: dict[str, Any], phone: str = GUEST) -> Guest:
    """A guest whose phone number is proved without a message: where many come at once, the carrier's limits would be in the way."""
    guest = Guest(house, share["url"])
    guest.share = share["id"]
    blind = house.core.people.blind_phone(phone)
    until = house.clock.now().replace(year=house.clock.now().year + 1)
    started = await house.core.sessions.start_guest(f"guest:{blind}", share["id"], until, watermark="139****5678")
    guest.cookies[LINK_COOKIE + share["id"]] = started.secret
    return guest
