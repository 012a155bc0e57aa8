"""What becomes of a share: its state, and what one try to open it does. No input or output here: every moment can be tested."""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum, auto

from backend.platform.errors import Forbidden, Gone

from .model import Share, State

SHORTEST, LONGEST = 10, 30 * 24 * 60
"""Minutes that a share may live."""
WRONG_TRIES = 5
MOST_OPENINGS, MOST_EXAMS, MOST_ACTIVE = 100, 20, 50
"""Openings of a share, exams in a share, living shares of a patient."""
GUEST_SESSION = timedelta(hours=2)
"""An opening lasts so long at most; it ends with the share in any case."""
GATE_SESSION = timedelta(minutes=15)
"""So long a guest who verified the phone number may take for the passcode."""


class ShareEnded(Gone):
    """The link's share does not open any more; whoever shows the link may know why, but not whose it was."""

    code = "share-unknown"
    default_text = "该分享链接无效。请检查链接是否完整，或请分享者重新发送。"


class WrongTry(Forbidden):
    """The passcode is wrong, or the share is for another number: the answer does not say which."""

    code = "share-refused"
    default_text = "提取码不正确，或该分享不是发给这个手机号的。请向分享者核对。连续输错 5 次后，该分享将停用。"


_WHY = {
    State.EXPIRED: ("share-expired", "该分享已过期。如仍需查看，请联系分享者重新分享。"),
    State.REVOKED: ("share-revoked", "分享者已撤销该分享。如仍需查看，请联系分享者重新分享。"),
    State.USED_UP: ("share-used-up", "该分享的打开次数已用完。如仍需查看，请联系分享者重新分享。"),
    State.LOCKED: ("share-locked", "提取码输错次数过多，该分享已停用。如仍需查看，请联系分享者重新分享。"),
}


def ended(state: State) -> ShareEnded:
    """Why a share that is not active does not open."""
    code, text = _WHY[state]
    return ShareEnded(text, code=code)


def state_of(share: Share, now: datetime) -> State:
    """The state at this moment. What ends a share for whoever is inside as well comes before what only closes its door."""
    if share.revoked:
        return State.REVOKED
    if now >= share.expires:
        return State.EXPIRED
    if share.wrong >= WRONG_TRIES:
        return State.LOCKED
    return State.USED_UP if share.opened >= share.limit else State.ACTIVE


class Outcome(Enum):
    """What one try came to."""

    OPENED = auto()
    WRONG = auto()
    ENDED = auto()


def attempt(share: Share, now: datetime, phone: str, passcode: str) -> tuple[Outcome, Share]:
    """What a try does by the holder of a phone number (its blind index) with a passcode (its keyed hash).

    Returns the share as it must be kept for the outcome to count. A number that the share is not for is a wrong try like a wrong
    passcode, so that nobody learns whom it is for.
    """
    if state_of(share, now) is not State.ACTIVE:
        return Outcome.ENDED, share
    right = not share.passcode or hmac.compare_digest(share.passcode, passcode)
    meant = not share.only_phone or hmac.compare_digest(share.only_phone, phone)
    if right and meant:
        return Outcome.OPENED, _next(share, opened=share.opened + 1)
    return Outcome.WRONG, _next(share, wrong=share.wrong + 1)


def revoked(share: Share) -> Share:
    """The share, taken back."""
    return _next(share, revoked=True)


def with_passcode(share: Share, passcode: str) -> Share:
    """The share with another passcode (its keyed hash); tries count anew."""
    return _next(share, passcode=passcode, wrong=0)


def _next(share: Share, **changed: object) -> Share:
    return replace(share, version=share.version + 1, **changed)  # type: ignore[arg-type]


def lives_until(share: Share, now: datetime) -> datetime:
    """When a guest's session that begins now ends."""
    return min(share.expires, now + GUEST_SESSION)
