"""The paper's own experiment on real targets: pruned LeNets on MNIST, m = 20, tolerance .01."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from ltengine.activation import specified_activation
from ltengine.checkpoint import read_checkpoint
from ltengine.construction import construct
from ltengine.pipeline import PipelineRequest, plan_construction, run_pipeline
from ltengine.specification import parse_specification, resolve_activation
from ltengine.verification import verify_files
from tests.shared_files import mnist_test_set, shared_file

pytestmark = pytest.mark.slow

MNIST_INPUT = {"mean": 0.1307, "std": 0.3081, "low": 0.0, "high": 1.0}

# Table 1 of the paper, parameters of the ticket; measured for the reference code on the ReLU target
# itself where known (1,146,208 and 119,740)
MOST_PARAMETERS = {
    ("relu", "L+1"): 1_146_208 * 1.05,
    ("relu", "2L"): 119_740 * 1.05,
    ("lrelu", "L+1"): 1_102_400 * 1.05,
    ("lrelu", "2L"): 119_200 * 1.05,
    ("tanh", "L+1"): 660_300 * 1.05,
    ("tanh", "2L"): 67_000 * 1.05,
    ("sigmoid", "L+1"): 669_700 * 1.05,
    ("sigmoid", "2L"): 67_400 * 1.05,
}


def spec_document(name: str, construction: str) -> dict[str, Any]:
    smooth = name in ("tanh", "sigmoid")
    return {
        "construction": construction,
        "input": MNIST_INPUT,
        "source": {"first_layer_activation": "identity" if smooth else "same"},
    }


@pytest.mark.parametrize(("name", "construction"), MOST_PARAMETERS)
def test_a_lenet_ticket(name: str, construction: str, tmp_path: Path) -> None:
    checkpoint = shared_file(f"targets/lenet300-100-{name}.safetensors")
    ticket = tmp_path / "ticket.safetensors"
    request = PipelineRequest(
        checkpoint,
        parse_specification(spec_document(name, construction)),
        ticket,
        mnist_test_set(tmp_path),
    )

    report = run_pipeline(request, clock=time.monotonic)

    assert report["problems"]["unsolved"] == 0
    assert report["error"]["largest_parameter"] <= 0.01
    assert abs(report["accuracy"]["ticket"] - report["accuracy"]["target"]) <= 0.003
    assert report["error"]["observed"] <= report["error"]["certified"]
    assert report["ticket"]["parameters"] <= MOST_PARAMETERS[name, construction]
    assert verify_files(ticket, checkpoint).valid


def test_pensia_s_own_target_keeps_its_accuracy(tmp_path: Path) -> None:
    spec = {"construction": "2L", "activation": {"name": "relu"}}
    request = PipelineRequest(
        shared_file("checkpoints/pensia_fc2.pt"),
        parse_specification(spec),
        tmp_path / "ticket",
        mnist_test_set(tmp_path),
    )

    report = run_pipeline(request, clock=time.monotonic)

    assert report["accuracy"]["target"] == pytest.approx(0.9719)
    assert report["accuracy"]["ticket"] == pytest.approx(0.9719, abs=0.0005 + 1e-9)
    assert report["problems"]["unsolved"] == 0


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
@pytest.mark.parametrize("construction", ["L+1", "2L"])
def test_a_lenet_ticket_with_its_own_activation_in_the_first_layer(
    name: str, construction: str, tmp_path: Path
) -> None:
    checkpoint = shared_file(f"targets/lenet300-100-{name}.safetensors")
    initialization = {"tanh": "theorem_scaled", "sigmoid": "looks_linear"}[name]
    document = spec_document(name, construction)
    document["source"] = {"initialization": initialization}
    request = PipelineRequest(
        checkpoint,
        parse_specification(document),
        tmp_path / "ticket.safetensors",
        mnist_test_set(tmp_path),
    )

    report = run_pipeline(request, clock=time.monotonic)

    assert {carrier["activation"] for carrier in report["source"]["carriers"]} == {name}
    assert report["problems"]["unsolved"] == 0
    assert abs(report["accuracy"]["ticket"] - report["accuracy"]["target"]) <= 0.003
    assert report["error"]["observed"] <= report["error"]["certified"]
    assert report["error"]["lipschitz_product"] >= 100 * report["error"]["certified"]


@pytest.mark.parametrize(("name", "construction"), MOST_PARAMETERS)
def test_the_plan_of_a_lenet_predicts_its_construction(name: str, construction: str) -> None:
    checkpoint = shared_file(f"targets/lenet300-100-{name}.safetensors")
    spec = parse_specification(spec_document(name, construction))
    read = read_checkpoint(checkpoint)
    resolved = resolve_activation(spec, read.suggested_activation)

    plan = plan_construction(checkpoint, spec, clock=time.monotonic)
    found = construct(read.network, specified_activation(resolved), resolved)

    assert plan["source"]["widths"] == list(found.plan.widths)
    assert plan["problems"]["total"] == pytest.approx(found.counts.total, rel=0.1)
    cells = sum(mask.cells for mask in found.masks)
    assert plan["ticket"]["parameters"] == pytest.approx(cells, rel=0.1)
