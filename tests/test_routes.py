"""R1 over the whole product: every route of the composition root x every principal, over HTTP, each cell as the policy says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from backend import app
from backend.access.model import ANONYMOUS, Grade, Kind, Principal, Role, SharedExam
from backend.access.rules import decide
from backend.archive.model import Exam
from backend.identity.model import Account
from backend.organisation.model import Institution
from backend.platform.foundation import foundation
from backend.platform.ids import public_id, secret
from backend.platform.schema import migrate
from backend.platform.settings import Settings
from tests.identity.house import Browser
from tests.matrix import Cell, cells, wrong_cells
from tests.portal.site import WANG_ID, Study, _once


class Whole:
    """The web role with two exams: one of Zhang at h1, one of Wang at h2."""

    async def start(self, stack: AsyncExitStack, settings: Settings) -> None:
        f = await stack.enter_async_context(foundation(settings))
        stack.push_async_callback(f.database.drop)
        await migrate(f.database, app.SCHEMAS, f.clock)
        self.core = app.core(f)
        pool, receiver = app.pixel_pool(f), app.ingest(f, self.core)
        stack.callback(pool.close)
        for code in ("h1", "h2"):
            await self.core.organisation.register(Institution(code, f"医院{code}"))
        studies = (Study(), Study(institution="h2", id_number=WANG_ID, name="王^五", phone="13800000002"))
        for study in studies:
            for data in study.files():
                await receiver.receive(_once(data), study.institution, "test")
        await receiver.stop()
        self.own, self.foreign = [await self._exam(study) for study in studies]
        self.routes = app.web_routes(f, self.core, pool, app.ingest(f, self.core))
        server = HTTPServer(app.application(f, self.core, self.routes))
        socket, port = bind_unused_port()
        server.add_sockets([socket])
        stack.callback(server.stop)
        self.url = f"http://127.0.0.1:{port}"
        await self._people()

    async def _exam(self, study: Study) -> Exam:
        exam = await self.core.archive.exam(f"{study.institution}/{study.uid}")
        assert exam is not None
        return exam

    async def _people(self) -> None:
        """A signed-in client of every kind: name -> (principal, client, headers)."""
        sessions = self.core.sessions
        patient, link = Browser(self), Browser(self)
        started = await sessions.start_patient("p", persons=frozenset({self.own.person}))
        patient.cookies["yy_session"] = started.secret
        maker = Principal(Kind.STAFF, "d", institution="h1")
        opened = await sessions.start_link(self.own.exam, maker, Grade.BROWSE)
        link.cookies[f"yy_link_{self.own.exam}"] = opened.secret
        shared = (SharedExam(self.own.exam, self.own.person, report=True),)
        end = self.core.sessions._clock.now() + timedelta(hours=1)
        self.share = public_id()
        guest, came = Browser(self), await sessions.start_guest("guest:g", self.share, end, shared=shared)
        for place in (self.share, self.own.exam):
            guest.cookies[f"yy_link_{place}"] = came.secret
        gateway = await self.core.organisation.issue_gateway_token("h1")
        self.people = {
            "anonymous": (ANONYMOUS, Browser(self), {}),
            "patient": (started.session.principal, patient, {}),
            "link": (opened.session.principal, link, {}),
            "guest": (came.session.principal, guest, {}),
            "gateway": (
                Principal(Kind.GATEWAY, "g", institution="h1"),
                Browser(self),
                {"Authorization": f"Bearer {gateway}"},
            ),
        }
        for role in Role:
            begun = await sessions.start_staff(Account(role.value, "h1", frozenset({role})))
            bearer = {"Authorization": f"Bearer {begun.secret}"}
            self.people[role.value] = (begun.session.principal, Browser(self), bearer)

    async def values(self, exam: Exam) -> dict[str, list[str]]:
        """What stands for the named groups of the patterns."""
        series = (await self.core.archive.series_of(exam.key))[0]
        (instance,) = await self.core.archive.instances_of(series.key)
        return {
            "exam": [exam.exam],
            "study": [exam.study_instance_uid],
            "series": ["0", series.series_instance_uid],
            "instance": [instance.sop_instance_uid],
            "frame": ["0"],
            "frames": ["1"],
            "level": ["0"],
            "column": ["0"],
            "row": ["0"],
            "offset": ["0"],
            "length": ["8"],
            "name": ["x.js"],
            "secret": [secret()],
            "code": [secret(16)],
            "share": [self.share],
        }

    async def ask(self, who: str, method: str, path: str) -> int:
        """The status of one request."""
        _, browser, headers = self.people[who]
        return (await browser.ask(method, path, None if method == "GET" else {}, **headers))[0]


@pytest.fixture
async def whole(mongo_uri: str, tmp_path: Path) -> AsyncIterator[Whole]:
    async with AsyncExitStack() as stack:
        made = Whole()
        name = f"test_{public_id(12)}"
        await made.start(stack, Settings(data=tmp_path, mongodb_uri=mongo_uri, mongodb_name=name, render_threads=1))
        yield made


def _counts(whole: Whole, cell: Cell, exam: Exam) -> bool:
    """A link's and a guest's cookie count on the paths of what they opened only. Signing out would end the turn of those that follow."""
    inside = exam.exam in cell.path or (cell.who == "guest" and whole.share in cell.path)
    return (cell.who not in ("link", "guest") or inside) and cell.method != "DELETE"


async def test_every_route_and_principal(whole: Whole) -> None:
    principals = {who: principal for who, (principal, _, _) in whole.people.items()}
    table = [c for c in cells(whole.routes, principals, await whole.values(whole.own)) if _counts(whole, c, whole.own)]
    assert len(table) > 400
    assert await wrong_cells(table, principals, whole.ask) == []


async def test_foreign_exam_is_as_if_it_were_not_there(whole: Whole) -> None:
    principals = {who: principal for who, (principal, _, _) in whole.people.items()}
    table = cells(whole.routes, principals, await whole.values(whole.foreign))
    seen = []
    for cell in table:
        action = cell.route.rules[cell.method].action
        if action is None or cell.method != "GET" or not {"exam", "study"} & set(_names(cell)):
            continue
        principal, browser, headers = whole.people[cell.who]
        if cell.who in ("link", "guest") or decide(principal, action, whole.foreign.ref).allowed:
            continue
        status, body = await browser.ask("GET", cell.path, **headers)
        if status not in (401, 403, 404) and body not in ([], b"", {"items": []}):
            seen.append(f"{cell.route.pattern} as {cell.who}: {status}")
    assert seen == []


async def test_viewer_page_asks_who_it_is(whole: Whole) -> None:
    """The page decides itself, since it leads a stranger to the gate."""
    assert await whole.ask("anonymous", "GET", f"/viewer/{whole.own.exam}") == 303
    location = whole.people["anonymous"][1].last.headers["Location"]
    assert location == f"/?to=/viewer/{whole.own.exam}"
    assert await whole.ask("gateway", "GET", f"/viewer/{whole.own.exam}") in (403, 404)
    for who in ("patient", "link", *Role):
        status = await whole.ask(who, "GET", f"/viewer/{whole.foreign.exam}")
        assert status == {"link": 303, "province_admin": 200}.get(who, 404), who


def _names(cell: Cell) -> list[str]:
    return [name for name in ("exam", "study") if f"<{name}>" in cell.route.pattern]
