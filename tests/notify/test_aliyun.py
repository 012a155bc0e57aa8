"""The real SDK against a loopback peer that verifies its signature: what is sent, what a refusal becomes, what is never written down."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import logging
import ssl
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import backend.notify.aliyun as aliyun
from backend.notify.aliyun import AliyunOptions, AliyunSender
from backend.notify.model import TextMessage
from backend.notify.rules import MessageNotSent
from backend.platform.errors import TooMany
from tests.notify.peer import KEY_ID, SECRET, Peer

PHONE, CODE = "13812345678", "482913"
MESSAGE = TextMessage(PHONE, "sign-in-code", {"code": CODE, "minutes": "5"})
OPTIONS = AliyunOptions(KEY_ID, SECRET, "云影（测试）*+~'()!", {"sign-in-code": "SMS_1"})


@pytest.fixture
async def peer():
    made = Peer()
    yield made
    made.server.stop()
    await made.server.close_all_connections()


@pytest.fixture
def sender(peer: Peer):
    made = AliyunSender(replace(OPTIONS, endpoint=peer.address))
    yield made
    made.close()


async def test_message_arrives_signed(peer: Peer, sender: AliyunSender) -> None:
    await asyncio.gather(*(sender.send(MESSAGE) for _ in range(12)))
    assert len(peer.taken) == 12
    taken = peer.taken[0]
    assert (taken["PhoneNumbers"], taken["SignName"], taken["TemplateCode"]) == (PHONE, OPTIONS.sign_name, "SMS_1")
    assert json.loads(taken["TemplateParam"]) == {"code": CODE, "minutes": "5"}


async def test_wrong_secret_is_refused(peer: Peer) -> None:
    sender = AliyunSender(replace(OPTIONS, endpoint=peer.address, key_secret="wrong"))
    with pytest.raises(MessageNotSent):
        await sender.send(MESSAGE)
    assert peer.taken == []


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("isv.BUSINESS_LIMIT_CONTROL", TooMany),
        ("isv.AMOUNT_NOT_ENOUGH", MessageNotSent),
        ("isv.MOBILE_NUMBER_ILLEGAL", MessageNotSent),
        ("break", MessageNotSent),
        ("nonsense", MessageNotSent),
        ("slow", MessageNotSent),
    ],
)
async def test_refusals_and_failures_hold_no_number(
    peer: Peer, monkeypatch, caplog, mode: str, error: type[Exception]
) -> None:
    monkeypatch.setattr(aliyun, "_READ_SECONDS", 1)
    sender = AliyunSender(replace(OPTIONS, endpoint=peer.address))
    peer.mode = mode
    caplog.set_level(logging.DEBUG)
    begun = time.monotonic()
    with pytest.raises(error) as caught:
        await sender.send(MESSAGE)
    assert time.monotonic() - begun < 10 and peer.taken == []
    # The peer's own access log is the service's, not ours.
    assert not any(
        PHONE in r.getMessage() or CODE in r.getMessage() for r in caplog.records if r.name != "tornado.access"
    )
    assert PHONE not in str(caught.value) and caught.value.__cause__ is None
    sender.close()


async def test_nobody_listens(caplog) -> None:
    sender = AliyunSender(replace(OPTIONS, endpoint="http://127.0.0.1:1"))
    caplog.set_level(logging.DEBUG)
    with pytest.raises(MessageNotSent):
        await sender.send(MESSAGE)
    assert PHONE not in caplog.text and CODE not in caplog.text
    sender.close()


async def test_success_writes_nothing_down(peer: Peer, sender: AliyunSender, caplog, capfd) -> None:
    logging.getLogger("tornado.access").setLevel(logging.CRITICAL)
    caplog.set_level(logging.DEBUG)
    await sender.send(MESSAGE)
    logging.getLogger("tornado.access").setLevel(logging.NOTSET)
    written = caplog.text + "".join(capfd.readouterr())
    assert PHONE not in written and CODE not in written


async def test_waiting_is_bounded_and_the_loop_goes_on(peer: Peer, sender: AliyunSender, monkeypatch) -> None:
    monkeypatch.setattr(aliyun, "_WAITING", 3)
    peer.mode = "slow"
    held = [asyncio.create_task(sender.send(MESSAGE)) for _ in range(3)]
    await asyncio.sleep(0.05)
    begun = time.monotonic()
    with pytest.raises(MessageNotSent):
        await sender.send(MESSAGE)
    assert time.monotonic() - begun < 0.5
    await peer.server.close_all_connections()
    for outcome in await asyncio.gather(*held, return_exceptions=True):
        assert isinstance(outcome, MessageNotSent)


async def test_https_with_a_certificate_that_must_be_right(tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    peer = Peer(context)
    good = AliyunSender(replace(OPTIONS, endpoint=peer.address, ca_file=str(certificate)))
    await good.send(MESSAGE)
    assert len(peer.taken) == 1
    strange = AliyunSender(replace(OPTIONS, endpoint=peer.address))
    with pytest.raises(MessageNotSent):
        await strange.send(MESSAGE)
    assert len(peer.taken) == 1
    peer.server.stop()
    await peer.server.close_all_connections()


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths
