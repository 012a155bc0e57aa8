"""The product, started as `make demo` starts it, with the exams that the targets ask for."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from backend.phantom import Person, PhantomRequest, generate, part10

from .client import Client
from .processes import children_of, cpu_seconds, free_port, running

_READY_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Product:
    """A running demo."""

    port: int
    pid: int
    demo: dict[str, Any]

    def pid_of(self, role: str) -> int:
        """Process id of serve, worker or dicom."""
        return next(
            pid for pid, command in children_of(self.pid).items() if command.split()[-1:] == [role] and "cli" in command
        )

    def gateway(self) -> Client:
        """A connection with the upload credential."""
        return Client(self.port, self.demo["gateway"]["token"])

    def staff(self, role: str = "radiologist") -> Client:
        """A connection with a bearer token of the hospital that the gateway belongs to."""
        return Client(self.port, self.staff_token(role))

    def staff_token(self, role: str = "radiologist") -> str:
        """The bearer token."""
        institution = self.demo["gateway"]["institution"]
        return str(
            next(a["token"] for a in self.demo["accounts"] if a["role"] == role and a["institution"] == institution)
        )

    def add(self, request: PhantomRequest) -> str:
        """Sends a computed exam of the first demo patient by STOW-RS; its public id."""
        with self.gateway() as gateway:
            files = (part10(dataset) for dataset in generate(request))
            while part := list(islice(files, 20)):
                gateway.stow(part)
        return self.exam_of(request.uid("study"))

    def exam_of(self, study: str) -> str:
        """The public id of an exam: it stands in the page that a viewer link opens."""
        with self.staff() as client:
            url = client.json("POST", "/api/v1/viewer-links", {"study_instance_uid": study})["url"]
            page = client.call("GET", "/" + url.split("/", 3)[3]).decode()
        manifest = page.split('<script type="application/json" id="manifest">', 1)[1].split("</script>", 1)[0]
        return str(json.loads(manifest)["exam"])

    def settle(self, exam: str, seconds: float = 240.0) -> dict[str, Any]:
        """Waits until background work has left the exam alone; its manifest."""
        until, still, last = time.monotonic() + seconds, 0, 0.0
        while still < 4 and time.monotonic() < until:
            time.sleep(0.5)
            now = cpu_seconds(self.pid_of("worker"))
            still = still + 1 if abs(now - last) < 0.05 else 0
            last = now
        with self.staff() as client:
            return dict(client.json("GET", f"/api/v1/exams/{exam}/manifest"))

    def patient_cookie(self) -> tuple[str, str]:
        """Name and value of the session cookie of the first demo patient, who passes the gate as on a phone."""
        patient = self.demo["patients"][0]
        with Client(self.port) as client:
            client.json("POST", "/api/v1/codes", {"phone": patient["phone"]})
            answer = client.answer(
                "POST",
                "/api/v1/session",
                json.dumps({"phone": patient["phone"], "code": self._code(patient["phone"])}).encode(),
                {"Content-Type": "application/json"},
            )
            answer.read()
            name, value = answer.headers["Set-Cookie"].split(";", 1)[0].split("=", 1)
            proof = json.dumps({"name": patient["name"], "id_last4": patient["id_number"][-4:]}).encode()
            headers = {"Content-Type": "application/json", "Cookie": f"{name}={value}"}
            client.call("POST", "/api/v1/session/identity", proof, headers)
        return name, value

    def _code(self, phone: str) -> str:
        """The newest code in the outbox."""
        for _ in range(100):
            lines = [json.loads(line) for line in Path(self.demo["outbox"]).read_text().splitlines()]
            codes = [line["params"]["code"] for line in lines if line["phone"] == phone and "code" in line["params"]]
            if codes:
                return str(codes[-1])
            time.sleep(0.05)
        raise RuntimeError("no code in the outbox")


def patient_of(product: Product) -> Person:
    """The first demo patient, for phantoms that shall be theirs."""
    from backend.demo.data import PATIENTS

    first = product.demo["patients"][0]
    return next(person for person in PATIENTS if person.id_number == first["id_number"])


@contextmanager
def product() -> Iterator[Product]:
    """The demo in a folder of its own on free ports, ended on leaving."""
    with tempfile.TemporaryDirectory(prefix="yunying-bench-") as folder:
        port, told = free_port(), Path(folder) / "demo.json"
        command = [sys.executable, "-m", "backend.cli", "demo", "--data", folder, "--port", str(port)]
        with running(command, ready=told.exists, seconds=_READY_SECONDS) as child:
            try:
                yield Product(port, child.pid, json.loads(told.read_text()))
            finally:
                _complain(Path(folder) / "log")


def _complain(logs: Path) -> None:
    """Shows what the roles logged as gone wrong: a figure measured meanwhile is worth less."""
    for log in logs.glob("*.log"):
        lines = log.read_text(errors="replace").splitlines()
        found = [n for n, line in enumerate(lines) if " ERROR " in line or "Traceback" in line or "CRITICAL" in line]
        if found:
            print(
                f"{log.name}: {len(found)} errors, the first:",
                *lines[found[0] : found[0] + 25],
                sep="\n",
                file=sys.stderr,
            )
