"""RabbitMQ for tests: a virtual host of their own on a real broker."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kombu.connection import Connection

DEFAULT_RABBITMQ_URL = "amqp://guest:guest@127.0.0.1:5672//"


@contextmanager
def temporary_vhost() -> Iterator[str]:
    """The URL of a new virtual host, removed afterwards; skips where no broker can be had."""
    server = _server()
    name = f"ltforge_test_{secrets.token_hex(6)}"
    # One call of the control program for two commands, as each takes seconds to start.
    control(
        f'rabbit_vhost:add(<<"{name}">>, <<"tests">>), '
        "rabbit_auth_backend_internal:set_permissions("
        f'<<"guest">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"tests">>).'
    )
    try:
        yield f"{server.rstrip('/')}/{name}"
    finally:
        control(f'rabbit_vhost:delete(<<"{name}">>, <<"tests">>).')


def close_connections(url: str) -> None:
    """Have the broker close every connection to a virtual host, as its restart would."""
    name = url.rpartition("/")[2]
    control(
        '[rabbit_networking:close_connection(Pid, "closed by a test") || '
        "#{pid := Pid, vhost := Name} <- "
        "[maps:from_list(L) || L <- rabbit_networking:connection_info_all([pid, vhost])], "
        f'Name =:= <<"{name}">>].'
    )


def control(expression: str) -> str:
    """Have the broker evaluate an Erlang expression."""
    return subprocess.run(
        ["rabbitmqctl", "--quiet", "eval", expression],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def _server() -> str:
    url = os.environ.get("LTFORGE_TEST_RABBITMQ_URL", DEFAULT_RABBITMQ_URL)
    try:
        with Connection(url, connect_timeout=3) as connection:
            connection.connect()
    except OSError as failure:
        pytest.skip(f"no RabbitMQ at {url} ({failure}): run through tests/run_services.sh")
    return url
