"""The DICOM node (PS3.4 annexes A and B, PS3.7): C-ECHO and C-STORE for the registered devices of institutions."""

from __future__ import annotations

import asyncio
import logging
import ssl
import tempfile
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Any, TypeVar, cast

from pydicom.dataset import Dataset
from pynetdicom import _config, evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.presentation import AllStoragePresentationContexts
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.transport import ThreadedAssociationServer

from backend.organisation.rules import Organisation
from backend.platform.errors import Unavailable, YunyingError

from .header import Refused
from .ingest import Ingest
from .model import Outcome, Receipt
from .transport import quicken

log = logging.getLogger(__name__)
T = TypeVar("T")

SUCCESS, KEPT_ASIDE, OUT_OF_RESOURCES, MISMATCH, CANNOT_UNDERSTAND, FAILURE = (
    0x0000,
    0xB007,
    0xA700,
    0xA900,
    0xC000,
    0x0110,
)
"""C-STORE status codes (PS3.4 B.2.3, PS3.7 C)."""
_RESOURCES = frozenset({"too-large", "header-too-large"})
_MISMATCHES = frozenset({"uid-mismatch"})
_ANSWER_SECONDS = 60.0
# Storage classes of makers whose objects belong to the examination though nobody else can show them.
_PRIVATE_CLASSES = (
    "1.3.12.2.1107.5.9.1",
    "1.3.46.670589.11.0.0.12.1",
    "1.3.46.670589.11.0.0.12.2",
    "1.2.840.113619.4.26",
    "1.2.840.113619.4.30",
)
_ROOT = "1.2.840.10008.1.2"
TRANSFER_SYNTAXES = tuple(
    _ROOT + end
    for end in (
        ".1", "", ".2", ".1.99", ".5", ".4.50", ".4.51", ".4.57", ".4.70", ".4.80", ".4.81", ".4.90", ".4.91", ".4.92", ".4.93",
        ".4.201", ".4.202", ".4.203", ".4.100", ".4.101", ".4.102", ".4.103", ".4.104", ".4.105", ".4.106", ".4.107", ".4.108",
        ".8.1", ".4.110", ".4.111", ".4.112", ".4.53", ".4.55",
    )
)  # fmt: skip
"""All that can be kept; the sender's first choice among them is taken, so that nothing is converted on the way."""


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """How the node is reached and what it allows."""

    address: str = "127.0.0.1"
    port: int = 11112
    """0: any free one."""
    ae_title: str = "YUNYING"
    spool: Path = Path("var/spool")
    """Folder for data sets while they arrive."""
    max_associations: int = 50
    max_pdu: int = 1 << 20
    """Bytes; the longest P-DATA that a peer may send."""
    network_seconds: float = 60.0
    """An association without any traffic for so long is aborted."""
    tls_cert: str = ""
    tls_key: str = ""
    tls_ca: str = ""


