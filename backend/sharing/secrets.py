"""What opens a share: the code in its link and its passcode.

The code is 128 bits that only this installation's key can make again from the share's random id. So the link can be shown to its maker
again, as text and QR code, although only its hash is kept; whoever reads the database can neither make nor find a link.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from backend.platform.crypto import Keys


class ShareSecrets:
    """Makes codes and keyed hashes."""

    def __init__(self, keys: Keys) -> None:
        self._links, self._passcodes = keys.derive("share-links"), keys.derive("share-passcodes")

    def code(self, share_id: str) -> str:
        """The code in the link of a share: 22 letters."""
        digest = hmac.digest(self._links, share_id.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")

    def passcode(self, share_id: str, digits: str) -> str:
        """The keyed hash of a passcode."""
        return hmac.digest(self._passcodes, f"{share_id}|{digits}".encode(), hashlib.sha256).hex()


def link_hash(code: str) -> str:
    """What is kept of a link."""
    return hashlib.sha256(code.encode()).hexdigest()
