"""What every role stands on, opened from the settings and closed in order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .clock import Clock, SystemClock
from .crypto import FieldCipher, Keys
from .database import Database
from .embedded import EmbeddedDatabase, EmbeddedOptions, running_uri
from .jobs import Intents
from .keyring import KeyRing, load_master_key
from .objects import ObjectStore
from .objects_local import LocalObjects
from .objects_s3 import S3Objects, S3Options
from .settings import Settings


@dataclass(frozen=True, slots=True)
class Foundation:
    """Database, objects, keys and time of one process."""

    settings: Settings
    clock: Clock
    keys: Keys
    cipher: FieldCipher
    database: Database
    objects: ObjectStore
    intents: Intents


@asynccontextmanager
async def foundation(settings: Settings, *, serves: bool = True) -> AsyncIterator[Foundation]:
    """Everything opened. Without a MongoDB URI the embedded database is used: the one that another process already supervises in the
    data folder, else one started here for as long as this process lives. `serves`: a role of its own, which tidies up the object store.
    """
    async with AsyncExitStack() as stack:
        uri = settings.mongodb_uri or await _embedded_uri(settings, stack)
        database = await Database.connect(uri, settings.mongodb_name)
        stack.callback(database.close)
        keys = Keys(load_master_key(settings.key_file, create=settings.environment != "production"))
        cipher = FieldCipher(keys, ring=KeyRing(settings.key_file), cipher=settings.field_cipher)
        clock = SystemClock()
        objects = open_objects(settings)
        if serves:
            await objects.clean()
        yield Foundation(settings, clock, keys, cipher, database, objects, Intents(database, clock))


def open_objects(settings: Settings) -> ObjectStore:
    """The object store that the settings name."""
    location = settings.objects_location
    if not location.startswith("s3:"):
        return LocalObjects(Path(location))
    address = urlsplit(location)
    return S3Objects(
        S3Options(
            bucket=address.netloc,
            prefix=address.path.strip("/"),
            endpoint=settings.s3_endpoint,
            region=settings.s3_region,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key,
        )
    )


def embedded_options(settings: Settings) -> EmbeddedOptions:
    """Where and how the embedded database of these settings runs."""
    return EmbeddedOptions(settings.data / "db", program=settings.embedded_program)


async def _embedded_uri(settings: Settings, stack: AsyncExitStack) -> str:
    options = embedded_options(settings)
    running = running_uri(options.folder)
    if running:
        return running
    return (await stack.enter_async_context(EmbeddedDatabase(options))).uri
