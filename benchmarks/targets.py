"""The targets that are measured: real ones beside the repository, and drawn ones of any size."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltengine.network import DenseLayer, Network, build_network

SHARED = Path(__file__).resolve().parents[2] / "shared"
MNIST_INPUT = {"mean": 0.1307, "std": 0.3081, "low": 0.0, "high": 1.0}
INPUTS, OUTPUTS = 784, 10
SHARE_OF_SECOND_LAYER = 3
"""The second hidden layer has a third of the first one's units, as in LeNet 300-100."""
DEVIATION = 0.15
"""Of the drawn parameters: about that of the pruned LeNets' remaining ones."""


@dataclass(frozen=True, slots=True)
class RealTarget:
    """A checkpoint with the spec that it is constructed by."""

    name: str
    checkpoint: Path
    specification: dict[str, Any]


def _lenet(name: str, construction: str) -> RealTarget:
    carrier = "identity" if name in ("tanh", "sigmoid") else "same"
    return RealTarget(
        f"lenet-{name} {construction}",
        SHARED / "targets" / f"lenet300-100-{name}.safetensors",
        {
            "construction": construction,
            "input": MNIST_INPUT,
            "source": {"first_layer_activation": carrier},
        },
    )


REAL_TARGETS = {
    target.name: target
    for target in (
        *(
            _lenet(name, construction)
            for name in ("relu", "lrelu", "tanh", "sigmoid")
            for construction in ("L+1", "2L")
        ),
        RealTarget(
            "pensia_fc2 2L",
            SHARED / "checkpoints" / "pensia_fc2.pt",
            {"construction": "2L", "activation": {"name": "relu"}},
        ),
    )
}


def mnist_test_set(folder: Path) -> Path | None:
    """The 10,000 MNIST test images as an npz file in ``folder``; None where they are absent."""
    data = SHARED / "data" / "mnist"
    if not data.exists():
        return None
    images, labels = (
        gzip.decompress((data / f"t10k-{name}-ubyte.gz").read_bytes())
        for name in ("images-idx3", "labels-idx1")
    )
    x = np.frombuffer(images, np.uint8, offset=16).reshape(-1, INPUTS) / np.float32(255)
    path = folder / "mnist-test.npz"
    np.savez(path, x=x.astype(np.float32), y=np.frombuffer(labels, np.uint8, offset=8))
    return path


def draw_network(parameters: int) -> Network:
    """A dense target 784 - h - h/3 - 10 of about that many parameters, none of them 0."""
    # h inputs + h^2 / 3 = parameters, the last layer and the biases aside
    linear = INPUTS * SHARE_OF_SECOND_LAYER
    hidden = round((np.sqrt(linear**2 + 4 * SHARE_OF_SECOND_LAYER * parameters) - linear) / 2)
    widths = [INPUTS, hidden, hidden // SHARE_OF_SECOND_LAYER, OUTPUTS]
    rng = np.random.default_rng(0)
    layers = [
        DenseLayer(
            str(number),
            rng.normal(0, DEVIATION, (widths[number + 1], widths[number])).clip(-1, 1),
            rng.normal(0, DEVIATION, widths[number + 1]).clip(-1, 1),
        )
        for number in range(len(widths) - 1)
    ]
    return build_network(layers)
