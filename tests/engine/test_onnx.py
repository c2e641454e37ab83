"""ONNX graphs of dense layers, read without running them, against what ONNX Runtime computes."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from ltengine.activation import named_activation
from ltengine.checkpoint import ReadCheckpoint, read_checkpoint
from ltengine.errors import CheckpointError
from tests.engine.onnx_models import STYLES, GraphWriter, dense, run
from tests.shared_files import shared_file

ACTIVATIONS = {
    "Relu": {},
    "LeakyRelu": {"alpha": 0.2},
    "Tanh": {},
    "Sigmoid": {},
    "Elu": {},
    "Selu": {},
    "Gelu": {},
    "Softplus": {},
    "Softsign": {},
    "HardSwish": {},
    "Mish": {},
    "Abs": {},
}


def read(model: onnx.ModelProto, folder: Path) -> ReadCheckpoint:
    path = folder / "model.bin"
    path.write_bytes(model.SerializeToString())
    return read_checkpoint(path)


def evaluate(checkpoint: ReadCheckpoint, inputs: np.ndarray) -> np.ndarray:
    name = checkpoint.suggested_activation or "identity"
    activation = named_activation(name, checkpoint.suggested_slope)
    return np.asarray(checkpoint.network.evaluate(inputs.reshape(len(inputs), -1), activation))


@settings(deadline=None, max_examples=60)
@given(
    styles=st.lists(st.sampled_from(STYLES), min_size=1, max_size=4),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    normalise=st.sampled_from(["none", "scalar", "pixels", "reverse", "channel"]),
    flatten=st.sampled_from(["Flatten", "Reshape", "dynamic"]),
    tail=st.sampled_from(["none", "Softmax", "LogSoftmax"]),
    seed=st.integers(0, 2**31),
)
def test_a_chain_of_dense_layers_computes_what_onnx_runtime_computes(
    tmp_path_factory: pytest.TempPathFactory,
    styles: list[str],
    activation: str,
    normalise: str,
    flatten: str,
    tail: str,
    seed: int,
) -> None:
    generator = np.random.default_rng(seed)
    sizes = [2 * 2 * 3, *generator.integers(2, 6, len(styles))]
    writer = GraphWriter(["batch", 2, 2, 3])
    add_normalisation(writer, normalise, generator)
    add_flatten(writer, flatten)
    for number, style in enumerate(styles):
        weight = generator.normal(size=(sizes[number + 1], sizes[number])).astype(np.float32)
        dense(writer, style, weight, generator.normal(size=len(weight)).astype(np.float32))
        if number + 1 < len(styles):
            writer.node(activation, ".", **ACTIVATIONS[activation])
            writer.node("Dropout")
    inputs = generator.normal(size=(5, 2, 2, 3)).astype(np.float32)
    expected = run(writer.model(), inputs)
    if tail != "none":
        writer.node(tail)

    checkpoint = read(writer.model(), tmp_path_factory.mktemp("onnx"))

    assert checkpoint.format == "onnx"
    assert (checkpoint.suggested_activation is not None) == (len(styles) > 1)
    np.testing.assert_allclose(evaluate(checkpoint, inputs), expected, rtol=1e-4, atol=1e-4)


def add_normalisation(writer: GraphWriter, kind: str, generator: np.random.Generator) -> None:
    if kind == "scalar":
        writer.node("Sub", ".", writer.constant(np.float32(0.1307)))
        writer.node("Div", ".", writer.constant(np.array([0.3081], np.float32)))
    elif kind == "pixels":
        mean = generator.normal(size=(1, 2, 2, 3)).astype(np.float32)
        writer.node("Sub", ".", writer.constant(mean))
        writer.node("Mul", ".", writer.constant(mean[0] ** 2 + 1))
    elif kind == "reverse":
        writer.node("Sub", writer.constant(np.float32(1)), ".")
        writer.node("Add", writer.constant(np.float32(0.5)), ".")
    elif kind == "channel":
        spread = generator.uniform(0.5, 2, size=(1, 2, 1, 1)).astype(np.float32)
        writer.node("Sub", ".", writer.constant(spread))
        writer.node("Div", ".", writer.constant(spread))


def add_flatten(writer: GraphWriter, kind: str) -> None:
    if kind == "Flatten":
        writer.node("Flatten", ".", axis=1)
    elif kind == "Reshape":
        writer.node("Reshape", ".", writer.constant(np.array([-1, 12])))
    else:
        image = writer.current
        writer.node("Shape", ".")
        writer.node("Gather", ".", writer.constant(np.array(0)), axis=0)
        writer.node("Unsqueeze", ".", writer.constant(np.array([0])))
        writer.node("Concat", ".", writer.constant(np.array([-1])), axis=0)
        writer.node("Reshape", image, ".")


def test_convolutions_that_cover_the_image_are_dense_layers(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    kernels = [generator.normal(size=s).astype(np.float32) for s in [(6, 2, 3, 4), (5, 6, 1, 1)]]
    writer = GraphWriter(["batch", 2, 3, 4])
    for number, kernel in enumerate(kernels):
        if number:
            writer.node("Relu")
        bias = writer.constant(generator.normal(size=len(kernel)).astype(np.float32))
        writer.node("Conv", ".", writer.constant(kernel), bias)
    writer.node("Flatten")
    inputs = generator.normal(size=(4, 2, 3, 4)).astype(np.float32)

    checkpoint = read(writer.model(), tmp_path)

    expected = run(writer.model(), inputs)
    np.testing.assert_allclose(evaluate(checkpoint, inputs), expected, rtol=1e-5, atol=1e-5)


def test_samples_may_be_columns(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    a, b = (generator.normal(size=s).astype(np.float32) for s in [(5, 7), (3, 5)])
    writer = GraphWriter([7, 1])
    writer.node("MatMul", writer.constant(a), ".")
    writer.node("Add", ".", writer.constant(np.ones((5, 1), np.float32)))
    writer.node("Relu")
    writer.node("Gemm", writer.constant(b.T), ".", writer.constant(b[:, :1]), transA=1)
    inputs = generator.normal(size=(7, 1)).astype(np.float32)

    checkpoint = read(writer.model(), tmp_path)

    expected = run(writer.model(), inputs)
    np.testing.assert_allclose(evaluate(checkpoint, inputs.T), expected.T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("raw", [True, False])
def test_numbers_are_read_however_they_are_stored(tmp_path: Path, kind: Any, raw: bool) -> None:
    weight = np.array([[1.5, -2.25, 0.125], [3.0, 0.0, -0.5]], kind)
    code = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    writer = GraphWriter(["batch", 3])
    values = weight.tobytes() if raw else weight.reshape(-1).tolist()
    writer.weights.append(helper.make_tensor("w", code, weight.shape, values, raw=raw))
    writer.node("Gemm", ".", "w", transB=1)

    assert (read(writer.model(), tmp_path).network.layers[0].weight == weight).all()


def test_constants_of_nodes_are_weights_too(tmp_path: Path) -> None:
    writer = GraphWriter(["batch", 3])
    weight = np.arange(1, 7, dtype=np.float32).reshape(3, 2)
    value = numpy_helper.from_array(weight)
    writer.nodes.append(helper.make_node("Constant", [], ["w"], value=value))
    writer.node("MatMul", ".", "w")

    assert (read(writer.model(), tmp_path).network.layers[0].weight == weight.T).all()


@pytest.mark.parametrize("name", ["mnist2x10.onnx", "mnist5x20_leaky_relu.onnx"])
def test_other_people_s_models_compute_what_onnx_runtime_computes(name: str) -> None:
    path = shared_file(f"checkpoints/{name}")
    images = gzip.decompress(shared_file("data/mnist/t10k-images-idx3-ubyte.gz").read_bytes())
    pixels = np.frombuffer(images, np.uint8, offset=16, count=784 * 500) / np.float32(255)
    inputs = pixels.astype(np.float32).reshape(500, 1, 28, 28)

    checkpoint = read_checkpoint(path)

    np.testing.assert_allclose(evaluate(checkpoint, inputs), run_input(path, inputs), atol=1e-4)
    assert checkpoint.suggested_slope == (0.1 if "leaky" in name else None)


def run_input(path: Path, inputs: np.ndarray) -> np.ndarray:
    model = onnx.load(str(path))
    for node in model.graph.node:
        renamed = ["x" if name == "input" else name for name in node.input]
        del node.input[:]
        node.input.extend(renamed)
    model.graph.input[0].name = "x"
    return run(model, inputs)


def test_a_graph_as_torch_exports_it_computes_what_the_module_does(tmp_path: Path) -> None:
    """Built here: torch's own exporter needs further packages."""
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 2))
    writer = GraphWriter(["batch", 4])
    for number in (0, 2):
        weight, bias = (p.detach().numpy() for p in model[number].parameters())
        w, b = writer.constant(weight, f"{number}.weight"), writer.constant(bias, f"{number}.bias")
        writer.node("Gemm", ".", w, b, alpha=1.0, beta=1.0, transB=1)
        if number == 0:
            writer.node("Tanh")

    checkpoint = read(writer.model(), tmp_path)

    assert checkpoint.suggested_activation == "tanh"
    inputs = torch.randn(5, 4)
    expected = model(inputs).detach().numpy()
    np.testing.assert_allclose(evaluate(checkpoint, inputs.numpy()), expected, atol=1e-5)


