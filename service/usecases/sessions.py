"""Sessions of people: opened with an API key, and good for as long as that key is."""

from __future__ import annotations

from dataclasses import dataclass

from service.domain import ApiKey
from service.store import Store
from service.store.keys import prove


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A key, and what proves later that it was shown once; the key's text is not in it."""

    key: ApiKey
    proof: str


def open_session(store: Store, key_text: str) -> OpenedSession | None:
    """Begin a session with a key; None where the key is unknown, revoked or expired."""
    with store.begin() as tx:
        key = tx.keys.find(key_text)
        if key is None:
            return None
        tx.keys.note_use(key.id)
    return OpenedSession(key, prove(key_text))


def resume_session(store: Store, key_id: str, proof: str) -> ApiKey | None:
    """The session's key as it is now; None once it was revoked or rotated, or has expired."""
    with store.read() as tx:
        key = tx.keys.find_proven(key_id, proof)
        noted = key is None or tx.keys.use_is_noted(key)
    if key is not None and not noted:
        with store.begin() as tx:
            tx.keys.note_use(key.id)
    return key
