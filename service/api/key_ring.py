"""Valid keys, remembered for a moment: a busy client must not cost a query per request."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from service.domain import ApiKey
from service.store import Store

_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Memory:
    key: ApiKey
    until: float


class KeyRing:
    """Finds keys by their text; keeps no text, only its SHA-256."""

    def __init__(self, store: Store, seconds: float) -> None:
        self._store = store
        self._seconds = seconds
        self._known: dict[bytes, _Memory] = {}

    def recall(self, text: str) -> ApiKey | None:
        """The key, if it was looked up a moment ago; asks nobody."""
        memory = self._known.get(_digest(text))
        return memory.key if memory is not None and time.monotonic() < memory.until else None

    def look_up(self, text: str) -> ApiKey | None:
        """The key as the database has it; notes that it was used."""
        with self._store.read() as tx:
            key = tx.keys.find(text)
            noted = key is None or tx.keys.use_is_noted(key)
        if key is None:
            return None
        if not noted:
            with self._store.begin() as tx:
                tx.keys.note_use(key.id)
        if len(self._known) >= _MOST_REMEMBERED:
            self.forget()
        self._known[_digest(text)] = _Memory(key, time.monotonic() + self._seconds)
        return key

    def forget(self) -> None:
        """Look every key up again: one was changed."""
        self._known.clear()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
