"""The DICOM node against dcmtk and pynetdicom over the wire."""

from __future__ import annotations

import asyncio
import datetime
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pydicom
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, _config

from backend.access.model import Scope
from backend.archive.dicom_node import DicomNode, NodeOptions
from backend.archive.model import ExamQuery
from backend.archive.same import same_image
from tests.archive.conftest import Archive
from tests.archive.peers import echoscu, storescu
from tests.images import shared_dicom

EVERYTHING = Scope(everything=True)
CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"


def slices(count: int) -> list[Path]:
    return sorted(shared_dicom("ct_cmb_crc_chest100").glob("*.dcm"))[:count]


def data_set(content: bytes) -> bytes:
    """What follows the file meta group."""
    return content[144 + struct.unpack("<I", content[140:144])[0] :]


async def test_a_whole_folder_twice_is_the_same_as_once(archive: Archive, node_port: int) -> None:
    folder = shared_dicom("ct_cmb_crc_chest100")
    status, output = await storescu(node_port, [folder])
    assert status == 0, output
    await archive.ingest.flush()
    before = await archive.store.search_exams(EVERYTHING, ExamQuery(), 10)
    status, output = await storescu(node_port, [folder])
    assert status == 0, output
    after = await archive.store.search_exams(EVERYTHING, ExamQuery(), 10)
    assert before == after and after.items[0].instance_count == 100
    (series,) = await archive.store.series_of(after.items[0].key)
    stored = {i.sop_instance_uid: i for i in await archive.store.instances_of(series.key)}
    for path in folder.glob("*.dcm"):
        sent = path.read_bytes()
        uid = pydicom.dcmread(BytesIO(sent), stop_before_pixels=True).SOPInstanceUID
        assert same_image(await archive.objects.get(stored[uid].original), sent)


async def test_the_same_image_by_the_other_door_is_no_conflict(archive: Archive, node_port: int) -> None:
    path = slices(1)[0]
    assert (await storescu(node_port, [path]))[0] == 0
    assert (await archive.send(path)).outcome == "duplicate"


async def test_strangers_are_turned_away(archive: Archive, node_port: int) -> None:
    assert (await echoscu(node_port))[0] == 0
    status, output = await echoscu(node_port, title="STRANGER")
    assert status != 0 and "Calling AE Title Not Recognized" in output
    status, output = await storescu(node_port, slices(1), title="STRANGER")
    assert status != 0 and not (await archive.store.search_exams(EVERYTHING, ExamQuery(), 1)).items


async def test_other_bytes_under_a_known_uid_are_kept_aside(archive: Archive, node_port: int, tmp_path: Path) -> None:
    path = slices(1)[0]
    changed = tmp_path / "changed.dcm"
    changed.write_bytes(path.read_bytes()[:-2] + b"\1\2")
    await storescu(node_port, [path])
    _, output = await storescu(node_port, [changed])
    assert "Store Response (Warning: " in output
    page = await archive.store.kept_aside("H1", 10)
    assert [(item.code, item.source) for item in page.items] == [("uid-conflict", "dimse:STORESCU")]
    assert same_image(await archive.objects.get(page.items[0].object), changed.read_bytes())


async def test_the_institution_is_that_of_the_calling_device(archive: Archive, node_port: int) -> None:
    path = slices(1)[0]
    for title in ("CT1", "MR2"):
        assert (await storescu(node_port, [path], title=title))[0] == 0
    exams = (await archive.store.search_exams(EVERYTHING, ExamQuery(), 10)).items
    assert {exam.institution for exam in exams} == {"H1", "H2"} and len({exam.exam for exam in exams}) == 2


async def test_wrong_contents_get_the_right_status(archive: Archive, node_port: int) -> None:
    dataset = pydicom.dcmread(slices(1)[0])
    statuses = []

    def send() -> None:
        entity = AE("CT1")
        entity.add_requested_context(CT_CLASS, ExplicitVRLittleEndian)
        association = entity.associate("127.0.0.1", node_port)
        dataset.Rows = 46341
        statuses.append(association.send_c_store(dataset))
        dataset.Rows = 512
        del dataset.SeriesInstanceUID
        statuses.append(association.send_c_store(dataset))
        association.release()

    await asyncio.to_thread(send)
    assert [f"{status.Status:04X} {status.ErrorComment}" for status in statuses] == ["C000 pixel-size", "C000 no-uid"]
    codes = {item.code for item in (await archive.store.kept_aside("H1", 10)).items}
    assert codes == {"pixel-size", "no-uid"}


