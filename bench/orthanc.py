"""The peer: Orthanc with its DICOMweb plug-in, as Debian packages it, tuned so that the comparison is fair."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .client import Client
from .processes import free_port, listening, running

_PROGRAM = Path("/usr/sbin/Orthanc")
_PLUGINS = Path("/usr/share/orthanc/plugins")


@dataclass(frozen=True, slots=True)
class Orthanc:
    """A running peer."""

    port: int
    dicom_port: int
    pid: int

    def client(self) -> Client:
        """A connection to it."""
        return Client(self.port)


@contextmanager
def orthanc() -> Iterator[Orthanc | None]:
    """Starts the peer with an empty store; None where it is not installed."""
    if not _PROGRAM.exists():
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        port, dicom_port = free_port(), free_port()
        config = Path(folder) / "orthanc.json"
        config.write_text(json.dumps(_config(folder, port, dicom_port)))
        # Without this variable Nagle's algorithm holds every small answer back.
        environment = {"TCP_NODELAY": "1"}
        with running([str(_PROGRAM), str(config)], ready=lambda: listening(port), environment=environment) as child:
            yield Orthanc(port, dicom_port, child.pid)


def _config(folder: str, port: int, dicom_port: int) -> dict[str, object]:
    wanted = ("libOrthancDicomWeb.so", "libOrthancGdcm.so")
    return {
        "Name": "peer",
        "StorageDirectory": folder,
        "IndexDirectory": folder,
        "HttpPort": port,
        "DicomPort": dicom_port,
        "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "HttpThreadsCount": 100,
        "HttpCompressionEnabled": False,
        "KeepAlive": True,
        "TcpNoDelay": True,
        "OverwriteInstances": True,
        "Plugins": [str(_PLUGINS / name) for name in wanted if (_PLUGINS / name).exists()],
        "DicomWeb": {"Enable": True},
    }
