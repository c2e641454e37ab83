"""The account: who one is, what was used, what was changed, and its API keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from ltforge.account_records import Account, ApiKey, AuditEntry, NewApiKey, Usage
from ltforge.calls import Identified, address, create, delete, get, id_of, pages, patch, post
from ltforge.exchange import Flow, Stream
from ltforge.retrying import Repeat

KEYS = "/v1/api-keys"


def get_account() -> Flow[Account]:
    """The tenant and the key that this client speaks for."""
    return (yield from get(Account, "/v1/me"))


def get_usage(start: date | None = None, end: date | None = None) -> Flow[Usage]:
    """Limits, what is in use now, and the finished jobs of each day from ``start`` to ``end``."""
    days = {"start": start, "end": end}
    asked = {name: None if day is None else day.isoformat() for name, day in days.items()}
    return (yield from get(Usage, "/v1/usage", asked))


def list_audit_log(
    *,
    subject: Identified | str | None = None,
    key: Identified | str | None = None,
    page_size: int = 50,
) -> Stream[AuditEntry]:
    """Every change made with a key, newest first; needs an admin key."""
    filters = {
        "subject_id": None if subject is None else id_of(subject),
        "key_id": None if key is None else id_of(key),
    }
    yield from pages(AuditEntry, "/v1/audit-log", filters, page_size)


def create_api_key(
    name: str, scopes: Sequence[str] | None = None, expires_at: datetime | None = None
) -> Flow[NewApiKey]:
    """Make a key; its ``secret`` is shown this once. ``scopes``: read, write, admin."""
    asked: dict[str, object] = {"name": name}
    if scopes is not None:
        asked["scopes"] = list(scopes)
    if expires_at is not None:
        asked["expires_at"] = expires_at.isoformat()
    return (yield from create(NewApiKey, KEYS, asked, kept=False))


def list_api_keys(*, page_size: int = 50) -> Stream[ApiKey]:
    """The tenant's keys, newest first."""
    yield from pages(ApiKey, KEYS, {}, page_size)


def get_api_key(key: Identified | str) -> Flow[ApiKey]:
    """One key, without its secret."""
    return (yield from get(ApiKey, address(KEYS, key)))


def change_api_key(
    key: Identified | str,
    *,
    name: str | None = None,
    scopes: Sequence[str] | None = None,
    expires_at: datetime | None = None,
) -> Flow[ApiKey]:
    """Change a key's name, scopes or end; what is None stays as it is."""
    changes = {
        "name": name,
        "scopes": None if scopes is None else list(scopes),
        "expires_at": None if expires_at is None else expires_at.isoformat(),
    }
    asked = {field: value for field, value in changes.items() if value is not None}
    return (yield from patch(ApiKey, address(KEYS, key), asked))


def revoke_api_key(key: Identified | str) -> Flow[None]:
    """End a key for good."""
    yield from delete(address(KEYS, key))


def rotate_api_key(key: Identified | str, grace_seconds: int | None = None) -> Flow[NewApiKey]:
    """Give a key a new secret; the one before stays valid for the grace period."""
    asked = None if grace_seconds is None else {"grace_seconds": grace_seconds}
    # Not repeated once it was sent: it would make a second secret, and the first be lost.
    repeat = Repeat.ONLY_IF_NOTHING_HAPPENED
    return (yield from post(NewApiKey, address(KEYS, key, "rotate"), asked, repeat=repeat))
