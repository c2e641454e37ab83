"""One request to an address that a user chose: to the public internet, briefly, and nowhere else.

The name is resolved once; if any answer is not a public address nothing is sent, else we connect
to exactly one of the checked addresses while Host and SNI keep the name. So it does not matter
what the name resolves to a moment later. Redirects are not followed and no proxy is used.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address

import httpcore
import httpx

from service.domain import Attempt
from service.domain.webhook_urls import is_public, why_not

_MOST_READ = 64 * 1024
_LONGEST_WAIT = 24 * 3600.0

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Sequence[Address]]


class ForbiddenAddress(Exception):  # noqa: N818 - reads as the outcome it is
    """The name resolves to an address that is not public."""


def resolve(host: str, port: int) -> list[Address]:
    """Every address of a name; raises OSError or UnicodeError where there is none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


@dataclass(frozen=True, slots=True)
class WebhookRequester:
    """Sends single requests. `development` allows http, any port and any address."""

    seconds: float
    development: bool = False
    resolve: Resolve = resolve
    network: httpcore.NetworkBackend | None = None

    def post(self, url: str, headers: dict[str, str], body: bytes) -> Attempt:
        """Send once; whatever happens is an Attempt. The answer's body is read, not kept."""
        began = time.monotonic()
        code = retry_after = error = None
        if why_not(url, development=self.development) is not None:
            error = "FORBIDDEN_ADDRESS"
        else:
            try:
                code, retry_after = self._exchange(url, headers, body, began + self.seconds)
            except (ForbiddenAddress, OSError, UnicodeError, *_TRANSPORT_FAILURES) as failure:
                error = _error_code(failure)
        return Attempt(code, time.monotonic() - began, error, retry_after)

    def _exchange(
        self, url: str, headers: dict[str, str], body: bytes, deadline: float
    ) -> tuple[int, float | None]:
        network = _CheckedNetwork(self, deadline)
        with (
            httpcore.ConnectionPool(ssl_context=_tls(), network_backend=network) as pool,
            pool.stream("POST", url, headers=list(headers.items()), content=body) as answer,
        ):
            known = {name.lower(): value for name, value in answer.headers}
            _read_politely(answer.iter_stream())
            return answer.status, _wait_asked_for(known.get(b"retry-after", b""))


class _CheckedNetwork(httpcore.NetworkBackend):
    """Resolves once, checks every answer, and connects to what was checked."""

    def __init__(self, requester: WebhookRequester, deadline: float) -> None:
        self._requester = requester
        self._deadline = deadline
        self._network = requester.network or httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline decides
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = self._requester.resolve(host, port)
        if not self._requester.development:
            for address in addresses:
                if not is_public(address):
                    raise ForbiddenAddress
        if not addresses:
            raise httpcore.ConnectError
        stream = self._network.connect_tcp(
            str(addresses[0]), port, _remaining(self._deadline), local_address, socket_options
        )
        return _HurriedStream(stream, self._deadline)


class _HurriedStream(httpcore.NetworkStream):
    """A stream on which everything together ends at a deadline: a drip does not renew it."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, _remaining(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, _remaining(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        remaining = _remaining(self._deadline)
        secured = self._stream.start_tls(ssl_context, server_hostname, remaining)
        return _HurriedStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


_TRANSPORT_FAILURES = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
)


def _remaining(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout
    return left


def _read_politely(pieces: Iterable[bytes]) -> None:
    """Take a little of the answer's body, so that ordinary receivers are not cut off."""
    taken = 0
    try:
        for piece in pieces:
            taken += len(piece)
            if taken > _MOST_READ:
                return
    except _TRANSPORT_FAILURES:
        return  # the status is known, and it alone counts


def _wait_asked_for(text: bytes) -> float | None:
    return min(float(text), _LONGEST_WAIT) if text.isdigit() and len(text) < 10 else None


def _error_code(failure: Exception) -> str:
    match failure:
        case ForbiddenAddress():
            return "FORBIDDEN_ADDRESS"
        case socket.gaierror() | UnicodeError():
            return "NAME_NOT_RESOLVED"
        case httpcore.TimeoutException():
            return "TIMED_OUT"
        case httpcore.ProtocolError():
            return "BAD_ANSWER"
        case _:
            return "CONNECTION_FAILED"


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