W = np.ones((3, 3), np.float32)


def two_layers(writer: GraphWriter) -> None:
    writer.node("MatMul", ".", writer.constant(W))
    writer.node("MatMul", ".", writer.constant(W))


def mixed(writer: GraphWriter) -> None:
    for kind in ("Relu", "Tanh"):
        writer.node("MatMul", ".", writer.constant(W))
        writer.node(kind)
    writer.node("MatMul", ".", writer.constant(W))


def branching(writer: GraphWriter) -> None:
    writer.node("MatMul", ".", writer.constant(W))
    writer.node("Add", ".", "x")


def squared(writer: GraphWriter) -> None:
    writer.node("Mul", ".", ".")


def activated_end(writer: GraphWriter) -> None:
    writer.node("MatMul", ".", writer.constant(W))
    writer.node("Relu")


def computed_constant(writer: GraphWriter) -> None:
    value = numpy_helper.from_array(np.array([2.0], np.float32))
    shape = writer.constant(np.array([3, 3]))
    writer.nodes.append(helper.make_node("ConstantOfShape", [shape], ["w"], value=value))
    writer.node("MatMul", ".", "w")


def shared(writer: GraphWriter) -> None:
    name = writer.constant(W)
    writer.node("MatMul", ".", name)
    writer.node("Relu")
    writer.node("MatMul", ".", name)


