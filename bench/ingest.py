"""S4 and S5: how fast instances are taken in, durable and acknowledged, and how soon a series streams after its last one."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

from backend.demo.data import SHENYANG
from backend.phantom import PhantomRequest, generate, part10

from .client import Client
from .figures import Figures
from .orthanc import Orthanc
from .processes import cpu_seconds
from .product import Product, patient_of
from .serving import FRAME, measured, own_picture


def copies(template: bytes, uid: str, label: str, count: int) -> Iterator[bytes]:
    """`count` instances that differ from `template` in their SOP Instance UID only, which keeps its length."""
    for index in range(count):
        digits = str(int.from_bytes(sha256(f"{label}/{index}".encode()).digest()))
        fresh = "2.25." + digits[: len(uid) - 5].replace("0", "1", 1).rjust(len(uid) - 5, "1")
        yield template.replace(uid.encode(), fresh.encode())


def s4(figures: Figures, product: Product, peer: Orthanc | None, count: int) -> None:
    """CT instances of half a megabyte, one a request, by one and by four senders."""
    dataset = next(generate(PhantomRequest(slices=1, accession_number="BENCH4", person=patient_of(product))))
    template, uid = part10(dataset), str(dataset.SOPInstanceUID)
    token = product.demo["gateway"]["token"]
    for senders in (1, 4):
        files = list(copies(template, uid, f"stow {senders} {time.time()}", count))
        ours = _stow(product.port, token, files, senders, product.pid_of("serve"))
        theirs = _stow(peer.port, "", files, senders, peer.pid) if peer else None
        _tell(figures, f"STOW-RS, {senders} at once", ours, theirs)
    for senders in (1, 4):
        files = list(copies(template, uid, f"store {senders} {time.time()}", count))
        dicom = product.demo["dicom"]
        called = (dicom["port"], dicom["ae_title"], SHENYANG.ae_title)
        ours = _store(called, files, senders, product.pid_of("dicom"))
        theirs = _store((peer.dicom_port, "ORTHANC", "BENCH"), files, senders, peer.pid) if peer else None
        _tell(figures, f"C-STORE, {senders} at once", ours, theirs)


def s5(figures: Figures, product: Product, calm: str, slices: int) -> None:
    """From the last instance of a series to the end of its derivation, and what it costs a viewer of another exam meanwhile."""
    request = PhantomRequest(slices=slices, accession_number=f"B5{int(time.time())}", person=patient_of(product))
    files = [part10(dataset) for dataset in generate(request)]
    worker, serve = product.pid_of("worker"), product.pid_of("serve")
    with product.staff() as client:
        calm_cost = own_picture(client, calm, FRAME)
        before = measured(serve, 200, calm_cost)
        began = cpu_seconds(worker)
        with product.gateway() as gateway:
            for start in range(0, len(files), 20):
                gateway.stow(files[start : start + 20])
        done = threading.Event()
        ended: list[float] = []
        waiter = threading.Thread(target=_until_idle, args=(worker, done, ended))
        sent = time.monotonic()
        waiter.start()
        during = measured(serve, 200, lambda index: calm_cost(1000 + index))
        waiter.join()
    seconds = ended[0] - sent
    figures.tell(
        "S5", f"derivation of {slices} slices", seconds=seconds, worker_cpu=cpu_seconds(worker) - began, limit=10,
        met=seconds <= 10, viewer_cpu_ms_before=before.cpu_ms, viewer_cpu_ms_during=during.cpu_ms,
        viewer_wall_ms_before=before.wall_ms, viewer_wall_ms_during=during.wall_ms,
        viewer_ratio=during.cpu_ms / before.cpu_ms,
    )  # fmt: skip


def _until_idle(pid: int, done: threading.Event, ended: list[float]) -> None:
    """Notes when the process last worked: after that its CPU time stood still for two seconds."""
    last, busy = cpu_seconds(pid), time.monotonic()
    until = busy + 180
    while time.monotonic() < min(until, busy + 2.0):
        time.sleep(0.1)
        now = cpu_seconds(pid)
        if now - last > 0.015:
            busy = time.monotonic()
        last = now
    ended.append(busy)
    done.set()


def _tell(figures: Figures, what: str, ours: tuple[float, float], theirs: tuple[float, float] | None) -> None:
    ratio = ours[0] / theirs[0] if theirs else None
    figures.tell(
        "S4", what, rate=ours[0], cpu_ms=ours[1], peer_rate=theirs[0] if theirs else None,
        peer_cpu_ms=theirs[1] if theirs else None, to_peer=ratio, limit=1.0, met=ratio is None or ratio >= 1.0,
    )  # fmt: skip


def _stow(port: int, token: str, files: Sequence[bytes], senders: int, pid: int) -> tuple[float, float]:
    """Instances a second and CPU milliseconds for each."""

    def send(part: Sequence[bytes]) -> None:
        with Client(port, token) as client:
            for file in part:
                client.stow([file])

    cpu, wall = cpu_seconds(pid), time.perf_counter()
    with ThreadPoolExecutor(senders) as pool:
        list(pool.map(send, [files[index::senders] for index in range(senders)]))
    elapsed = time.perf_counter() - wall
    return len(files) / elapsed, 1000 * (cpu_seconds(pid) - cpu) / len(files)


def _store(called: tuple[int, str, str], files: Sequence[bytes], senders: int, pid: int) -> tuple[float, float]:
    """The same by dcmtk's storescu, one association a sender."""
    port, title, calling = called
    with tempfile.TemporaryDirectory() as folder:
        for index, file in enumerate(files):
            path = Path(folder) / str(index % senders) / f"{index}.dcm"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(file)
        command = ["storescu", "-aet", calling, "-aec", title, "+sd", "-R", "127.0.0.1", str(port)]
        cpu, wall = cpu_seconds(pid), time.perf_counter()
        children = [
            subprocess.Popen([*command, str(Path(folder) / str(n))], env={**os.environ, "TCP_NODELAY": "1"})
            for n in range(senders)
        ]
        failed = [child.args for child in children if child.wait(600)]
        elapsed = time.perf_counter() - wall
    if failed:
        raise RuntimeError(f"storescu failed: {failed}")
    return len(files) / elapsed, 1000 * (cpu_seconds(pid) - cpu) / len(files)
