"""Digests that a client announces, compared with what arrived.

Of a whole file by Content-Digest (RFC 9530), of a piece of one by Upload-Checksum (tus).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from service.errors import ChecksumMismatch, DigestMismatch, InvalidDigest

_ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512"}
CHECKSUM_ALGORITHMS = ("sha1", "sha256", "sha512")
"""The protocol demands SHA-1; against damage, not against forgery, it is good enough."""


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


class AnnouncedChecksum:
    """Hashes a piece of a file while it arrives, by the algorithm that was announced."""

    def __init__(self, algorithm: str, expected: bytes) -> None:
        self._algorithm = algorithm
        self._expected = expected
        self._hash = hashlib.new(algorithm, usedforsecurity=False)

    @classmethod
    def parse(cls, header: str) -> AnnouncedChecksum:
        """The checksum of an Upload-Checksum header; raises InvalidDigest."""
        algorithm, _, value = header.strip().partition(" ")
        if algorithm not in CHECKSUM_ALGORITHMS:
            known = ", ".join(CHECKSUM_ALGORITHMS)
            raise InvalidDigest(f"Upload-Checksum names none of the algorithms {known}.")
        return cls(algorithm, _read_base64(algorithm, algorithm, value.strip()))

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        self._hash.update(data)

    def check(self) -> None:
        """Raise ChecksumMismatch unless the bytes are those announced."""
        if not hmac.compare_digest(self._hash.digest(), self._expected):
            raise ChecksumMismatch(self._algorithm)


def _decode(name: str, value: str) -> bytes:
    if len(value) < 2 or value[0] != ":" or value[-1] != ":":
        raise InvalidDigest(f"The {name} digest is not base64 between colons.")
    return _read_base64(name, _ALGORITHMS[name], value[1:-1])


def _read_base64(name: str, algorithm: str, value: str) -> bytes:
    try:
        digest = base64.b64decode(value.encode("ascii"), validate=True)
    except (UnicodeError, binascii.Error) as failure:
        raise InvalidDigest(f"The {name} digest is not base64.") from failure
    if len(digest) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise InvalidDigest(f"The {name} digest has {len(digest)} bytes.")
    return digest
