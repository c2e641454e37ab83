"""From a checkpoint file to a ticket file with its report."""

from __future__ import annotations

import itertools
import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ltengine import ENGINE_VERSION
from ltengine.checkpoint.safetensors_file import write_network
from ltengine.errors import Canceled, DatasetError, DeviceUnavailableError, SpecificationError
from ltengine.pipeline import PipelineRequest, plan_construction, run_pipeline, warm_up
from ltengine.specification import parse_specification
from ltengine.verification import verify_files
from tests.engine.networks import make_spec, random_network

NETWORK = random_network([7, 6, 4, 3], seed=2)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.safetensors"
    write_network(NETWORK, path, "relu")
    return path


def dataset(tmp_path: Path, **arrays: Any) -> Path:
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    return path


def run(request: PipelineRequest, **options: Any) -> dict[str, Any]:
    ticks = itertools.count()
    return run_pipeline(request, clock=lambda: float(next(ticks)), **options)


def test_the_report_has_every_promised_figure(checkpoint: Path, tmp_path: Path) -> None:
    ticket = tmp_path / "ticket.safetensors"
    rng = np.random.default_rng(0)
    data = dataset(tmp_path, x=rng.random((50, 7)), y=rng.integers(0, 3, 50))

    report = run(PipelineRequest(checkpoint, make_spec("L+1"), ticket, data, threads=1))

    json.dumps(report, allow_nan=False)
    assert report["target"]["parameters"] == NETWORK.parameters
    assert report["target"]["layers"] == [7, 6, 4, 3]
    assert report["ticket"]["file_bytes"] == ticket.stat().st_size
    assert report["ticket"]["parameters"] > report["target"]["parameters"]
    assert report["source"]["widths"][0] == 7
    assert 0 < report["error"]["largest_parameter"] <= 0.01
    assert 0 < report["error"]["observed"] <= report["error"]["certified"]
    assert report["problems"]["unsolved"] == 0
    assert sum(report["subset_size"]["histogram"].values()) == report["problems"]["total"]
    assert set(report["accuracy"]) == {"target", "ticket", "agreement", "samples"}
    assert report["accuracy"]["agreement"] > 0.8
    assert set(report["seconds"]) == {"load", "construct", "verify", "evaluate", "total"}
    assert report["device"] == "cpu"
    assert verify_files(ticket, checkpoint).valid


@pytest.mark.parametrize("initialization", ["he", "glorot"])
@pytest.mark.parametrize("distribution", ["uniform", "normal"])
def test_lambda_turns_a_standard_initialisation_into_the_ticket(
    checkpoint: Path, tmp_path: Path, initialization: str, distribution: str
) -> None:
    """torch.nn.init draws cells of size sigma; times lambda they have the ticket's scale."""
    source = {"initialization": initialization, "distribution": distribution}

    report = run(PipelineRequest(checkpoint, make_spec("L+1", source=source), tmp_path / "t"))

    name = {"he": "kaiming", "glorot": "xavier"}[initialization]
    initialize = getattr(torch.nn.init, f"{name}_{distribution}_")
    options = {"nonlinearity": "relu"} if initialization == "he" else {}
    widths = report["source"]["widths"]
    for layer, (inputs, outputs) in zip(
        report["ticket"]["layers"], itertools.pairwise(widths), strict=True
    ):
        drawn = initialize(torch.empty(outputs, inputs), **options)
        unit = 3**-0.5 if distribution == "uniform" else 1.0
        assert float(drawn.std()) == pytest.approx(layer["sigma"] * unit, rel=0.1)
        assert layer["lambda"] * layer["sigma"] == pytest.approx(layer["scale"])


def test_the_same_spec_gives_the_same_bytes(checkpoint: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"

    run(PipelineRequest(checkpoint, make_spec("2L"), first, threads=1))
    run(PipelineRequest(checkpoint, make_spec("2L"), second))

    assert first.read_bytes() == second.read_bytes()


def test_the_activation_may_come_from_the_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    spec = parse_specification({"construction": "2L"})

    report = run(PipelineRequest(checkpoint, spec, tmp_path / "t"))

    assert report["specification"]["activation"]["name"] == "relu"


def test_a_checkpoint_without_activation_asks_for_one(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_network(NETWORK, path, None)

    with pytest.raises(SpecificationError, match="give one"):
        run(PipelineRequest(path, parse_specification({"construction": "2L"}), tmp_path / "t"))


@pytest.mark.parametrize(
    ("arrays", "code"),
    [
        ({"x": np.zeros((5, 7))}, "MISSING_ARRAY"),
        ({"x": np.zeros((5, 6)), "y": np.zeros(5, int)}, "INPUT_WIDTH"),
        ({"x": np.full((5, 7), 200.0), "y": np.zeros(5, int)}, "OUTSIDE_DOMAIN"),
        ({"x": np.full((5, 7), np.nan), "y": np.zeros(5, int)}, "BAD_X"),
        ({"x": np.zeros((5, 7)), "y": np.zeros(4, int)}, "BAD_Y"),
        ({"x": np.zeros((5, 7)), "y": np.zeros(5)}, "BAD_Y"),
    ],
)
def test_an_unusable_data_set_is_refused_and_leaves_no_ticket(
    checkpoint: Path, tmp_path: Path, arrays: dict[str, Any], code: str
) -> None:
    ticket = tmp_path / "ticket"

    with pytest.raises(DatasetError) as caught:
        run(PipelineRequest(checkpoint, make_spec("2L"), ticket, dataset(tmp_path, **arrays)))

    assert caught.value.code == code
    assert not ticket.exists()


def test_a_file_that_is_no_npz_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"numpy\.savez"):
        run(PipelineRequest(checkpoint, make_spec("2L"), tmp_path / "t", checkpoint))


def test_cancel_leaves_no_ticket(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(Canceled):
        run(PipelineRequest(checkpoint, make_spec("2L"), tmp_path / "t"), cancel=lambda: True)

    assert not (tmp_path / "t").exists()


def test_a_device_that_is_not_here_is_named(checkpoint: Path, tmp_path: Path) -> None:
    spec = make_spec("2L", device="cuda")

    with pytest.raises(DeviceUnavailableError):
        run(PipelineRequest(checkpoint, spec, tmp_path / "t"))


@pytest.mark.parametrize("construction", ["2L", "L+1"])
def test_the_plan_has_the_real_widths(checkpoint: Path, tmp_path: Path, construction: str) -> None:
    spec = make_spec(construction)

    plan = plan_construction(checkpoint, spec, clock=itertools.count().__next__)
    report = run(PipelineRequest(checkpoint, spec, tmp_path / "t"))

    assert plan["source"]["widths"] == report["source"]["widths"]
    assert plan["source"]["parameters"] == report["source"]["parameters"]
    assert plan["problems"]["total"] == pytest.approx(report["problems"]["total"], rel=0.2)
    assert plan["ticket"]["parameters"] == pytest.approx(report["ticket"]["parameters"], rel=0.2)
    assert 0.9 < plan["success_probability"] <= 1.0
    assert plan["seconds"]["construct"] > 0
    assert plan["memory_bytes"] > 0


def test_warming_up_constructs_a_tiny_ticket() -> None:
    warm_up()


def test_the_version_is_the_distribution_s() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())

    assert project["project"]["version"] == ENGINE_VERSION
