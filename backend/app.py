"""The composition root: the only place where stores, rules and routes are put together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tornado.web

import backend.archive.routes
import backend.dicomweb.routes
import backend.identity.routes
import backend.oversight.routes
import backend.portal.routes
import backend.reports.routes
import backend.sharing.guest_routes
import backend.sharing.routes
import backend.viewing.routes
import backend.web.health
import backend.web.openapi
import backend.web.static
from backend.archive.ingest import Ingest
from backend.archive.rules import Exams
from backend.archive.store import SCHEMAS as ARCHIVE_SCHEMAS
from backend.archive.store import ArchiveStore
from backend.archive.stow import stow_routes
from backend.audit.anchors import AnchorFile, Anchors
from backend.audit.rules import Guard, Trail
from backend.audit.store import SCHEMA as AUDIT_SCHEMA
from backend.audit.store import AuditStore
from backend.dicomweb.metadata import Metadata
from backend.dicomweb.openings import Openings
from backend.dicomweb.qido import Searches
from backend.dicomweb.rendered import Renderer
from backend.dicomweb.wado import Retrieval
from backend.identity.accounts import Accounts
from backend.identity.authenticator import Authenticator
from backend.identity.rules import Gate, People
from backend.identity.sessions import Sessions
from backend.identity.store import SCHEMAS as IDENTITY_SCHEMAS
from backend.identity.store import AccountStore, LimitStore, PatientStore, SessionStore
from backend.identity.tokens import Tokens
from backend.notify.aliyun import AliyunOptions, AliyunSender
from backend.notify.outbox import OutboxSender
from backend.notify.rules import TextMessages
from backend.organisation.rules import Organisation
from backend.organisation.store import SCHEMAS as ORGANISATION_SCHEMAS
from backend.organisation.store import OrganisationStore
from backend.oversight.rules import ExamOpenings, TrailSearch
from backend.platform.cpu import CpuPool
from backend.platform.foundation import Foundation
from backend.platform.ids import public_id
from backend.platform.jobs import SCHEMA as INTENT_SCHEMA
from backend.platform.reseal import Resealer
from backend.platform.schema import Schema
from backend.portal.page import Page
from backend.portal.rules import Exams as PortalExams
from backend.portal.rules import InstitutionNames
from backend.reports.rules import Reports
from backend.reports.store import SCHEMA as REPORT_SCHEMA
from backend.reports.store import ReportStore
from backend.sharing.guests import Guests
from backend.sharing.owner import Shares
from backend.sharing.secrets import ShareSecrets
from backend.sharing.store import SCHEMAS as SHARING_SCHEMAS
from backend.sharing.store import ShareStore
from backend.sharing.views import InstitutionName, SharedViews
from backend.viewing.derive import Deriver
from backend.viewing.frames import FrameSource
from backend.viewing.links import Links
from backend.viewing.pictures import Pictures
from backend.viewing.rules import Viewing
from backend.viewing.store import SCHEMA as LINK_SCHEMA
from backend.viewing.store import LinkStore
from backend.viewing.tickets import Tickets
from backend.viewing.views import SeriesViews
from backend.web.handler import NotFoundHandler, log_request
from backend.web.health import Readiness
from backend.web.router import Route, build

VERSION = "0.1.0"
STATIC = Path(__file__).parent / "static"
"""The built front ends."""

SCHEMAS: tuple[Schema, ...] = (
    *ARCHIVE_SCHEMAS,
    *IDENTITY_SCHEMAS,
    *ORGANISATION_SCHEMAS,
    AUDIT_SCHEMA,
    INTENT_SCHEMA,
    LINK_SCHEMA,
    REPORT_SCHEMA,
    *SHARING_SCHEMAS,
)
"""All collections of the product."""


@dataclass(frozen=True, slots=True)
class Core:
    """What several capabilities need: the policy's guard, who is who, and the archive."""

    guard: Guard
    anchors: Anchors
    tokens: Tokens
    sessions: Sessions
    people: People
    limits: LimitStore
    accounts: Accounts
    organisation: Organisation
    archive: ArchiveStore
    exams: Exams


def core(f: Foundation) -> Core:
    """The core over an opened foundation; its database must have been migrated to `SCHEMAS`."""
    chain = public_id()
    anchors = Anchors(
        AnchorFile(f.settings.anchor_folder, chain, f.keys.derive("audit-anchors"), f.clock),
        entries=f.settings.audit_anchor_entries,
        seconds=f.settings.audit_anchor_seconds,
    )
    guard = Guard(Trail(AuditStore(f.database), f.keys.derive("audit"), chain, anchors), f.clock)
    tokens = Tokens(f.keys, f.clock)
    sessions = Sessions(
        SessionStore(f.database),
        tokens,
        f.clock,
        patient_minutes=f.settings.session_minutes,
        staff_minutes=f.settings.staff_token_minutes,
    )
    limits = LimitStore(f.database)
    archive = ArchiveStore(f.database, f.cipher, f.clock)
    return Core(
        guard=guard,
        anchors=anchors,
        tokens=tokens,
        sessions=sessions,
        people=People(PatientStore(f.database, f.cipher), f.clock),
        limits=limits,
        accounts=Accounts(AccountStore(f.database), limits, sessions, guard, f.clock),
        organisation=Organisation(OrganisationStore(f.database), f.clock),
        archive=archive,
        exams=Exams(archive, guard),
    )


