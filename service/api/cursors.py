"""Cursors: where the next page begins, opaque to clients and valid only where they came from."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from service.api.refusals import InvalidCursor
from service.identifiers import is_id

_SECRET_BYTES = 32
_TAG_BYTES = 16


class Cursors:
    """Makes and checks cursors.

    A cursor is the last id of a page with an HMAC over that id and over the list it belongs to
    (tenant and filters), so one cannot be made up, or taken to another list.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def encode(self, scope: str, after: str) -> str:
        """The cursor for the items that follow `after` in the list named by `scope`."""
        return base64.urlsafe_b64encode(self._tag(scope, after) + after.encode()).decode()

    def decode(self, scope: str, cursor: str) -> str:
        """The id that the cursor holds; raises InvalidCursor."""
        try:
            data = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
            tag, after = data[:_TAG_BYTES], data[_TAG_BYTES:].decode("ascii")
        except (UnicodeError, binascii.Error) as failure:
            raise InvalidCursor from failure
        if not is_id(after) or not hmac.compare_digest(tag, self._tag(scope, after)):
            raise InvalidCursor
        return after

    def _tag(self, scope: str, after: str) -> bytes:
        message = f"{scope}\n{after}".encode()
        return hmac.new(self._secret, message, hashlib.sha256).digest()[:_TAG_BYTES]


def read_cursor_secret(data: Path) -> bytes:
    """The secret of this data folder, shared by all API processes; made on first use."""
    path = data / "cursor.key"
    if not path.exists():
        _create_secret(path)
    return path.read_bytes()


def _create_secret(path: Path) -> None:
    """Write the file completely before it gets its name; the first of several writers wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(_SECRET_BYTES))
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass  # another process was first, and its secret is as good
    finally:
        draft.unlink()
