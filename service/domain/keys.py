"""API keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of a tenant. Only the SHA-256 of its secret exists after creation."""

    id: str
    tenant_id: str
    name: str
    secret_hash: str
    created_at: datetime
    revoked_at: datetime | None
