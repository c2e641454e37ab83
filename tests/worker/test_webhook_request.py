"""Where webhooks may go, and how little they wait and read: cases W1 to W3."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from typing import Any

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.webhook_urls import is_public, why_not
from tests.worker.webhook_receiver import receiver, status
from worker.webhook_request import Address, WebhookRequester

PUBLIC = "93.184.215.14"
PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "::1",
    "169.254.169.254",
    "10.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "100.64.0.1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fec0::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "198.18.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
]


class RecordingNetwork(httpcore.MockBackend):
    """Answers 204 to whatever is sent, and remembers to whom and under which name."""

    def __init__(self) -> None:
        super().__init__([b"HTTP/1.1 204 No Content\r\n\r\n"])
        self.connected: list[tuple[str, int]] = []
        self.names: list[str | None] = []
        self.sent = b""

    def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> Any:
        self.connected.append((host, port))
        stream, network = super().connect_tcp(host, port, *args, **options), self

        class Recorded(httpcore.NetworkStream):
            def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
                return stream.read(max_bytes, timeout)

            def write(self, buffer: bytes, timeout: float | None = None) -> None:
                network.sent += buffer

            def close(self) -> None:
                stream.close()

            def start_tls(
                self, context: Any, server_hostname: Any = None, timeout: Any = None
            ) -> Any:
                network.names.append(server_hostname)
                return self

            def get_extra_info(self, info: str) -> Any:
                return None

        return Recorded()


def sends(url: str, *answers: str) -> tuple[Any, RecordingNetwork]:
    """What comes of a webhook to a name that resolves to these addresses."""
    network = RecordingNetwork()
    found: list[Address] = [ip_address(answer) for answer in answers]
    requester = WebhookRequester(5.0, resolve=lambda host, port: found, network=network)
    return requester.post(url, {"webhook-id": "whd_1"}, b"{}"), network


@pytest.mark.parametrize("address", PRIVATE)
def test_w1_no_name_that_resolves_to_an_address_of_ours_is_reached(address: str) -> None:
    for answers in ((address,), (PUBLIC, address), (address, PUBLIC)):
        attempt, network = sends("https://hooks.example.com/", *answers)
        assert (attempt.code, attempt.error) == (None, "FORBIDDEN_ADDRESS")
        assert network.connected == []


@pytest.mark.parametrize(
    "host",
    [
        *(f"[{address}]" if ":" in address else address for address in PRIVATE),
        "0x7f000001",
        "0x7f.1",
        "2130706433",
        "127.1",
        "017700000001",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "a.localhost",
        "postgres.internal",
        "printer.local",
    ],
)
def test_w1_no_spelling_of_such_an_address_is_accepted(host: str) -> None:
    url = f"https://{host}/hook"

    assert why_not(url, development=False) is not None
    attempt, network = sends(url, PUBLIC)
    assert attempt.error == "FORBIDDEN_ADDRESS"
    assert network.connected == []


@given(st.ip_addresses())
def test_w1_public_is_never_more_than_globally_reachable_unicast(address: Address) -> None:
    if is_public(address):
        assert address.is_global
        assert not any((address.is_private, address.is_multicast, address.is_loopback))


def test_the_connection_goes_to_the_checked_address_under_the_name() -> None:
    attempt, network = sends("https://hooks.example.com/a?b=c", PUBLIC)

    assert attempt.code == 204
    assert network.connected == [(PUBLIC, 443)]
    assert network.names == ["hooks.example.com"]
    assert b"POST /a?b=c HTTP/1.1\r\n" in network.sent
    assert b"Host: hooks.example.com\r\n" in network.sent


def test_w2_what_the_name_resolves_to_is_checked_at_sending_and_asked_once() -> None:
    answers = [[ip_address(PUBLIC)], [ip_address("169.254.169.254")]]
    network = RecordingNetwork()
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[Address]:
        asked.append(host)
        return answers[min(len(asked), 2) - 1]

    requester = WebhookRequester(5.0, resolve=rebinding, network=network)
    first = requester.post("https://rebind.example.com/", {}, b"{}")

    assert (first.code, network.connected, len(asked)) == (204, [(PUBLIC, 443)], 1)
    second = requester.post("https://rebind.example.com/", {}, b"{}")
    assert second.error == "FORBIDDEN_ADDRESS"
    assert len(network.connected) == 1


def test_w3_a_redirect_is_an_answer_and_not_followed() -> None:
    with receiver() as secret, receiver(status(302, Location=secret.url)) as here:
        attempt = WebhookRequester(5.0, development=True).post(here.url, {}, b"{}")

        assert attempt.code == 302
        assert not attempt.succeeded
        assert secret.received == []


def test_w3_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as proxy, receiver() as here:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert WebhookRequester(5.0, development=True).post(here.url, {}, b"{}").code == 204

        assert len(here.received) == 1
        assert proxy.received == []


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "https://hooks.example.com:22/",
        "https://hooks.example.com:80/",
        "https://user@hooks.example.com/",
        "https://user:word@hooks.example.com/",
        "https://hooks.example.com@10.0.0.1/",
        "https://hooks.example.com\\@10.0.0.1/",
        "https://hooks.example.com/#part",
        "https:///nowhere",
        "https://",
        "ftp://hooks.example.com/",
        "file:///etc/passwd",
        "gopher://hooks.example.com/",
        "//hooks.example.com/",
        "https://hooks.example.com:99999/",
        "https://höoks.example.com/",
        "https://hooks.example.com/\r\nX: y",
        "https://hooks.example.com/" + "a" * 2048,
        "https://[::1",
        "",
    ],
)
def test_w3_other_schemes_ports_and_credentials_are_refused(url: str) -> None:
    assert why_not(url, development=False) is not None
    attempt, network = sends(url, PUBLIC)
    assert attempt.error == "FORBIDDEN_ADDRESS"
    assert network.connected == []


def test_w3_an_endless_body_is_cut_off() -> None:
    hung_up = threading.Event()

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        except OSError:
            hung_up.set()

    with receiver(endless) as here:
        attempt = WebhookRequester(30.0, development=True).post(here.url, {}, b"{}")
        assert hung_up.wait(30)

    assert attempt.code == 200


@pytest.mark.parametrize("where", ["head", "body"])
def test_w3_a_dripping_answer_ends_at_the_deadline(where: str) -> None:
    hung_up = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        try:
            if where == "body":
                handler.send_response(200)
                handler.end_headers()
            else:
                handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not hung_up.wait(0.01):
                handler.wfile.write(b"x")
        except OSError:
            hung_up.set()

    with receiver(drip) as here:
        attempt = WebhookRequester(0.3, development=True).post(here.url, {}, b"{}")
        assert hung_up.wait(30)

    expected = (200, None) if where == "body" else (None, "TIMED_OUT")
    assert (attempt.code, attempt.error) == expected


def test_failures_have_names() -> None:
    with receiver() as here:
        closed = here.url
    requester = WebhookRequester(5.0, development=True)
    assert requester.post(closed, {}, b"{}").error == "CONNECTION_FAILED"
    assert requester.post("http://no-such-name.invalid/", {}, b"{}").error == "NAME_NOT_RESOLVED"

    def nonsense(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"good day\r\n\r\n")
        handler.close_connection = True

    with receiver(nonsense) as here:
        assert requester.post(here.url, {}, b"{}").error == "BAD_ANSWER"
