"""Fixtures for the client's tests: a contract server on a socket, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from ltengine.pipeline import PipelineRequest, run_pipeline
from ltengine.specification import parse_specification
from ltforge import Client, RetryPolicy
from tests.ltforge.contract_server import API_KEY, ContractServer, running_contract_server

QUICK = RetryPolicy(attempts=3, first_pause=0.01)


@pytest.fixture
def server() -> Iterator[ContractServer]:
    with running_contract_server() as running:
        yield running


@pytest.fixture
def client(server: ContractServer) -> Iterator[Client]:
    with Client(server.url, API_KEY, timeout=5, retries=QUICK) as connected:
        yield connected


@pytest.fixture(scope="session")
def small_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with 4 inputs, 6 hidden neurons and 3 outputs."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("small") / "network.safetensors"
    weights = {
        "0.weight": rng.uniform(-1, 1, (6, 4)),
        "0.bias": rng.uniform(-1, 1, 6),
        "2.weight": rng.uniform(-1, 1, (3, 6)),
        "2.bias": rng.uniform(-1, 1, 3),
    }
    save_file({name: values.astype(np.float32) for name, values in weights.items()}, path)
    return path


@pytest.fixture(scope="session")
def small_ticket(small_checkpoint: Path) -> bytes:
    """The bytes of an L+1 ticket of that network, from seed 3."""
    spec = {"construction": "L+1", "activation": {"name": "relu"}, "source": {"seed": 3}}
    out = small_checkpoint.with_name("ticket.safetensors")
    request = PipelineRequest(small_checkpoint, parse_specification(spec), out, None, 1)
    run_pipeline(request, clock=lambda: 0.0)
    return out.read_bytes()
