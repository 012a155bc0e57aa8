"""The patient's pages behind a real server, on an event loop of their own; tests call in from outside."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from backend.access.model import Kind, Principal
from backend.platform.database import Database
from backend.platform.ids import public_id
from backend.reports.model import ReportState, ReportText
from tests.portal.site import WANG_ID, Site, Study

PHONE, NAME, LAST4 = "13800000001", "张小明", "002X"
FINDINGS = "两肺纹理清晰，走行自然。右肺上叶后段见一直径约 6 mm 的实性结节，边缘光滑。\n\n所示肝脏未见明显异常。"


class PortalThread:
    """Two hospitals, an own exam with a report, others of several years, and one of somebody else."""

    def __init__(self, mongo_uri: str, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.call(self._start(mongo_uri, folder))

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The result of work on the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    async def _start(self, mongo_uri: str, folder: Path) -> None:
        self._database = await Database.connect(mongo_uri, f"test_{public_id(12)}")
        self.site = Site(self._database, folder)
        await self.site.begin()
        self.exam = await self.site.receive(Study(series=("定位像", "肺窗 1mm")))
        mri = Study(date="20260815", modality="MR", description="头颅 MRI 平扫 + 弥散加权成像", institution="h2")
        self.mri = await self.site.receive(mri)
        for month in range(1, 13):
            for year in (2024, 2025):
                day = f"{year}{month:02d}07"
                await self.site.receive(Study(date=day, modality="DX", description="", series=("正位",)), settle=False)
        self.foreign = await self.site.receive(Study(name="王^五", id_number=WANG_ID, phone="13800000002"))
        await self._report()

    async def _report(self) -> None:
        gateway = Principal(Kind.GATEWAY, "gateway:h1", institution="h1")
        signed = self.site.clock.now()
        text = ReportText(FINDINGS, "右肺上叶小结节，建议复查。", "李建国", ReportState.FINAL, signed)
        await self.site.reports.write(gateway, self.exam, text)

    def a_day_later(self) -> None:
        """Lets limits and sessions of former tests run out."""
        self.loop.call_soon_threadsafe(lambda: self.site.clock.advance(hours=25))

    def end_sessions(self) -> None:
        """Ends the patient's sessions, as another device could."""
        self.call(self.site.sessions.end_all(self.site.people.blind_phone(PHONE)))

    def stop(self) -> None:
        self.call(self.site.end())
        self.call(self._database.drop())
        self._database.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
