"""Fixtures for the client's tests: a contract server on a socket, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from contract_server import API_KEY, ContractServer, running_contract_server

from ltforge import Client, RetryPolicy

QUICK = RetryPolicy(attempts=3, first_pause=0.01)


@pytest.fixture
def server() -> Iterator[ContractServer]:
    with running_contract_server() as running:
        yield running


@pytest.fixture
def client(server: ContractServer) -> Iterator[Client]:
    with Client(server.url, API_KEY, timeout=5, retries=QUICK) as connected:
        yield connected