def misshapen(writer: GraphWriter) -> None:
    writer.node("MatMul", ".", writer.constant(np.ones((4, 3), np.float32)))


def outer(writer: GraphWriter) -> None:
    writer.node("MatMul", writer.constant(np.ones((3, 1), np.float32)), ".")


def column_bias(writer: GraphWriter) -> None:
    writer.node("MatMul", ".", writer.constant(W))
    writer.node("Add", ".", writer.constant(np.ones((3, 1), np.float32)))


def pooled(writer: GraphWriter) -> None:
    writer.node("MaxPool", ".", kernel_shape=[1])


@pytest.mark.parametrize(
    ("build", "code"),
    [
        (two_layers, "NO_ACTIVATION_BETWEEN"),
        (mixed, "MIXED_ACTIVATIONS"),
        (branching, "NOT_A_CHAIN"),
        (squared, "NOT_A_CHAIN"),
        (activated_end, "ACTIVATION_AT_THE_END"),
        (computed_constant, "ONNX_UNSUPPORTED"),
        (shared, "ALIASED_TENSOR"),
        (misshapen, "ONNX_SHAPES"),
        (outer, "ONNX_SHAPES"),
        (column_bias, "ONNX_SHAPES"),
        (pooled, "CONVOLUTION"),
    ],
)
def test_graphs_that_are_no_chain_of_dense_layers_are_refused_by_name(
    tmp_path: Path, build: Any, code: str
) -> None:
    writer = GraphWriter([1, 3])
    build(writer)

    with pytest.raises(CheckpointError) as caught:
        read(writer.model(), tmp_path)

    assert caught.value.code == code
