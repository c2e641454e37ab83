"""HTTP requests byte by byte: what no honest client would send."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tests.service.running_api import RunningApi


class Connection:
    """One connection to the API, with a tenant's key."""

    def __init__(self, address: tuple[str, int], key: str) -> None:
        self._key = key
        self._socket = socket.create_connection(address, timeout=20)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send_head(
        self,
        *headers: str,
        path: str = "/v1/checkpoints",
        key: str | None = None,
        method: str = "POST",
    ) -> None:
        lines = [
            f"{method} {path} HTTP/1.1",
            "Host: test",
            f"Authorization: Bearer {key or self._key}",
            *headers,
        ]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def send_until_refused(self, pieces: Iterable[bytes]) -> int:
        """Send until the other side closes; how many bytes it took."""
        sent = 0
        try:
            for piece in pieces:
                self._socket.sendall(piece)
                sent += len(piece)
        except (ConnectionResetError, BrokenPipeError):
            return sent
        return sent

    def receive(self) -> tuple[int, dict[str, Any]]:
        """The status and the document of the answer."""
        status, headers, rest = self.receive_head()
        while len(rest) < int(headers["content-length"]):
            piece = self._socket.recv(65536)
            assert piece, f"closed after {rest!r}"
            rest += piece
        return status, json.loads(rest)

    def receive_head(self) -> tuple[int, dict[str, str], bytes]:
        """The status, the headers, and what came of the body with them."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self._socket.recv(65536)
            assert piece, f"closed after {data!r}"
            data += piece
        head, _, rest = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        assert "x-request-id" in headers, headers
        return int(lines[0].split()[1]), headers, rest

    def closed(self) -> bool:
        """Wait for the other side to close."""
        try:
            while self._socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def finish_sending(self) -> None:
        """Half-close, unless the other side was quicker to close altogether."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._socket.close()


@contextmanager
def connect(api: RunningApi) -> Iterator[Connection]:
    connection = Connection(api.address, api.key)
    try:
        yield connection
    finally:
        connection.close()


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
