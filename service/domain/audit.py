"""Who did what, when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change; `key_id` is None where an operator made it on the command line."""

    id: str
    tenant_id: str
    key_id: str | None
    request_id: str | None
    action: str
    subject_id: str
    data: dict[str, Any]
    created_at: datetime
