"""Both stacks, and networks small enough to construct many times."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.journeys.customer import Customer
from tests.journeys.stacks import (
    Embedded,
    Production,
    embedded,
    production,
    production_on_rabbitmq,
)

FORMS: dict[str, Callable[[Path], AbstractContextManager[Embedded | Production]]] = {
    "embedded": embedded,
    "production": production,
    "rabbitmq": production_on_rabbitmq,
}
CHOSEN = os.environ.get("LTFORGE_TEST_STACKS", "embedded production").split()
"""Where the journeys are made; on RabbitMQ all of them by `make test-rabbitmq` alone."""


@pytest.fixture(scope="session", params=CHOSEN)
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Embedded | Production]:
    """A running product, shared by the journeys; one that a test kills recovers by itself."""
    with FORMS[request.param](tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture
def customer(stack: Embedded | Production) -> Iterator[Customer]:
    opened = Customer(stack.url, stack.key)
    yield opened
    opened.close()


def network(widths: tuple[int, ...], seed: int) -> dict[str, Any]:
    """A fully-connected network with random weights, as tensors by name."""
    generator = np.random.default_rng(seed)
    tensors: dict[str, Any] = {}
    for index, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        weight = generator.normal(size=(outputs, inputs)) / np.sqrt(inputs)
        bias = 0.1 * generator.normal(size=outputs)
        tensors[f"fc{index}.weight"] = weight.astype(np.float32)
        tensors[f"fc{index}.bias"] = bias.astype(np.float32)
    return tensors


def saved(tensors: dict[str, Any], path: Path) -> Path:
    save_file(tensors, path)
    return path


@pytest.fixture(scope="session")
def small_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(network((12, 8, 3), seed=1), tmp_path_factory.mktemp("small") / "small")


@pytest.fixture(scope="session")
def large_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a tiny tolerance, seconds of work: time enough to kill what does it."""
    return saved(network((400, 150, 10), seed=2), tmp_path_factory.mktemp("large") / "large")
