"""ONNX: a graph from raw inputs to outputs, over the neurons that are used."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ltengine.errors import ExportError
from ltengine.evaluation import CompactLayer
from ltengine.export.dense import dense_matrix
from ltengine.export.onnx_activations import apply_activation
from ltengine.export.onnx_graph import Graph

LARGEST_GEMM = 1 << 22
"""Entries of a weight matrix that is always written dense: 16 MiB."""
DENSE_SHARE = 1 / 16
"""A larger matrix is written dense where at least this share of it is kept."""
CELLS_PER_STEP = 8
"""A sparse row is summed so many cells at a time: that bounds what a batch needs in memory."""
LARGEST_MODEL_BYTES = (1 << 31) - (1 << 20)
"""Protocol buffers end at 2 GiB."""


def write_onnx(
    path: Path, layers: tuple[CompactLayer, ...], inputs: int, description: dict[str, Any]
) -> None:
    """``input`` (batch, input unit), raw, to ``output`` (batch, output); normalises first.

    A layer is one Gemm where that is small or well filled. Else each neuron gathers its own inputs,
    so that file and runtime need memory for kept cells and not for pruned ones.

    Raises:
        ExportError: the model would exceed what the format can hold.
    """
    graph = Graph()
    given = description["input"]
    x = graph.node("Sub", "input", graph.number(given["mean"]))
    x = graph.node("Div", x, graph.number(given["std"]))
    widths = [inputs, *(layer.biases.size for layer in layers)]
    size = 0
    for number, (layer, (below, above)) in enumerate(
        zip(layers, pairwise(widths), strict=True), start=1
    ):
        entries = below * above
        dense = entries <= LARGEST_GEMM or layer.values.size >= DENSE_SHARE * entries
        size += 4 * entries if dense else 8 * above * int(np.diff(layer.offsets).max(initial=0))
        if size > LARGEST_MODEL_BYTES:
            raise ExportError(
                "the ONNX model would exceed 2 GiB; export it as sparse_safetensors or npz",
                code="EXPORT_TOO_LARGE",
            )
        x = _dense(graph, number, layer, below, x) if dense else _sparse(graph, number, layer, x)
        x = apply_activation(graph, layer.activation, x)
    model = graph.finish(x, inputs, widths[-1], {"ltforge_export": json.dumps(description)})
    path.write_bytes(model.SerializeToString(deterministic=True))


def _dense(graph: Graph, number: int, layer: CompactLayer, inputs: int, x: str) -> str:
    weight = graph.constant(f"layer.{number}.weight", dense_matrix(layer, inputs))
    bias = graph.constant(f"layer.{number}.bias", layer.biases)
    return graph.node("Gemm", x, weight, bias, transB=1)


def _sparse(graph: Graph, number: int, layer: CompactLayer, x: str) -> str:
    """Sums of gathered inputs; rows are padded with cells of value 0.

    Samples lie along the last axis, so that a gathered input is one piece of memory.
    """
    counts = np.diff(layer.offsets)
    rows = np.repeat(np.arange(counts.size), counts)
    places = np.arange(layer.values.size) - np.repeat(layer.offsets[:-1], counts)
    total = graph.constant(f"layer.{number}.bias", layer.biases[:, None])
    cells_axis = graph.constant(f"layer.{number}.axis", np.array([1], np.int64))
    x = graph.node("Transpose", x, perm=[1, 0])
    for first in range(0, int(counts.max(initial=0)), CELLS_PER_STEP):
        inside = (places >= first) & (places < first + CELLS_PER_STEP)
        at = (rows[inside], places[inside] - first)
        width = int(at[1].max()) + 1
        columns = np.zeros((counts.size, width), np.int32)
        values = np.zeros((counts.size, width, 1), np.float32)
        columns[at], values[*at, 0] = layer.columns[inside], layer.values[inside]
        name = f"layer.{number}.cells.{first}"
        gathered = graph.node("Gather", x, graph.constant(f"{name}.columns", columns), axis=0)
        weighted = graph.node("Mul", gathered, graph.constant(f"{name}.values", values))
        part = graph.node("ReduceSum", weighted, cells_axis, keepdims=0)
        total = graph.node("Add", part, total)
    return graph.node("Transpose", total, perm=[1, 0])
