"""Liveness, readiness with causes, and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from backend.platform.errors import YunyingError

from .handler import Handler
from .router import Route, public

Check = Callable[[], Awaitable[None]]
_SECONDS = 4.0


class Readiness:
    """Asks each thing that the service depends on, at most once at a time however many ask."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._running: asyncio.Task[dict[str, str]] | None = None

    async def causes(self) -> dict[str, str]:
        """Name -> Chinese cause of each dependency that fails; empty when all is well."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._ask())
        return await asyncio.shield(self._running)

    async def _ask(self) -> dict[str, str]:
        outcomes = await asyncio.gather(*(self._one(check) for check in self._checks.values()))
        return {name: cause for name, cause in zip(self._checks, outcomes, strict=True) if cause}

    @staticmethod
    async def _one(check: Check) -> str:
        try:
            async with asyncio.timeout(_SECONDS):
                await check()
        except YunyingError as error:
            return error.text
        except TimeoutError:
            return "没有在规定时间内应答。"
        return ""


class LivenessHandler(Handler):
    """The process answers."""

    async def get(self) -> None:
        """200 as long as the event loop turns."""
        self.answer({"status": "ok"})


class ReadinessHandler(Handler):
    """The process can do its work."""

    readiness: Readiness

    async def get(self) -> None:
        """200, or 503 with the causes."""
        causes = await self.readiness.causes()
        self.answer({"status": "unavailable" if causes else "ok", "causes": causes}, 503 if causes else 200)


class MetricsHandler(Handler):
    """Prometheus' text format. Holds counts only; a front proxy keeps it inside the house."""

    async def get(self) -> None:
        """All metrics of this process."""
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(generate_latest())


def routes(readiness: Readiness) -> list[Route]:
    """`/healthz`, `/readyz`, `/metrics`."""
    why = public("watched by machines that hold no account; tells nothing about persons or exams")
    return [
        Route(r"/healthz", LivenessHandler, {"GET": why}),
        Route(r"/readyz", ReadinessHandler, {"GET": why}, {"readiness": readiness}),
        Route(r"/metrics", MetricsHandler, {"GET": why}),
    ]
