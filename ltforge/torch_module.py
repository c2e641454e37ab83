"""A ticket as a PyTorch module: its kept cells, and nothing that could be trained."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ltengine.activation import Activation
from ltengine.evaluation import CompactLayer, compact
from ltengine.sparse_network import rebuild
from ltengine.ticket import Ticket

_FUNCTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "identity": lambda x: x,
    "arctan": torch.atan,
    "sin": torch.sin,
    "abs": torch.abs,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "shifted_relu": lambda x: torch.relu(x - 1),
}
"""Those that torch.nn.functional does not have under the activation's own name."""


class SparseLinear(torch.nn.Module):
    """A sparse matrix of fixed values, and biases.

    A neuron's weighted sum is a bag of rows of the transposed inputs: that takes no memory for each
    cell and sample, and unlike sparse tensors ``torch.export`` can write it down.
    """

    def __init__(self, layer: CompactLayer, inputs: int) -> None:
        super().__init__()
        self.offsets: torch.Tensor
        self.columns: torch.Tensor
        self.values: torch.Tensor
        self.biases: torch.Tensor
        self.shape = (layer.biases.size, inputs)
        self.register_buffer("offsets", torch.from_numpy(layer.offsets).long())
        self.register_buffer("columns", torch.from_numpy(layer.columns).long())
        self.register_buffer("values", torch.from_numpy(layer.values))
        self.register_buffer("biases", torch.from_numpy(layer.biases))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(sample, input) to (sample, neuron)."""
        sums = torch.nn.functional.embedding_bag(
            self.columns,
            x.T,
            self.offsets,
            mode="sum",
            per_sample_weights=self.values,
            include_last_offset=True,
        )
        return sums.T + self.biases

    def extra_repr(self) -> str:
        """Shape and kept cells, for print."""
        return f"in={self.shape[1]}, out={self.shape[0]}, kept={self.values.numel()}"


class Normalise(torch.nn.Module):
    """(x - mean) / std: from raw inputs to what the target network takes."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self._mean, self._std = mean, std

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Elementwise."""
        return (x - self._mean) / self._std

    def extra_repr(self) -> str:
        """Mean and standard deviation, for print."""
        return f"mean={self._mean}, std={self._std}"


class NamedActivation(torch.nn.Module):
    """An activation by its name."""

    def __init__(self, activation: Activation) -> None:
        super().__init__()
        self._activation = activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Elementwise."""
        name = self._activation.name
        if name in ("leaky_relu", "prelu"):
            return torch.nn.functional.leaky_relu(x, self._activation.slope)
        function = _FUNCTIONS.get(name) or getattr(torch.nn.functional, name)
        result: torch.Tensor = function(x)
        return result

    def extra_repr(self) -> str:
        """The name, for print."""
        return self._activation.name


def build_module(ticket: Ticket) -> torch.nn.Sequential:
    """The ticket's network over the neurons that are used; nothing is applied after the last."""
    parts: list[torch.nn.Module] = []
    inputs = ticket.inputs
    for layer in compact(rebuild(ticket)):
        parts += [SparseLinear(layer, inputs), NamedActivation(layer.activation)]
        inputs = layer.neurons.size
    return torch.nn.Sequential(*parts[:-1])
