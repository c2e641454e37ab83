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
    """A sparse matrix of fixed values, and biases."""

    def __init__(self, layer: CompactLayer, inputs: int) -> None:
        super().__init__()
        counts = torch.from_numpy(layer.offsets).diff()
        rows = torch.repeat_interleave(torch.arange(counts.numel()), counts)
        columns = torch.from_numpy(layer.columns).long()
        self.places: torch.Tensor
        self.values: torch.Tensor
        self.biases: torch.Tensor
        self.shape = (counts.numel(), inputs)
        self.register_buffer("places", torch.stack([rows, columns]))
        self.register_buffer("values", torch.from_numpy(layer.values))
        self.register_buffer("biases", torch.from_numpy(layer.biases))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(sample, input) to (sample, neuron)."""
        matrix = torch.sparse_coo_tensor(
            self.places, self.values, self.shape, is_coalesced=True, check_invariants=False
        )
        product: torch.Tensor = torch.sparse.mm(matrix, x.T)
        return product.T + self.biases

    def extra_repr(self) -> str:
        """Shape and kept cells, for print."""
        return f"in={self.shape[1]}, out={self.shape[0]}, kept={self.values.numel()}"


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
