"""Target networks and specs for tests."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ltengine.activation import specified_activation
from ltengine.cell_problem import PROBLEMS_PER_CHUNK
from ltengine.certified_construction import assemble_ticket
from ltengine.construction import Construction, construct
from ltengine.network import DenseLayer, Network, build_network
from ltengine.specification import Specification, parse_specification
from ltengine.ticket import Ticket

ACTIVATIONS: dict[str, dict[str, Any]] = {
    "relu": {"activation": {"name": "relu"}},
    "leaky_relu": {"activation": {"name": "leaky_relu", "slope": 0.2}},
    "tanh": {"activation": {"name": "tanh"}, "source": {"first_layer_activation": "identity"}},
    "sigmoid": {
        "activation": {"name": "sigmoid"},
        "source": {"first_layer_activation": "identity"},
    },
}
CONSTRUCTIONS = ["2L", "L+1"]


def make_spec(construction: str, activation: str = "relu", **fields: Any) -> Specification:
    """A spec with defaults; ``seed`` goes into the source."""
    document: dict[str, Any] = {"construction": construction, **ACTIVATIONS[activation]}
    seed = fields.pop("seed", None)
    document.update(fields)
    if seed is not None:
        document["source"] = {**document.get("source", {}), "seed": seed}
    return parse_specification(document)


def random_network(
    widths: list[int],
    seed: int = 0,
    *,
    biases: bool = True,
    density: float = 1.0,
    size: float = 1.0,
) -> Network:
    """Uniform parameters in [-size, size], a share ``density`` of the weights nonzero."""
    rng = np.random.default_rng(seed)
    layers = []
    for number, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        weight = rng.uniform(-size, size, (outputs, inputs))
        weight *= rng.random(weight.shape) < density
        bias = rng.uniform(-size, size, outputs) if biases else None
        layers.append(DenseLayer(str(number), weight, bias))
    return build_network(layers)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Widths 1 to 8, depths 1 to 4, zero rows and columns, no biases, large and tiny parameters."""
    widths = draw(st.lists(st.integers(1, 8), min_size=2, max_size=5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    layers = []
    for number, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        size = draw(st.sampled_from([0.005, 0.3, 1.0, 4.0]))
        weight = rng.uniform(-size, size, (outputs, inputs))
        weight *= rng.random(weight.shape) < draw(st.sampled_from([0.3, 1.0]))
        if draw(st.booleans()):
            weight[rng.integers(outputs)] = 0
        if draw(st.booleans()):
            weight[:, rng.integers(inputs)] = 0
        bias = rng.uniform(-size, size, outputs) if draw(st.booleans()) else None
        layers.append(DenseLayer(f"layer.{number}", weight, bias))
    if not any(layer.nonzero for layer in layers):
        layers[0].weight[0, 0] = 0.5
    return build_network(layers)


def construct_ticket(
    network: Network, spec: Specification, problems_per_chunk: int = PROBLEMS_PER_CHUNK
) -> tuple[Ticket, Construction]:
    """A ticket of the network, straight from the engine."""
    found = construct(
        network, specified_activation(spec), spec, problems_per_chunk=problems_per_chunk
    )
    return assemble_ticket(found, network, spec), found
