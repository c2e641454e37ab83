"""A running service, and the files that pages speak of as the reader's own."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.documents.reader import Reader
from tests.journeys.conftest import network, saved
from tests.journeys.customer import Customer
from tests.journeys.stacks import Embedded, embedded

SPEC: dict[str, Any] = {"construction": "2L", "activation": {"name": "relu"}}


@dataclass(frozen=True, slots=True)
class Material:
    """What a reader already has: files, and resources of the service by the prefix of their id."""

    files: Path
    ids: dict[str, str]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    with embedded(tmp_path_factory.mktemp("documents")) as running:
        yield running


@pytest.fixture(scope="module")
def material(service: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Material:
    files = tmp_path_factory.mktemp("material")
    checkpoint = saved(network((64, 12, 10), seed=1), files / "lenet.safetensors")
    generator = np.random.default_rng(0)
    images, labels = generator.random((100, 64), np.float32), generator.integers(0, 10, 100)
    for name in ("mnist-test.npz", "test.npz"):
        np.savez(files / name, x=images, y=labels)
    (files / "spec.json").write_text(json.dumps(SPEC))
    customer = Customer(service.url, service.key)
    dataset = customer.upload("datasets", files / "test.npz")
    jobs = [
        customer.finished(customer.submit(checkpoint, SPEC | {"source": {"seed": seed}}))
        for seed in (0, 1)
    ]
    for job, name in zip(jobs, ("ticket.safetensors", "other.safetensors"), strict=True):
        assert job["ticket_id"], job
        mask = customer.http.get(f"/v1/tickets/{job['ticket_id']}/mask").raise_for_status()
        (files / name).write_bytes(mask.content)
    customer.close()
    return Material(
        files,
        {
            "ckp": jobs[0]["checkpoint_id"],
            "dat": dataset["id"],
            "job": jobs[0]["id"],
            "tkt": jobs[0]["ticket_id"],
        },
    )


@pytest.fixture
def reader(
    service: Embedded, material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Reader:
    """Somebody in a folder with those files and an installation in ``.venv``."""
    folder = tmp_path / "reader"
    shutil.copytree(material.files, folder)
    (folder / ".venv").symlink_to(sys.prefix)
    monkeypatch.setenv("PATH", f"{Path(sys.prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin")
    monkeypatch.chdir(folder)
    return Reader(folder, service.url, service.key, material.ids)
