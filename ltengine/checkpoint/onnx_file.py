"""ONNX: a chain of dense layers found in a graph.

Understood are Gemm, MatMul and Add either way round, Conv whose kernel covers the whole image,
normalisation of the input, Flatten, Reshape and their like, dropout, the activations of
`ltengine.activation`, and a Softmax at the end (left out: it is no part of the target).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ltengine.checkpoint.onnx_chain import Chain
from ltengine.checkpoint.onnx_model import parse_model
from ltengine.checkpoint.protobuf import broken_message
from ltengine.network import Network, build_network


@dataclass(frozen=True, slots=True)
class OnnxNetwork:
    """A network and the activation that stands between its layers, None where there is none."""

    network: Network
    activation: str | None
    slope: float | None


def looks_like_onnx(head: bytes) -> bool:
    """ir_version, the first field that every exporter writes, or one of the texts after it."""
    return head[:1] == b"\x08" or (head[:1] in (b"\x12", b"\x1a") and len(head) > 16)


def read_onnx(path: Path) -> OnnxNetwork:
    """The network of an ONNX file.

    Raises:
        CheckpointError: the file is no ONNX, or breaks a limit.
        NetworkError: the graph is not a fully-connected network.
    """
    if path.stat().st_size == 0:
        raise broken_message()
    # Arrays of the graph may look into the map, which lives as long as they do.
    graph = parse_model(np.memmap(path, np.uint8, "r").data)
    chain = Chain.through(graph)
    return OnnxNetwork(build_network(chain.layers), chain.activation, chain.slope)
