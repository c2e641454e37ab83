"""API keys and the tenants they belong to."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from sqlalchemy import select

from service.domain import ApiKey
from service.identifiers import new_id
from service.store.scope import Scope
from service.store.tables import ApiKeyRow, TenantRow

_DEFAULT_TENANT = "default"


class KeyRepository:
    """Creates and finds keys. The text of a key is `ltf_<id without prefix>_<secret>`."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def ensure_tenant(self, name: str) -> str:
        """The id of the tenant with this name, created where missing."""
        session = self._scope.session
        found = session.scalar(select(TenantRow.id).where(TenantRow.name == name))
        if found is not None:
            return found
        tenant = TenantRow(id=new_id("ten"), name=name, created_at=self._scope.now())
        session.add(tenant)
        session.flush()
        return tenant.id

    def ensure_default_tenant(self) -> str:
        """The tenant of the embedded form."""
        return self.ensure_tenant(_DEFAULT_TENANT)

    def add(self, tenant_id: str, name: str) -> tuple[ApiKey, str]:
        """A new key and its text, which exists nowhere else afterwards."""
        secret = secrets.token_hex(20)
        row = ApiKeyRow(
            id=new_id("key"),
            tenant_id=tenant_id,
            name=name,
            # 160 random bits cannot be guessed, so a fast hash is the right one.
            secret_hash=_hash(secret),
            created_at=self._scope.now(),
        )
        self._scope.session.add(row)
        self._scope.session.flush()
        return _record(row), f"ltf_{row.id.removeprefix('key_')}_{secret}"

    def find(self, key_text: str) -> ApiKey | None:
        """The key with this text, unless it is wrong or revoked."""
        prefix, _, rest = key_text.partition("_")
        part, _, secret = rest.partition("_")
        if prefix != "ltf" or not secret:
            return None
        row = self._scope.session.get(ApiKeyRow, f"key_{part}")
        if row is None or row.revoked_at is not None:
            return None
        return _record(row) if hmac.compare_digest(row.secret_hash, _hash(secret)) else None

    def any(self) -> bool:
        """Whether any key was ever made here."""
        return self._scope.session.scalar(select(ApiKeyRow.id).limit(1)) is not None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _record(row: ApiKeyRow) -> ApiKey:
    return ApiKey(row.id, row.tenant_id, row.name, row.secret_hash, row.created_at, row.revoked_at)
