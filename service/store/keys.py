"""API keys and the tenants they belong to."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, update

from service.domain import ApiKey, KeyScope, Tenant
from service.errors import NotFound
from service.identifiers import new_id
from service.store.scope import Scope
from service.store.tables import ApiKeyRow, TenantRow

_DEFAULT_TENANT = "default"
# Noting each use would make a write of every read; a minute is exact enough to find idle keys.
_USE_NOTED_SECONDS = 60.0
_NO_HASH = "0" * 64


class KeyRepository:
    """Creates, finds, changes keys. The text of a key is `ltf_<id without prefix>_<secret>`."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def ensure_tenant(self, name: str) -> str:
        """The id of the tenant with this name, created where missing."""
        session = self._scope.session
        found = self.find_tenant(name)
        if found is not None:
            return found
        tenant = TenantRow(id=new_id("ten"), name=name, created_at=self._scope.now())
        session.add(tenant)
        session.flush()
        return tenant.id

    def find_tenant(self, name: str) -> str | None:
        """The id of the tenant with this name."""
        return self._scope.session.scalar(select(TenantRow.id).where(TenantRow.name == name))

    def tenants(self, limit: int, after: str | None = None) -> Sequence[Tenant]:
        """All tenants, oldest first, starting above the id `after`."""
        query = select(TenantRow).where(TenantRow.id > (after or ""))
        rows = self._scope.session.scalars(query.order_by(TenantRow.id).limit(limit))
        return [Tenant(row.id, row.name, row.created_at) for row in rows]

    def ensure_default_tenant(self) -> str:
        """The tenant of the embedded form."""
        return self.ensure_tenant(_DEFAULT_TENANT)

    def tenant(self, tenant_id: str) -> Tenant:
        """The tenant with this id, which some key names."""
        row = self._scope.session.get_one(TenantRow, tenant_id)
        return Tenant(row.id, row.name, row.created_at)

    def add(
        self,
        tenant_id: str,
        name: str,
        scopes: Collection[KeyScope] = tuple(KeyScope),
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key and its text, which exists nowhere else afterwards."""
        secret = _new_secret()
        row = ApiKeyRow(
            id=new_id("key"),
            tenant_id=tenant_id,
            name=name,
            secret_hash=_hash(secret),
            scopes=_joined(scopes),
            created_at=self._scope.now(),
            expires_at=expires_at,
        )
        self._scope.session.add(row)
        self._scope.session.flush()
        shown = {"name": name, "scopes": row.scopes.split()}
        self._scope.audit(tenant_id, row.id, "api_key.created", shown)
        return _record(row), _text(row.id, secret)

    def find(self, key_text: str) -> ApiKey | None:
        """The key with this text, unless it is wrong, revoked or expired."""
        prefix, _, rest = key_text.partition("_")
        part, _, secret = rest.partition("_")
        if prefix != "ltf" or not secret:
            return None
        return self._usable(f"key_{part}", _hash(secret), lambda kept: kept)

    def find_proven(self, key_id: str, proof: str) -> ApiKey | None:
        """The key that `prove` was once given, unless it was revoked, rotated or has expired."""
        return self._usable(key_id, proof, _hash)

    def note_use(self, key_id: str) -> None:
        """Remember that the key was used now, to the minute."""
        stale = self._scope.after(-_USE_NOTED_SECONDS)
        self._scope.change(
            update(ApiKeyRow)
            .where(
                ApiKeyRow.id == key_id,
                or_(ApiKeyRow.last_used_at.is_(None), ApiKeyRow.last_used_at < stale),
            )
            .values(last_used_at=self._scope.now())
        )

    def use_is_noted(self, key: ApiKey) -> bool:
        """Whether `note_use` would change nothing."""
        stale = self._scope.after(-_USE_NOTED_SECONDS)
        return key.last_used_at is not None and key.last_used_at >= stale

    def get(self, tenant_id: str, key_id: str) -> ApiKey:
        """One key of the tenant, also a revoked one; raises NotFound."""
        return _record(self._own(tenant_id, key_id))

    def list(self, tenant_id: str, limit: int, after: str | None = None) -> list[ApiKey]:
        """Keys of the tenant, newest first, starting below the id `after`."""
        query = select(ApiKeyRow).where(ApiKeyRow.tenant_id == tenant_id)
        if after is not None:
            query = query.where(ApiKeyRow.id < after)
        query = query.order_by(ApiKeyRow.id.desc()).limit(limit)
        return [_record(row) for row in self._scope.session.scalars(query)]

    def change(self, tenant_id: str, key_id: str, changes: dict[str, Any]) -> ApiKey:
        """Set `name`, `scopes` or `expires_at`; raises NotFound."""
        row = self._own(tenant_id, key_id)
        for name, value in changes.items():
            setattr(row, name, _joined(value) if name == "scopes" else value)
        self._scope.session.flush()
        self._scope.audit(tenant_id, key_id, "api_key.changed", {"fields": sorted(changes)})
        return _record(row)

    def rotate(self, tenant_id: str, key_id: str, grace_seconds: float) -> tuple[ApiKey, str]:
        """A new secret for the key; the one before opens the door for some seconds more."""
        row = self._own(tenant_id, key_id)
        secret = _new_secret()
        row.previous_hash, row.previous_until = row.secret_hash, self._scope.after(grace_seconds)
        row.secret_hash = _hash(secret)
        self._scope.session.flush()
        self._scope.audit(tenant_id, key_id, "api_key.rotated", {"grace_seconds": grace_seconds})
        return _record(row), _text(row.id, secret)

    def revoke(self, tenant_id: str, key_id: str) -> ApiKey:
        """Make the key useless for good; safe to repeat. Raises NotFound."""
        row = self._own(tenant_id, key_id)
        if row.revoked_at is None:
            row.revoked_at = self._scope.now()
            self._scope.audit(tenant_id, key_id, "api_key.revoked", {"name": row.name})
            self._scope.session.flush()
        return _record(row)

    def any(self) -> bool:
        """Whether any key was ever made here."""
        return self._scope.session.scalar(select(ApiKeyRow.id).limit(1)) is not None

    def _own(self, tenant_id: str, key_id: str) -> ApiKeyRow:
        row = self._scope.session.get(ApiKeyRow, key_id)
        if row is None or row.tenant_id != tenant_id:
            raise NotFound("API key", key_id)
        return row

    def _usable(self, key_id: str, shown: str, derive: Callable[[str], str]) -> ApiKey | None:
        """The key, if what is shown derives from the hash of a secret that opens the door now."""
        row = self._scope.session.get(ApiKeyRow, key_id)
        # An unknown id takes the comparisons too: time must not tell which ids exist.
        current = hmac.compare_digest(derive(row.secret_hash if row else _NO_HASH), shown)
        before = hmac.compare_digest(derive((row and row.previous_hash) or _NO_HASH), shown)
        if row is None or row.revoked_at is not None or self._past(row.expires_at):
            return None
        before = before and row.previous_until is not None and not self._past(row.previous_until)
        return _record(row) if current or before else None

    def _past(self, moment: datetime | None) -> bool:
        return moment is not None and moment <= self._scope.now()


def prove(key_text: str) -> str:
    """What shows later that somebody had this key, and from which nobody can make it."""
    return _hash(_hash(key_text.rpartition("_")[2]))


def _new_secret() -> str:
    # 160 random bits cannot be guessed, so a fast hash is the right one.
    return secrets.token_hex(20)


def _text(key_id: str, secret: str) -> str:
    return f"ltf_{key_id.removeprefix('key_')}_{secret}"


def _joined(scopes: Collection[KeyScope]) -> str:
    return " ".join(scope for scope in KeyScope if scope in scopes)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _record(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        scopes=tuple(KeyScope(scope) for scope in row.scopes.split()),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        previous_until=row.previous_until,
        revoked_at=row.revoked_at,
    )
