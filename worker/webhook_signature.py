"""How messages are signed: Standard Webhooks 1.0.0, symmetric."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence


def signed_headers(
    message_id: str, timestamp: int, body: bytes, secrets: Sequence[str]
) -> dict[str, str]:
    """The headers that prove a message: one signature for each secret that is valid now.

    Args:
        message_id: without a full stop, which separates the signed parts.
        timestamp: seconds since 1970, of this attempt.
        body: the exact bytes that are sent.
        secrets: `whsec_` and base64.
    """
    content = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(content, secret) for secret in secrets),
    }


def _signature(content: bytes, secret: str) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return f"v1,{base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()}"
