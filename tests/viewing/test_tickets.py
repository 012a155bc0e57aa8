"""Tickets: what is not wholly right is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.access.model import Grade, Kind, Principal
from backend.identity.tokens import Tokens
from backend.platform.clock import ManualClock
from backend.platform.crypto import Keys
from backend.viewing.tickets import InvalidTicket, Tickets

KEYS = Keys(bytes(range(32)))
WHO = Principal(Kind.PATIENT, "patient-1", "session-1")


def good(clock: ManualClock) -> tuple[dict[str, Any], dict[str, Any]]:
    ticket = Tickets(KEYS, clock, 600).issue(WHO, "exam2345", Grade.BROWSE)
    whole = jwt.decode_complete(ticket, options={"verify_signature": False})
    return whole["payload"], {name: whole["header"][name] for name in ("typ", "kid")}


def signed(claims: dict[str, Any], headers: dict[str, Any], keys: Keys = KEYS, algorithm: str = "EdDSA") -> str:
    return jwt.encode(claims, keys.signing_key(), algorithm=algorithm, headers=headers)


def test_a_good_ticket_says_who_what_and_how() -> None:
    clock = ManualClock()
    tickets = Tickets(KEYS, clock, 600)
    ticket = tickets.verify(tickets.issue(WHO, "exam2345", Grade.DIAGNOSTIC))
    assert (ticket.subject, ticket.session, ticket.exam, ticket.grade) == (
        "patient-1",
        "session-1",
        "exam2345",
        Grade.DIAGNOSTIC,
    )
    assert ticket.id


def test_it_expires() -> None:
    clock = ManualClock()
    tickets = Tickets(KEYS, clock, 600)
    ticket = tickets.issue(WHO, "exam2345", Grade.BROWSE)
    clock.advance(seconds=599)
    tickets.verify(ticket)
    clock.advance(seconds=1)
    with pytest.raises(InvalidTicket):
        tickets.verify(ticket)


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "other"},
        {"aud": "yunying-api"},
        {"typ": "access"},
        {"grade": "everything"},
        {"sid": ""},
        {"sub": 5},
        {"exp": float("inf")},
        {"nbf": 4e9},
        {"iat": "now"},
        *({name: None} for name in ("exp", "iat", "nbf", "aud", "iss", "sub", "jti", "sid", "typ", "exam", "grade")),
    ],
    ids=str,
)
def test_one_wrong_claim_is_enough(change: dict[str, Any]) -> None:
    clock = ManualClock()
    claims, headers = good(clock)
    Tickets(KEYS, clock, 600).verify(signed(claims, headers))
    changed = {name: value for name, value in {**claims, **change}.items() if value is not None}
    with pytest.raises(InvalidTicket):
        Tickets(KEYS, clock, 600).verify(signed(changed, headers))


def test_other_keys_types_and_algorithms_are_refused() -> None:
    clock = ManualClock()
    claims, headers = good(clock)
    tickets = Tickets(KEYS, clock, 600)
    bearer = Tokens(KEYS, clock).sign("patient-1", "session-1", clock.now() + timedelta(minutes=5))
    forged = [
        signed(claims, headers, Keys(bytes(32))),
        signed(claims, {**headers, "typ": "at+jwt"}),
        signed(claims, {**headers, "kid": "k2"}),
        jwt.encode(claims, "", algorithm="none", headers=headers),
        jwt.encode(claims, KEYS.derive("tokens"), algorithm="HS256", headers=headers),
        bearer,
        "",
        "a.b.c",
        "x" * 5000,
    ]
    for ticket in forged:
        with pytest.raises(InvalidTicket):
            tickets.verify(ticket)
    with pytest.raises(Exception, match="invalid-token"):
        Tokens(KEYS, clock).verify(tickets.issue(WHO, "exam2345", Grade.BROWSE))


@given(st.integers(0, 400), st.integers(1, 255))
def test_any_changed_byte_is_noticed(place: int, change: int) -> None:
    clock = ManualClock()
    tickets = Tickets(KEYS, clock, 600)
    raw = bytearray(tickets.issue(WHO, "exam2345", Grade.BROWSE).encode())
    place %= len(raw)
    raw[place] ^= change
    text = raw.decode("latin-1")
    # The last letter of a signature carries bits that mean nothing.
    if place < len(raw) - 1:
        with pytest.raises(InvalidTicket):
            tickets.verify(text)
