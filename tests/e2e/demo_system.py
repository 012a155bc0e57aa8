"""The demo as somebody outside has it: a command in the foreground, demo.json, HTTP, DICOM, and processes that can be killed."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import pydicom
import requests
from pydicom.filebase import DicomBytesIO

from tests.images import ROOT

ORIGINAL = 'multipart/related; type="application/dicom"; transfer-syntax=*'
PROBLEM = "application/problem+json"


def until(wanted: Callable[[], Any], seconds: float = 30.0, what: str = "") -> Any:
    """The first true value of `wanted()`, asked for again and again; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not (value := wanted()):
        assert time.monotonic() < end, what or f"not within {seconds} s"
        time.sleep(0.05)
    return value


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Demo:
    """`make demo` without the set-up: the same command that the Makefile runs."""

    def __init__(self, data: Path) -> None:
        self.data, self.port = data, free_port()
        self.info: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._output = data.with_suffix(".out")

    # Life

    def start(self) -> Demo:
        """Returns when demo.json is there."""
        ready = self.data / "demo.json"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "backend.cli", "demo", "--data", str(self.data), "--port", str(self.port)]
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdout=output, stderr=output, env=clean_environment(), start_new_session=True
            )
        until(lambda: ready.exists() or self._process.poll() is not None, 120, "demo.json was not written")
        assert self._process.poll() is None, self.said()
        self.info = json.loads(ready.read_text())
        return self

    def stop(self) -> int:
        """Ctrl-C: its exit status."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(40)

    def kill(self) -> None:
        """Power failure: every process at once, without a word."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(20)
        until(lambda: not self.processes(), 20, "processes were left after SIGKILL")

    def said(self) -> str:
        return self._output.read_text()

    def logs(self) -> str:
        """Everything that its processes wrote down."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.data.glob("log/*.log"))) + self.said()

    def traces(self) -> list[str]:
        """Traces of our own code in the logs; pynetdicom writes one of its own where a peer's socket dies under it."""
        blocks = re.findall(r"^Traceback .*\n(?:[ \t].*\n)+", self.logs(), re.MULTILINE)
        return [block for block in blocks if "/backend/" in block or "/render/" in block]

    def processes(self, *words: str) -> list[int]:
        """Living processes of this demo whose command line holds all `words`."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with suppress(OSError):
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                ours = str(self.data) in line or f"YUNYING_DATA={self.data}\0".encode() in (
                    (entry / "environ").read_bytes()
                )
                if ours and line and all(word in line for word in words):
                    found.append(int(entry.name))
        return found

    def database_pid(self) -> int:
        return self.processes("secantus")[0]

    def role_pid(self, role: str) -> int:
        """0 while it is down."""
        return next(iter(self.processes("--with-parent", f" {role} ")), 0)

    # Doors

    @property
    def url(self) -> str:
        return self.info["base_url"]

    def token(self, role: str, institution: str | None = None) -> str:
        """The bearer token of the first account with this role."""
        return next(
            one["token"]
            for one in self.info["accounts"]
            if one["role"] == role and institution in (None, one["institution"])
        )

    def exam(self, modality: str, institution: str | None = None) -> dict[str, Any]:
        return next(
            one
            for one in self.info["exams"]
            if one["modality"] == modality and institution in (None, one["institution"])
        )

    def patient(self, name: str) -> dict[str, str]:
        return next(one for one in self.info["patients"] if one["name"] == name)

    @cached_property
    def session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        return session

    def ask(
        self, method: str, path: str, *, token: str = "", cookies: dict[str, str] | None = None, **more: Any
    ) -> requests.Response:
        """One request without any state of earlier ones; `path` may be a whole address."""
        headers = {"Connection": "close", **more.pop("headers", {})}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        address = path if path.startswith("http") else self.url + path
        more.setdefault("timeout", 30)
        more.setdefault("allow_redirects", False)
        self.session.cookies.clear()
        return self.session.request(method, address, headers=headers, cookies=cookies, **more)

    def get(self, path: str, token: str = "", **more: Any) -> requests.Response:
        return self.ask("GET", path, token=token, **more)

    def originals(self, study: str, token: str, below: str = "") -> list[bytes]:
        """The files of a study (or of `below` in it), as they are kept."""
        answer = self.get(f"/dicom-web/studies/{study}{below}", token, headers={"Accept": ORIGINAL}, timeout=120)
        assert answer.status_code == 200, answer.text
        return parts(answer)

    def stow(self, token: str, *files: bytes) -> requests.Response:
        head = b"--edge\r\nContent-Type: application/dicom\r\n\r\n"
        body = b"".join(head + file + b"\r\n" for file in files) + b"--edge--\r\n"
        kind = 'multipart/related; type="application/dicom"; boundary=edge'
        headers = {"Content-Type": kind, "Accept": "application/dicom+json"}
        return self.ask("POST", "/dicom-web/studies", token=token, data=body, headers=headers, timeout=60)

    def storescu(self, folder: Path, calling: str, *more: str) -> subprocess.Popen[str]:
        """dcmtk's sender, as a hospital's PACS would; its output names each file and what was answered."""
        dicom = self.info["dicom"]
        options = ["-v", "+sd", "+r", "-aet", calling, "-aec", dicom["ae_title"], *more]
        return subprocess.Popen(
            ["storescu", *options, dicom["host"], str(dicom["port"]), str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TCP_NODELAY": "1"},
        )

    def code(self, phone: str) -> str:
        """The newest text message code for this phone."""
        lines = Path(self.info["outbox"]).read_text().splitlines()
        messages = [json.loads(line) for line in lines]
        return next(one["params"]["code"] for one in reversed(messages) if one["phone"] == phone)

    def cli(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A `yunying` command on this demo's data."""
        return subprocess.run(
            [sys.executable, "-m", "backend.cli", *arguments],
            cwd=ROOT,
            env={**clean_environment(), "YUNYING_DATA": str(self.data), **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )


def clean_environment() -> dict[str, str]:
    """This process's environment without settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("YUNYING_")}


def parts(answer: requests.Response) -> list[bytes]:
    """The bodies of a multipart answer."""
    edge = answer.headers["Content-Type"].split("boundary=")[1].split(";")[0].strip('"').encode()
    pieces = answer.content.split(b"--" + edge)[1:-1]
    return [piece.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n") for piece in pieces]


def read(file: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(DicomBytesIO(file))