async def test_a_command_that_announces_another_instance_is_refused(node_port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", node_port)
    writer.write(_associate_request())
    answer = await reader.readexactly(6)
    await reader.readexactly(struct.unpack(">I", answer[2:])[0])
    content = data_set(slices(1)[0].read_bytes())
    pieces = [b"\x01\x00" + content[start : start + 100_000] for start in range(0, len(content), 100_000)]
    pieces[-1] = b"\x01\x02" + pieces[-1][2:]
    writer.write(_store_command() + b"".join(map(_data_pdu, pieces)))
    answer = await asyncio.wait_for(reader.readexactly(6), 20)
    body = await reader.readexactly(struct.unpack(">I", answer[2:])[0])
    assert struct.pack("<HHIH", 0, 0x0900, 2, 0xA900) in body and b"uid-mismatch" in body
    writer.close()


async def test_many_devices_at_once(archive: Archive, node_port: int) -> None:
    files = slices(16)
    results = await asyncio.gather(*(storescu(node_port, files[n::4] + files[:2]) for n in range(4)))
    assert {status for status, _ in results} == {0}
    await archive.ingest.flush()
    (exam,) = (await archive.store.search_exams(EVERYTHING, ExamQuery(), 10)).items
    assert exam.instance_count == 16


async def test_an_aborted_transfer_leaves_nothing(archive: Archive, node_port: int, tmp_path: Path) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", node_port)
    writer.write(_associate_request())
    await reader.readexactly(6)
    writer.write(_store_command() + _data_pdu(b"\x01\x00" + bytes(1000)))
    await writer.drain()
    await asyncio.sleep(0.3)
    writer.close()
    spool = tmp_path / "spool"
    for _ in range(50):
        if not list(spool.iterdir()):
            break
        await asyncio.sleep(0.1)
    assert not list(spool.iterdir())
    assert (await echoscu(node_port))[0] == 0


async def test_a_pdu_beyond_the_limit_ends_the_connection(node_port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", node_port)
    writer.write(b"\x01\x00" + struct.pack(">I", 0xFFFFFFF0) + bytes(100))
    await writer.drain()
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    assert (await echoscu(node_port))[0] == 0


async def test_tls(archive: Archive, tmp_path: Path) -> None:
    cert, key = _certificate(tmp_path)
    options = NodeOptions(port=0, spool=tmp_path / "spool", tls_cert=str(cert), tls_key=str(key), tls_ca=str(cert))
    node = DicomNode(archive.ingest, archive.organisation, options)
    port = await node.start()
    try:
        tls = ("+tls", str(key), str(cert), "+cf", str(cert), "-ic")
        status, output = await storescu(port, slices(2), options=(*tls, "-R"))
        assert status == 0, output
        assert (await echoscu(port))[0] != 0
        assert (await echoscu(port, options=("+tla", "-ic")))[0] != 0
    finally:
        await node.stop()
    assert (await archive.store.search_exams(EVERYTHING, ExamQuery(), 1)).items


async def test_every_byte_of_a_data_set_arrives_in_its_own_transfer_syntax(archive: Archive, node_port: int) -> None:
    folder = shared_dicom("ts_ladder", "cornerstone3D")
    paths = {path: path.stem.rsplit("_")[-1] for path in sorted(folder.glob("*.dcm"))}
    assert len(paths) == 15
    for number, (path, syntax) in enumerate(paths.items()):
        # All fifteen are one instance: each goes to the archive under a UID of its own, of the same length.
        content = path.read_bytes()
        if not syntax.endswith(".99"):
            uid = pydicom.dcmread(BytesIO(content), stop_before_pixels=True).SOPInstanceUID
            fresh = f"{uid[:-2]}{number + 10}"
            content = content.replace(uid.encode(), fresh.encode())
            status = await asyncio.to_thread(_send_as_it_is, node_port, content)
            assert status == 0, (syntax, hex(status))
            instance = await archive.store.instance("H1", fresh)
            assert instance is not None and instance.transfer_syntax_uid == syntax
            assert data_set(await archive.objects.get(instance.original)) == data_set(content)


def _send_as_it_is(port: int, content: bytes) -> int:
    """Sends a file's data set without reading it; dcmtk would write it anew."""
    meta = pydicom.dcmread(BytesIO(content), stop_before_pixels=True).file_meta
    entity = AE("CT1")
    entity.add_requested_context(meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", port)
    with tempfile.NamedTemporaryFile(suffix=".dcm") as file, _unread():
        file.write(content)
        file.flush()
        status = association.send_c_store(file.name)
    association.release()
    return int(status.Status)


@contextmanager
def _unread() -> Iterator[None]:
    _config.STORE_SEND_CHUNKED_DATASET = True
    try:
        yield
    finally:
        _config.STORE_SEND_CHUNKED_DATASET = False


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for both sides."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(1)
    )
    cert = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(
        key, hashes.SHA256()
    )
    (folder / "cert.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*form))
    return folder / "cert.pem", folder / "key.pem"


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(content)) + content


def _associate_request() -> bytes:
    """A-ASSOCIATE-RQ for CT images in explicit little endian (PS3.8 9.3.2)."""
    syntaxes = _item(0x30, CT_CLASS.encode()) + _item(0x40, b"1.2.840.10008.1.2.1")
    context = _item(0x20, b"\x01\x00\x00\x00" + syntaxes)
    user = _item(0x50, _item(0x51, struct.pack(">I", 16384)) + _item(0x52, b"1.2.3.4"))
    titles = b"YUNYING".ljust(16) + b"CT1".ljust(16)
    content = b"\x00\x01\x00\x00" + titles + bytes(32) + _item(0x10, b"1.2.840.10008.3.1.1.1") + context + user
    return b"\x01\x00" + struct.pack(">I", len(content)) + content


def _data_pdu(value: bytes) -> bytes:
    """P-DATA-TF with one value (PS3.8 9.3.5)."""
    return b"\x04\x00" + struct.pack(">II", len(value) + 4, len(value)) + value


def _store_command() -> bytes:
    """C-STORE-RQ for the instance 1.2.3 (PS3.7 9.3.1.1)."""

    def element(tag: int, content: bytes) -> bytes:
        return struct.pack("<HHI", 0, tag, len(content)) + content

    fields = [
        element(0x0002, CT_CLASS.encode() + b"\0" * (len(CT_CLASS) % 2)),
        element(0x0100, struct.pack("<H", 1)),
        element(0x0110, struct.pack("<H", 7)),
        element(0x0700, struct.pack("<H", 0)),
        element(0x0800, struct.pack("<H", 1)),
        element(0x1000, b"1.2.3\0"),
    ]
    command = b"".join(fields)
    command = element(0x0000, struct.pack("<I", len(command))) + command
    return _data_pdu(b"\x01\x03" + command)
