"""What the demo has before its first exam: two hospitals, their staff and their credentials."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from backend import app
from backend.archive.model import Exam
from backend.organisation.model import Institution
from backend.platform.foundation import foundation
from backend.platform.schema import migrate
from backend.platform.settings import Settings

from .data import ACCOUNTS, INSTITUTIONS, PASSWORD


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Credentials of the demo, and a look into its archive."""

    gateway_tokens: dict[str, str]
    staff_tokens: dict[str, str]
    find: Callable[[str, str], Awaitable[Exam | None]]


@asynccontextmanager
async def enrol(settings: Settings) -> AsyncIterator[Enrolled]:
    """Registers institutions and accounts, again if need be, and issues bearer tokens; upload credentials are issued once and kept."""
    async with foundation(settings, serves=False) as f:
        await migrate(f.database, app.SCHEMAS, f.clock)
        core = app.core(f)
        for one in INSTITUTIONS:
            await core.organisation.register(Institution(one.code, one.name, one.city, frozenset({one.ae_title})))
        staff = {}
        for each in ACCOUNTS:
            account = await core.accounts.put(each.username, each.institution, frozenset({each.role}), PASSWORD)
            staff[each.username] = (await core.sessions.start_staff(account, device="demo")).secret
        gateways = await _gateway_tokens(core, settings.data / "keys" / "gateways.json")

        async def find(institution: str, study_instance_uid: str) -> Exam | None:
            return await core.archive.exam(f"{institution}/{study_instance_uid}")

        try:
            yield Enrolled(gateways, staff, find)
        finally:
            await core.anchors.stop()


async def _gateway_tokens(core: app.Core, kept: Path) -> dict[str, str]:
    """The secrets of an earlier start as long as they are good, else fresh ones."""
    tokens: dict[str, str] = json.loads(kept.read_text()) if kept.exists() else {}
    for one in INSTITUTIONS:
        if not tokens.get(one.code) or await core.organisation.institution_of(tokens[one.code]) != one.code:
            tokens[one.code] = await core.organisation.issue_gateway_token(one.code)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.touch(mode=0o600)
    kept.write_text(json.dumps(tokens))
    return tokens
