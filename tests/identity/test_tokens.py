"""Bearer tokens under attack: only ours, whole, in time, of the right type."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from backend.identity.tokens import InvalidToken, Tokens
from backend.platform.clock import ManualClock
from tests.identity.house import KEYS

CLOCK = ManualClock()
TOKENS = Tokens(KEYS, CLOCK)
NOW = int(CLOCK.now().timestamp())
GOOD = {
    "iss": "yunying",
    "aud": "yunying-api",
    "sub": "wang",
    "sid": "s1",
    "jti": "j1",
    "typ": "access",
    "iat": NOW,
    "nbf": NOW,
    "exp": NOW + 600,
}
HEADER = {"typ": "at+jwt", "kid": "k1"}


def sign(claims=GOOD, headers=HEADER, key=None, algorithm="EdDSA") -> str:
    return jwt.encode(claims, key or KEYS.signing_key(), algorithm=algorithm, headers=headers)


def test_own_token_is_read() -> None:
    token = TOKENS.sign("wang", "s1", CLOCK.now() + timedelta(minutes=10))
    claims = TOKENS.verify(token)
    assert (claims.subject, claims.session, claims.expires) == ("wang", "s1", NOW + 600)
    assert TOKENS.verify(sign()).subject == "wang"


@pytest.mark.parametrize("missing", sorted(GOOD))
def test_every_claim_is_required(missing: str) -> None:
    with pytest.raises(InvalidToken):
        TOKENS.verify(sign({k: v for k, v in GOOD.items() if k != missing}))


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "other"},
        {"aud": "other"},
        {"typ": "refresh"},
        {"sub": 7},
        {"sub": ""},
        {"sid": ["s1"]},
        {"jti": None},
        {"exp": NOW},
        {"exp": NOW - 1},
        {"exp": float("inf")},
        {"exp": NOW + 600.5},
        {"exp": "9999999999"},
        {"exp": True},
        {"nbf": NOW + 60},
        {"iat": NOW + 60},
        {"iat": "x"},
    ],
    ids=str,
)
def test_wrong_claims_are_refused(change) -> None:
    with pytest.raises(InvalidToken):
        TOKENS.verify(sign({**GOOD, **change}))


@pytest.mark.parametrize(
    "headers",
    [{"typ": "JWT", "kid": "k1"}, {"typ": "at+jwt"}, {"typ": "at+jwt", "kid": "k2"}, {**HEADER, "crit": ["x"]}],
    ids=str,
)
def test_wrong_headers_are_refused(headers) -> None:
    with pytest.raises(InvalidToken):
        TOKENS.verify(sign(headers=headers))


def test_other_algorithms_are_refused() -> None:
    public = KEYS.signing_key().public_key()
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    for token in (
        sign(key=raw + b"\0" * 32, algorithm="HS256"),
        sign(key=Ed25519PrivateKey.generate()),
        jwt.encode(GOOD, "", algorithm="none", headers=HEADER),
    ):
        with pytest.raises(InvalidToken):
            TOKENS.verify(token)
    head, body, _ = sign().split(".")
    none = base64.urlsafe_b64encode(json.dumps({**HEADER, "alg": "none"}).encode()).decode().rstrip("=")
    for token in (f"{none}.{body}.", f"{head}.{body}.", f"{head}.{body}", "", "...", "a.b.c", "é.b.c", "x" * 100_000):
        with pytest.raises(InvalidToken):
            TOKENS.verify(token)


def test_each_changed_letter_is_found() -> None:
    token = sign()
    for place in range(0, len(token) - 1, 7):
        other = "A" if token[place] != "A" else "B"
        with pytest.raises(InvalidToken):
            TOKENS.verify(token[:place] + other + token[place + 1 :])