def ingest(f: Foundation, c: Core) -> Ingest:
    """The one way in, for the doors of this process."""
    return Ingest(
        f.database,
        f.objects,
        f.intents,
        c.people,
        f.cipher,
        f.clock,
        max_instance_bytes=f.settings.max_instance_mb << 20,
    )


def pixel_pool(f: Foundation) -> CpuPool:
    """The threads that pixels are worked on in."""
    return CpuPool(f.settings.render_threads or os.cpu_count() or 2, f.settings.render_queue)


def resealer(f: Foundation) -> Resealer:
    """What seals all stored fields anew after a rotation."""
    return Resealer(f.database, f.cipher, f.intents, SCHEMAS)


def deriver(f: Foundation, c: Core, pool: CpuPool) -> Deriver:
    """What a worker runs for `derive-series`."""
    return Deriver(c.archive, f.objects, pool)


def web_routes(f: Foundation, c: Core, pool: CpuPool, receiver: Ingest) -> list[Route]:
    """Every route of the web role."""
    settings, clock = f.settings, f.clock
    names = InstitutionNames(c.organisation, clock)
    source = FrameSource(f.objects, pool, settings.frame_cache_mb << 20)
    views = SeriesViews(c.archive, f.objects, source, pool)
    tickets = Tickets(f.keys, clock, settings.ticket_seconds)
    pictures = Pictures(source, f.objects, pool)

    async def name_of(code: str) -> str:
        return (await names.read()).get(code, code)

    shown = Viewing(c.archive, c.guard, views, pictures, tickets, name_of, clock)
    links = Links(LinkStore(f.database), shown, c.sessions, c.guard, clock)
    reports = Reports(ReportStore(f.database, f.cipher), c.archive, c.guard, clock)
    messages = _sender(f)
    gate = Gate(
        c.people,
        c.limits,
        c.sessions,
        messages,
        c.guard,
        clock,
        f.keys,
        code_minutes=settings.code_minutes,
    )
    readiness = Readiness({"database": f.database.check_health, "objects": f.objects.check_health})
    routes = [
        *backend.web.health.routes(readiness),
        *backend.web.static.routes(STATIC),
        *backend.identity.routes.routes(gate, c.accounts, c.sessions),
        *_sharing(f, c, gate, messages, name_of),
        *_oversight(f, c, name_of),
        *backend.portal.routes.routes(PortalExams(c.archive, reports, names, c.guard), Page(STATIC)),
        *backend.reports.routes.routes(reports),
        *backend.viewing.routes.routes(
            shown, links, tickets, c.sessions, clock, static=STATIC, public_url=settings.public_url
        ),
        *_dicomweb(f, c, pool, source, receiver),
        *backend.archive.routes.routes(receiver, c.exams, max_body_bytes=settings.max_body_mb << 20),
    ]
    return [*routes, *backend.web.openapi.routes(routes, VERSION, settings.public_url)]


def _sharing(f: Foundation, c: Core, gate: Gate, messages: TextMessages, name_of: InstitutionName) -> list[Route]:
    store, views, secrets = ShareStore(f.database, f.cipher), SharedViews(c.archive, name_of), ShareSecrets(f.keys)
    shares = Shares(store, views, secrets, c.sessions, c.people, c.guard, f.clock)
    guests = Guests(store, views, secrets, gate, c.sessions, messages, c.guard, f.clock)
    return [
        *backend.sharing.routes.routes(shares, f.settings.public_url),
        *backend.sharing.guest_routes.routes(guests, Page(STATIC)),
    ]


def _oversight(f: Foundation, c: Core, name_of: InstitutionName) -> list[Route]:
    trail = AuditStore(f.database)
    search = TrailSearch(trail, c.guard, f.clock)
    return backend.oversight.routes.routes(search, ExamOpenings(trail, c.archive, name_of, c.guard, f.clock))


def _sender(f: Foundation) -> TextMessages:
    settings = f.settings
    if settings.sms == "outbox":
        return OutboxSender(settings.outbox_file, f.clock)
    return AliyunSender(
        AliyunOptions(
            settings.sms_key_id,
            settings.sms_key_secret,
            settings.sms_sign_name,
            settings.sms_template_codes,
            settings.sms_endpoint,
        )
    )


def _dicomweb(f: Foundation, c: Core, pool: CpuPool, source: FrameSource, receiver: Ingest) -> list[Route]:
    openings = Openings(c.exams, c.archive, f.clock)
    return backend.dicomweb.routes.routes(
        Searches(c.exams, openings, c.archive),
        Retrieval(openings, f.objects, source, pool),
        Metadata(openings, c.archive),
        Renderer(openings, source, pool),
        store=stow_routes(receiver, c.exams, f.settings.max_body_mb << 20),
        public_url=f.settings.public_url,
    )


def application(f: Foundation, c: Core, routes: Sequence[Route]) -> tornado.web.Application:
    """The web application of these routes."""
    return tornado.web.Application(
        build(routes),
        authenticator=Authenticator(c.sessions, c.tokens, c.organisation, f.clock),
        error_page=Page(STATIC).error,
        default_handler_class=NotFoundHandler,
        default_handler_args={},
        log_function=log_request,
        websocket_ping_interval=20,
    )
