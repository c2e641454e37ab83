"""Exports compute what the ticket computes, in processes that have none of our code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from ltengine.activation import ACTIVATIONS, named_activation
from ltengine.errors import ExportError
from ltengine.export import dense, onnx_file
from ltengine.export.formats import ExportFormat
from ltengine.export.onnx_activations import apply_activation
from ltengine.export.onnx_graph import Graph
from ltengine.export.writing import export_ticket
from ltengine.pipeline import PipelineRequest, run_pipeline
from ltengine.sparse_network import rebuild
from ltengine.specification import parse_specification
from ltengine.ticket_file import read_ticket, save_ticket
from tests.engine.networks import CONSTRUCTIONS, construct_ticket, make_spec, random_network
from tests.shared_files import shared_file

LOADER = Path(__file__).with_name("foreign_loader.py")
TOLERANCE = 1e-5
RAW = {"input": {"mean": 0.25, "std": 0.5, "low": 0.0, "high": 1.0}}


def ticket_outputs(file: Path, raw: NDArray[np.float32]) -> NDArray[np.float64]:
    """(sample, output) in float64, cell by cell."""
    ticket, _ = read_ticket(file)
    given = ticket.specification["input"]
    x: NDArray[np.floating[Any]] = ((raw.astype(np.float64) - given["mean"]) / given["std"]).T
    for layer in rebuild(ticket):
        sums = np.repeat(layer.biases[:, None], x.shape[1], axis=1)
        np.add.at(sums, layer.rows, layer.values[:, None] * x[layer.columns])
        x = layer.activation.value(sums)
    return x.T.astype(np.float64)


def run_elsewhere(form: ExportFormat, file: Path, raw: NDArray[np.float32]) -> NDArray[np.float32]:
    inputs, outputs = file.with_name("inputs.npy"), file.with_name("outputs.npy")
    np.save(inputs, raw)
    command = [sys.executable, "-I", str(LOADER), form.value, str(file), str(inputs), str(outputs)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=file.parent, check=False)
    assert ran.returncode == 0, ran.stderr
    return np.asarray(np.load(outputs), np.float32)


def assert_equal_outputs(found: NDArray[np.float32], expected: NDArray[np.float64]) -> None:
    """Within 1e-5 of the outputs' size: all that single precision leaves of long sums."""
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= TOLERANCE * max(1.0, np.abs(expected).max())


@pytest.fixture(params=CONSTRUCTIONS)
def small_ticket(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    network = random_network([7, 6, 5, 3], seed=3, density=0.8)
    ticket, _ = construct_ticket(network, make_spec(request.param, "relu", **RAW))
    file = tmp_path / "ticket.safetensors"
    save_ticket(ticket, file)
    return file


@pytest.mark.slow
@pytest.mark.parametrize("form", ExportFormat)
def test_an_export_computes_what_the_ticket_computes(
    form: ExportFormat, small_ticket: Path
) -> None:
    raw = np.random.default_rng(1).uniform(0, 1, (9, 7)).astype(np.float32)
    out = small_ticket.with_name(f"export{form.suffix}")

    report = export_ticket(small_ticket, form, out)

    assert report["bytes"] == out.stat().st_size
    assert_equal_outputs(run_elsewhere(form, out, raw), ticket_outputs(small_ticket, raw))


@pytest.mark.parametrize("form", ExportFormat)
def test_equal_tickets_have_equal_exports(form: ExportFormat, small_ticket: Path) -> None:
    first, second = (
        export_ticket(small_ticket, form, small_ticket.with_name(name))["sha256"] for name in "ab"
    )

    # A zip archive of numpy's holds the time at which it was written.
    assert first == second or form is ExportFormat.NPZ


def test_rows_too_sparse_for_a_product_gather_their_inputs(
    small_ticket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "LARGEST_GEMM", 0)
    monkeypatch.setattr(onnx_file, "DENSE_SHARE", 2.0)
    raw = np.random.default_rng(2).uniform(0, 1, (9, 7)).astype(np.float32)
    out = small_ticket.with_name("sparse.onnx")

    export_ticket(small_ticket, ExportFormat.ONNX, out)

    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    for samples in (raw, raw[:1]):
        found = session.run(None, {"input": samples})[0]
        assert_equal_outputs(found, ticket_outputs(small_ticket, samples))


@pytest.mark.parametrize("name", [*ACTIVATIONS, "leaky_relu", "prelu"])
def test_every_activation_is_spelled_right(name: str) -> None:
    activation = named_activation(name)
    x = np.linspace(-9, 9, 2001, dtype=np.float32)[:, None]
    graph = Graph()

    model = graph.finish(apply_activation(graph, activation, "input"), 1, 1, {})

    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found = session.run(None, {"input": x})[0]
    np.testing.assert_allclose(found, activation.value(x.astype(np.float64)), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("form", [ExportFormat.STATE_DICT, ExportFormat.SAFETENSORS])
def test_a_network_too_large_to_be_dense_is_refused_by_name(
    form: ExportFormat, small_ticket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense, "LARGEST_DENSE_BYTES", 1000)
    out = small_ticket.with_name("export")

    with pytest.raises(ExportError) as refused:
        export_ticket(small_ticket, form, out)

    assert refused.value.code == "EXPORT_TOO_LARGE"
    assert not out.exists()


@pytest.fixture(scope="module", params=CONSTRUCTIONS)
def lenet_ticket(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("lenet") / "ticket.safetensors"
    spec = {
        "construction": request.param,
        "activation": {"name": "relu"},
        "input": {"mean": 0.1307, "std": 0.3081, "low": 0.0, "high": 1.0},
    }
    checkpoint = shared_file("targets/lenet300-100-relu.safetensors")
    run_pipeline(PipelineRequest(checkpoint, parse_specification(spec), file), clock=lambda: 0.0)
    return file


@pytest.mark.slow
@pytest.mark.parametrize("form", ExportFormat)
def test_a_lenet_ticket_works_without_our_code(form: ExportFormat, lenet_ticket: Path) -> None:
    raw = np.random.default_rng(4).uniform(0, 1, (40, 784)).astype(np.float32)
    out = lenet_ticket.with_name(f"export{form.suffix}")

    export_ticket(lenet_ticket, form, out)

    assert_equal_outputs(run_elsewhere(form, out, raw), ticket_outputs(lenet_ticket, raw))
    out.unlink()


@pytest.mark.slow
def test_in_double_precision_an_export_is_the_ticket(lenet_ticket: Path) -> None:
    """What is left in single precision is the rounding of long sums: the values are exact."""
    raw = np.random.default_rng(4).uniform(0, 1, (40, 784)).astype(np.float32)
    out = lenet_ticket.with_name("export.pt")

    export_ticket(lenet_ticket, ExportFormat.STATE_DICT, out)

    state = torch.load(out, weights_only=True)
    x = (raw.astype(np.float64) - 0.1307) / 0.3081
    for number in range(0, len(state), 2):
        x = np.maximum(x, 0) if number else x
        x = x @ state[f"{number}.weight"].double().numpy().T + state[f"{number}.bias"].numpy()
    np.testing.assert_allclose(x, ticket_outputs(lenet_ticket, raw), rtol=0, atol=1e-10)
    out.unlink()
