"""Digests that a client announces with a file (RFC 9530), compared with what arrived."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from service.errors import DigestMismatch, InvalidDigest

_ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512"}


class AnnouncedDigests:
    """Hashes a file while it arrives, by the algorithms that were announced."""

    def __init__(self, expected: Mapping[str, bytes]) -> None:
        self._expected = expected
        self._hashes = {name: hashlib.new(_ALGORITHMS[name]) for name in expected}

    @classmethod
    def parse(cls, header: str | None) -> AnnouncedDigests:
        """The digests of a Content-Digest header; algorithms not known here are skipped.

        Raises InvalidDigest.
        """
        expected: dict[str, bytes] = {}
        for member in filter(None, (part.strip() for part in (header or "").split(","))):
            name, _, value = member.partition("=")
            name = name.strip().lower()
            if name in _ALGORITHMS:
                expected[name] = _decode(name, value.strip())
        return cls(expected)

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        for state in self._hashes.values():
            state.update(data)

    def check(self) -> None:
        """Raise DigestMismatch unless all digests are those announced."""
        for name, state in self._hashes.items():
            if not hmac.compare_digest(state.digest(), self._expected[name]):
                raise DigestMismatch(name)


def _decode(name: str, value: str) -> bytes:
    try:
        if len(value) < 2 or value[0] != ":" or value[-1] != ":":
            raise InvalidDigest(f"The {name} digest is not base64 between colons.")
        digest = base64.b64decode(value[1:-1].encode("ascii"), validate=True)
    except (UnicodeError, binascii.Error) as failure:
        raise InvalidDigest(f"The {name} digest is not base64.") from failure
    if len(digest) != hashlib.new(_ALGORITHMS[name]).digest_size:
        raise InvalidDigest(f"The {name} digest has {len(digest)} bytes.")
    return digest
