"""The session cookie: who signed in, until when, signed so that nobody can write one.

The key's text is not in it, only a proof that it was shown (see `service.usecases.sessions`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import asdict, dataclass

LIFETIME_SECONDS = 12 * 3600
_TAG_BYTES = 32


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who showed a key: its id, the proof, when the session ends, and a random nonce."""

    key_id: str
    proof: str
    ends: int
    nonce: str

    @classmethod
    def begin(cls, key_id: str, proof: str) -> Session:
        """A session from now on."""
        ends = int(time.time()) + LIFETIME_SECONDS
        return cls(key_id, proof, ends, secrets.token_urlsafe(16))


class SessionSigner:
    """Writes and reads cookies, and makes the token that each form of a session carries."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hmac.digest(secret, b"dashboard sessions", hashlib.sha256)

    def write(self, session: Session) -> str:
        """The cookie's value."""
        body = json.dumps(asdict(session)).encode()
        return base64.urlsafe_b64encode(self._tag(b"cookie", body) + body).decode()

    def read(self, cookie: str) -> Session | None:
        """The session; None if the cookie was not written here, or its time is over."""
        try:
            data = base64.b64decode(cookie.encode("ascii"), altchars=b"-_", validate=True)
        except (UnicodeError, binascii.Error):
            return None
        tag, body = data[:_TAG_BYTES], data[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(b"cookie", body)):
            return None
        session = Session(**json.loads(body))
        return session if session.ends > time.time() else None

    def form_token(self, session: Session) -> str:
        """What a form must send along, to show that one of this session's pages made it."""
        return self._tag(b"form", session.nonce.encode()).hex()

    def is_form_token(self, session: Session, shown: str) -> bool:
        """Whether a form came from one of this session's pages."""
        return hmac.compare_digest(self.form_token(session).encode(), shown.encode())

    def _tag(self, purpose: bytes, data: bytes) -> bytes:
        return hmac.digest(self._secret, purpose + b"\n" + data, hashlib.sha256)
