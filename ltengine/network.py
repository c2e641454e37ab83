"""The target network: the trained, fully-connected network that a ticket represents."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation
from ltengine.errors import NetworkError


@dataclass(frozen=True, slots=True)
class DenseLayer:
    """x -> weight x + bias.

    Attributes:
        name: the checkpoint's own prefix, for messages.
        weight: (output, input) float64.
        bias: (output,) float64, or None.
    """

    name: str
    weight: NDArray[np.float64]
    bias: NDArray[np.float64] | None

    @property
    def inputs(self) -> int:
        """Fan-in."""
        return int(self.weight.shape[1])

    @property
    def outputs(self) -> int:
        """Width."""
        return int(self.weight.shape[0])

    @property
    def biases(self) -> NDArray[np.float64]:
        """(output,) the bias, zeros where there is none."""
        return np.zeros(self.outputs) if self.bias is None else self.bias

    @property
    def nonzero(self) -> int:
        """Nonzero parameters, biases included."""
        return int(np.count_nonzero(self.weight)) + (
            0 if self.bias is None else int(np.count_nonzero(self.bias))
        )

    @property
    def largest(self) -> float:
        """The largest |parameter|."""
        bias = 0.0 if self.bias is None or not self.bias.size else float(np.abs(self.bias).max())
        return max(float(np.abs(self.weight).max()), bias)


@dataclass(frozen=True, slots=True)
class Network:
    """Dense layers in order; the activation stands between them and not after the last."""

    layers: tuple[DenseLayer, ...]

    @property
    def inputs(self) -> int:
        """Number of input units n_0."""
        return self.layers[0].inputs

    @property
    def parameters(self) -> int:
        """Nonzero parameters N_t."""
        return sum(layer.nonzero for layer in self.layers)

    def digest(self) -> str:
        """SHA-256 (hex) over every layer's shape and float64 values, whatever file they came from.

        Per layer: "inputs,outputs,has_bias;" in ASCII, the weights row by row and then the biases
        as little-endian float64, with negative zero written as zero.
        """
        state = hashlib.sha256()
        for layer in self.layers:
            has_bias = int(layer.bias is not None)
            state.update(f"{layer.inputs},{layer.outputs},{has_bias};".encode())
            state.update((layer.weight + 0.0).astype("<f8").tobytes())
            if layer.bias is not None:
                state.update((layer.bias + 0.0).astype("<f8").tobytes())
        return state.hexdigest()

    def evaluate(
        self, inputs: NDArray[np.floating], activation: Activation
    ) -> NDArray[np.floating]:
        """(sample, output) of normalised inputs (sample, input), in the inputs' own precision."""
        x = inputs
        for number, layer in enumerate(self.layers, start=1):
            x = x @ layer.weight.astype(x.dtype).T
            if layer.bias is not None:
                x = x + layer.bias.astype(x.dtype)
            if number < len(self.layers):
                x = activation.value(x)
        return x


def _check_values(layer: DenseLayer) -> None:
    for kind, values in (("weight", layer.weight), ("bias", layer.bias)):
        if values is None:
            continue
        wrong = np.argwhere(~np.isfinite(values))
        if wrong.size:
            place = tuple(int(i) for i in wrong[0])
            raise NetworkError(
                f"{layer.name}.{kind}{list(place)} is {values[place]}: a target needs finite "
                "parameters; retrain or repair the checkpoint",
                code="NOT_FINITE",
            )


def build_network(layers: Sequence[DenseLayer]) -> Network:
    """A network whose layers fit together.

    Raises:
        NetworkError: when there is no layer, a dimension is 0, shapes do not chain, a value is not
            finite, or every parameter is 0.
    """
    if not layers:
        raise NetworkError(
            "no fully-connected layer found: expected tensors named <layer>.weight (output, input) "
            "and optionally <layer>.bias (output,)",
            code="NO_LAYERS",
        )
    for layer in layers:
        if layer.inputs == 0 or layer.outputs == 0:
            raise NetworkError(
                f"{layer.name}.weight has shape {layer.weight.shape}", code="EMPTY_LAYER"
            )
        if layer.bias is not None and layer.bias.shape != (layer.outputs,):
            raise NetworkError(
                f"{layer.name}.bias has shape {layer.bias.shape}, but {layer.name}.weight has "
                f"{layer.outputs} outputs",
                code="BIAS_SHAPE",
            )
        _check_values(layer)
    for before, after in itertools.pairwise(layers):
        if before.outputs != after.inputs:
            raise NetworkError(
                f"layer {after.name!r} takes {after.inputs} inputs, but the layer before it, "
                f"{before.name!r}, gives {before.outputs}; layers are read in the file's order "
                "(safetensors: in the natural order of their names), so save or name them in the "
                "order in which they are applied",
                code="LAYER_ORDER",
            )
    network = Network(tuple(layers))
    if network.parameters == 0:
        raise NetworkError("every parameter is zero", code="ZERO_NETWORK")
    return network
