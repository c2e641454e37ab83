"""Bytes to be downloaded: whole or from a place on, out of a file or out of the database."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Protocol

from service.store import Store

_FILE_CHUNK = 1 << 20
_BUFFERED_BYTES = 4 << 20
_MOST_PIECES = 8


class Content(Protocol):
    """Bytes that never change."""

    @property
    def sha256(self) -> str:
        """Of all bytes, in hex."""
        ...

    @property
    def size(self) -> int:
        """Number of bytes."""
        ...

    def read(self, begin: int, end: int) -> Iterator[bytes]:
        """Bytes begin ... end - 1, in pieces, as fast as they are taken."""
        ...


@dataclass(frozen=True, slots=True)
class FileContent:
    """A blob."""

    path: Path
    sha256: str
    size: int

    def read(self, begin: int, end: int) -> Iterator[bytes]:
        """Bytes begin ... end - 1."""
        with self.path.open("rb", buffering=0) as file:
            file.seek(begin)
            while begin < end and (data := file.read(min(_FILE_CHUNK, end - begin))):
                begin += len(data)
                yield data


@dataclass(frozen=True, slots=True)
class TicketContent:
    """A ticket file, which lies in the database in chunks of these lengths."""

    store: Store
    ticket_id: str
    sha256: str
    lengths: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of bytes."""
        return sum(self.lengths)

    def read(self, begin: int, end: int) -> Iterator[bytes]:
        """Bytes begin ... end - 1.

        A transaction per chunk: a slow client must not hold a connection, or SQLite's log, open.
        """
        starts = list(accumulate(self.lengths, initial=0))
        index = bisect_right(starts, begin) - 1
        while begin < end:
            with self.store.read() as tx:
                data = tx.tickets.read_chunk(self.ticket_id, index)
            first, last = begin - starts[index], min(end, starts[index + 1]) - starts[index]
            yield data if (first, last) == (0, len(data)) else data[first:last]
            index += 1
            begin = starts[index]


@dataclass(frozen=True, slots=True)
class BufferedContent:
    """Another content, of which the pieces read last stay in memory: for many small reads."""

    content: Content
    _pieces: dict[int, bytes] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Of all bytes, in hex."""
        return self.content.sha256

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.content.size

    def read(self, begin: int, end: int) -> Iterator[bytes]:
        """Bytes begin ... end - 1."""
        while begin < min(end, self.size):
            number, first = divmod(begin, _BUFFERED_BYTES)
            last = min(end - number * _BUFFERED_BYTES, _BUFFERED_BYTES)
            yield self._piece(number)[first:last]
            begin = number * _BUFFERED_BYTES + last

    def _piece(self, number: int) -> bytes:
        if number not in self._pieces:
            if len(self._pieces) >= _MOST_PIECES:
                del self._pieces[next(iter(self._pieces))]
            start = number * _BUFFERED_BYTES
            end = min(start + _BUFFERED_BYTES, self.size)
            self._pieces[number] = b"".join(self.content.read(start, end))
        return self._pieces[number]
