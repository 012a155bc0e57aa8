"""Brings the demo's exams in through the real doors, writes their reports and tells in demo.json what there is. Safe to repeat."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPClientError

from backend.archive.model import Exam

from .data import ACCOUNTS, PASSWORD, PATIENTS, SHENYANG, DemoAccount, Door, ExamPlan
from .pictures import Source
from .send import NotAccepted, store, stow

FindExam = Callable[[str, str], Awaitable[Exam | None]]
"""(institution, Study Instance UID) to the exam as the archive has it."""
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Doors:
    """Where the running demo is reached, and the credentials to enter it."""

    base_url: str
    dicom_host: str
    dicom_port: int
    ae_title: str
    outbox: Path
    gateway_tokens: Mapping[str, str]
    """Upload credential by institution."""
    staff_tokens: Mapping[str, str]
    """Bearer token by user name."""


async def seed(doors: Doors, plan: Sequence[Source], find: FindExam, demo_json: Path, tell: Tell) -> None:
    """Receives what is not there yet and writes `demo_json` at last. Raises `NotAccepted` when a door refuses."""
    entries = [await _ensure(doors, source, find, tell) for source in plan]
    _write(demo_json, _description(doors, entries))


async def _ensure(doors: Doors, source: Source, find: FindExam, tell: Tell) -> dict[str, Any]:
    """One exam: sent unless complete, reported unless reported. Its entry for demo.json."""
    plan = source.plan
    study, instances = await asyncio.to_thread(source.identifiers)
    exam = await find(plan.institution.code, study)
    if exam is None or exam.instance_count < instances:
        tell(f"接收 {plan.institution.name} {plan.person.name} {plan.description}（{plan.door}）")
        await _send(doors, source)
        exam = await find(plan.institution.code, study)
    if exam is None:
        raise NotAccepted("影像已被接收，但在本系统中查不到。请确认 DICOM 端口没有被另一个系统占用。")
    if plan.findings:
        await _report(doors, plan, exam.exam)
    return {
        "exam": exam.exam,
        "study_instance_uid": study,
        "institution": plan.institution.code,
        "patient": plan.person.name,
        "modality": plan.modality,
        "frames": await asyncio.to_thread(source.frames),
    }


async def _send(doors: Doors, source: Source) -> None:
    institution = source.plan.institution
    if source.plan.door is Door.STOW:
        await stow(doors.base_url, doors.gateway_tokens[institution.code], source.files())
    else:
        await store(doors.dicom_host, doors.dicom_port, doors.ae_title, institution.ae_title, source.files())


async def _report(doors: Doors, plan: ExamPlan, exam: str) -> None:
    """Writes the report of `exam` as its hospital's radiologist; the same text again changes nothing."""
    author = f"{'shenyang' if plan.institution is SHENYANG else 'dalian'}-radiologist"
    client = AsyncHTTPClient(force_instance=True)
    try:
        await client.fetch(
            f"{doors.base_url}/api/v1/exams/{exam}/report",
            method="PUT",
            headers={"Authorization": f"Bearer {doors.staff_tokens[author]}", "Content-Type": "application/json"},
            body=json.dumps(
                {
                    "findings": plan.findings,
                    "impression": plan.impression,
                    "doctor": "孙医生",
                    "reported_at": f"{plan.day + timedelta(days=1)}T10:00:00+08:00",
                }
            ),
        )
    except HTTPClientError as error:
        raise NotAccepted(f"报告未能写入（{error.code}）：{plan.description}。") from error
    finally:
        client.close()


def _description(doors: Doors, entries: list[dict[str, Any]]) -> dict[str, Any]:
    first = next(iter(doors.gateway_tokens.items()))
    return {
        "base_url": doors.base_url,
        "dicom": {"host": doors.dicom_host, "port": doors.dicom_port, "ae_title": doors.ae_title},
        "outbox": str(doors.outbox),
        "gateway": {"institution": first[0], "token": first[1]},
        "accounts": [_account(account, doors) for account in ACCOUNTS],
        "patients": [{"name": p.name, "id_number": p.id_number, "phone": p.phone} for p in PATIENTS],
        "exams": entries,
    }


def _account(account: DemoAccount, doors: Doors) -> dict[str, str]:
    return {
        "role": account.role.value,
        "institution": account.institution,
        "username": account.username,
        "password": PASSWORD,
        "token": doors.staff_tokens[account.username],
    }


def _write(path: Path, value: dict[str, Any]) -> None:
    """Replaces `path` at once, readable by its owner only: it holds credentials."""
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(value, ensure_ascii=False, indent=1))
    fresh.replace(path)
