"""API keys and the account on the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from ltengine.truth import refuse_truth
from service.api.schemas.moments import AS_WRITTEN
from service.api.schemas.text import plain_text
from service.api.schemas.wire import Wire
from service.domain import ApiKey, AuditEntry, KeyScope, Tenant

LARGEST_GRACE_SECONDS = 30 * 24 * 3600
DEFAULT_GRACE_SECONDS = 24 * 3600
# What every database can store, and more than any key should last.
_LAST_YEAR = 9000


def _sane_time(moment: datetime) -> datetime:
    if not datetime.min.year < moment.year < _LAST_YEAR:
        raise ValueError(f"give a time before the year {_LAST_YEAR}")
    return moment.astimezone(UTC)


_Moment = Annotated[AwareDatetime, AS_WRITTEN, AfterValidator(_sane_time)]
_KeyName = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(plain_text)
]
_Scopes = Annotated[list[KeyScope], Field(min_length=1, max_length=len(KeyScope))]
_SCOPES = "read: GET; write: changes too; admin: keys, webhooks and the audit log too"


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ApiKeyRequest(_Asked):
    """What a new key shall be."""

    name: _KeyName = Field(description="what the key is for")
    scopes: _Scopes = Field(default=[KeyScope.READ, KeyScope.WRITE], description=_SCOPES)
    expires_at: _Moment | None = Field(default=None, description="null: never")


class ApiKeyChange(_Asked):
    """What shall change about a key; what is left out stays."""

    name: _KeyName | None = Field(default=None, description="null: stays")
    scopes: _Scopes | None = Field(default=None, description=f"null: stay. {_SCOPES}")
    expires_at: _Moment | None = Field(default=None, description="null: never")


class ApiKeyRotation(_Asked):
    """How a key is rotated."""

    grace_seconds: Annotated[int, BeforeValidator(refuse_truth)] = Field(
        default=DEFAULT_GRACE_SECONDS,
        ge=0,
        le=LARGEST_GRACE_SECONDS,
        description="how long the secret before stays valid beside the new one",
    )


class ApiKeyResource(Wire):
    """A key, without its secret."""

    id: str
    name: str
    scopes: list[KeyScope] = Field(description=_SCOPES)
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="to the minute")
    previous_secret_until: datetime | None = Field(
        description="until when the secret before the last rotation is valid"
    )
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> ApiKeyResource:
        """The wire form of a key."""
        return cls(**_fields(key))


class NewApiKeyResource(ApiKeyResource):
    """A key with its text: shown once, kept nowhere."""

    secret: str = Field(description="the key itself: send it as Authorization: Bearer ltf_...")

    @classmethod
    def revealing(cls, key: ApiKey, text: str) -> NewApiKeyResource:
        """The wire form of a key that was made or rotated just now."""
        return cls(**_fields(key), secret=text)


class TenantResource(Wire):
    """Whose key it is."""

    id: str
    name: str
    created_at: datetime

    @classmethod
    def of(cls, tenant: Tenant) -> TenantResource:
        """The wire form of a tenant."""
        return cls(id=tenant.id, name=tenant.name, created_at=tenant.created_at)


class AccountResource(Wire):
    """Who is asking."""

    tenant: TenantResource
    key: ApiKeyResource


class AuditEntryResource(Wire):
    """One change: who did what to which resource."""

    id: str
    key_id: str | None = Field(description="null: an operator, on the command line")
    request_id: str | None
    action: str = Field(description="for example job.queued, api_key.created")
    subject_id: str = Field(description="the resource that was changed")
    data: dict[str, Any]
    created_at: datetime

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditEntryResource:
        """The wire form of an entry."""
        return cls(
            id=entry.id,
            key_id=entry.key_id,
            request_id=entry.request_id,
            action=entry.action,
            subject_id=entry.subject_id,
            data=entry.data,
            created_at=entry.created_at,
        )


def _fields(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "previous_secret_until": key.previous_until,
        "revoked_at": key.revoked_at,
    }