class DicomNode:
    """One listening port. pynetdicom serves each association in threads of its own; what they receive is recorded on the event loop."""

    def __init__(self, ingest: Ingest, organisation: Organisation, options: NodeOptions) -> None:
        self._ingest, self._organisation, self._options = ingest, organisation, options
        self._entity: ApplicationEntity | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._former_folder = tempfile.tempdir

    async def start(self) -> int:
        """Listens; the port. Raises OSError when the address is taken, ssl.SSLError for a certificate that is none."""
        self._loop = asyncio.get_running_loop()
        self._options.spool.mkdir(parents=True, exist_ok=True)
        # pynetdicom writes a data set to a temporary file as it arrives, so that its size costs no memory.
        _config.STORE_RECV_CHUNKED_DATASET = True
        tempfile.tempdir = str(self._options.spool)
        self._entity = self._new_entity()
        server = cast(
            ThreadedAssociationServer,
            self._entity.start_server(
                (self._options.address, self._options.port),
                block=False,
                ssl_context=self._tls(),
                evt_handlers=[
                    (evt.EVT_CONN_OPEN, self._on_open),
                    (evt.EVT_CONN_CLOSE, self._on_close),
                    (evt.EVT_REQUESTED, self._on_requested),
                    (evt.EVT_C_ECHO, self._on_echo),
                    (evt.EVT_C_STORE, self._on_store),
                ],
            ),
        )
        port: int = cast(socket, server.socket).getsockname()[1]
        log.info("The DICOM node listens on %s:%d.", self._options.address, port)
        return port

    async def stop(self) -> None:
        """Ends all associations and the port; what was acknowledged stays."""
        if self._entity is not None:
            await asyncio.to_thread(self._entity.shutdown)
        tempfile.tempdir = self._former_folder

    def _new_entity(self) -> ApplicationEntity:
        entity = ApplicationEntity(self._options.ae_title)
        entity.require_called_aet = False
        entity.maximum_associations = self._options.max_associations
        entity.maximum_pdu_size = self._options.max_pdu
        entity.network_timeout = self._options.network_seconds
        entity.acse_timeout = 30
        entity.dimse_timeout = 60
        entity.add_supported_context(Verification, list(TRANSFER_SYNTAXES[:3]))
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(str(context.abstract_syntax), list(TRANSFER_SYNTAXES))
        for uid in _PRIVATE_CLASSES:
            entity.add_supported_context(uid, list(TRANSFER_SYNTAXES))
        return entity

    def _tls(self) -> ssl.SSLContext | None:
        """TLS 1.2 or later (PS3.15 B.12); peers must show a certificate where an authority is set."""
        if not self._options.tls_cert:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._options.tls_cert, self._options.tls_key)
        if self._options.tls_ca:
            context.load_verify_locations(self._options.tls_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of work on the event loop, for the threads of associations."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_ANSWER_SECONDS)

    def _on_open(self, event: evt.Event) -> None:
        quicken(event.assoc, self._options.max_pdu)

    def _on_close(self, event: evt.Event) -> None:
        """Removes what a broken association had begun to receive."""
        message = event.assoc.dimse.message
        path = getattr(message, "_data_set_path", None)
        if isinstance(path, Path):
            path.unlink(missing_ok=True)

    def _on_requested(self, event: evt.Event) -> None:
        """Turns strangers away: calling AE title not recognised (PS3.8 9.3.4)."""
        association: Any = event.assoc
        title = str(association.requestor.primitive.calling_ae_title).strip()
        try:
            institution = self._call(self._organisation.by_ae_title(title))
        except (Unavailable, TimeoutError):
            log.warning("An association was put off: the database does not answer.")
            self._reject(event, 0x02, 0x02, 0x01)
            return
        if institution is None:
            log.warning("An association of an unregistered AE title was rejected.")
            self._reject(event, 0x01, 0x01, 0x03)
            return
        association.yunying_sender = (institution.code, title)

    @staticmethod
    def _reject(event: evt.Event, result: int, source: int, reason: int) -> None:
        event.assoc.acse.send_reject(result, source, reason)
        event.assoc.is_rejected = True
        event.assoc.kill()

    @staticmethod
    def _on_echo(event: evt.Event) -> int:
        return SUCCESS

    def _on_store(self, event: evt.Event) -> int | Dataset:
        association: Any = event.assoc
        request: Any = event.request
        institution, title = association.yunying_sender
        path = event.dataset_path
        association.dul.socket.busy = True
        try:
            # pynetdicom removes the file itself only after the answer: by then its bytes are in the object store.
            received = self._ingest.put_file(path, institution, f"dimse:{title}")
            announced = str(request.AffectedSOPInstanceUID)
            receipt = self._call(self._ingest.record(received, instance=announced))
        except Refused as error:
            return _status(Receipt(Outcome.REFUSED, code=error.code))
        except (Unavailable, TimeoutError) as error:
            code = error.code if isinstance(error, YunyingError) else "no answer in time"
            log.warning("C-STORE was refused for the moment: %s", code)
            return _answer(OUT_OF_RESOURCES, code)
        except Exception as error:
            log.exception("C-STORE failed: %s", type(error).__name__)
            return _answer(FAILURE, "internal error")
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        return _status(receipt)


async def run_node(ingest: Ingest, organisation: Organisation, options: NodeOptions, stop: asyncio.Event) -> None:
    """Serves until `stop` is set."""
    node = DicomNode(ingest, organisation, options)
    await node.start()
    try:
        await stop.wait()
    finally:
        await node.stop()


def _status(receipt: Receipt) -> int | Dataset:
    """The C-STORE answer for a receipt."""
    if receipt.outcome in (Outcome.STORED, Outcome.DUPLICATE):
        return SUCCESS
    if receipt.outcome is Outcome.KEPT_ASIDE:
        return _answer(KEPT_ASIDE, receipt.code)
    if receipt.code in _RESOURCES:
        return _answer(OUT_OF_RESOURCES, receipt.code)
    return _answer(MISMATCH if receipt.code in _MISMATCHES else CANNOT_UNDERSTAND, receipt.code)


def _answer(status: int, comment: str) -> Dataset:
    """A status with an Error Comment (0000,0902), which holds ASCII only."""
    answer = Dataset()
    answer.Status = status
    answer.ErrorComment = comment[:64]
    return answer
