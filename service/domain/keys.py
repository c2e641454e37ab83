"""Tenants and their API keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from service.errors import ScopeMissing


class KeyScope(StrEnum):
    """What a key is good for. Each scope includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whose everything is."""

    id: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of a tenant. Only the SHA-256 of its secret exists after creation."""

    id: str
    tenant_id: str
    name: str
    scopes: tuple[KeyScope, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    previous_until: datetime | None
    revoked_at: datetime | None

    def allows(self, scope: KeyScope) -> bool:
        """Whether the key has the scope, or one that includes it."""
        order = list(KeyScope)
        return any(order.index(own) >= order.index(scope) for own in self.scopes)

    def check(self, scope: KeyScope) -> None:
        """Raise ScopeMissing unless the key allows this."""
        if not self.allows(scope):
            raise ScopeMissing(scope)
