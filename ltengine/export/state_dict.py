"""PyTorch: a state_dict for ``torch.nn.Sequential(Linear, activation, Linear, ...)``."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

from ltengine.evaluation import CompactLayer
from ltengine.export.dense import dense_matrices


def write_state_dict(
    path: Path, layers: tuple[CompactLayer, ...], inputs: int, description: dict[str, Any]
) -> None:
    """Entries ``0.weight``, ``0.bias``, ``2.weight``, ...; loads with ``weights_only=True``.

    The description and each layer's source neurons lie in the state_dict's ``_metadata``, where
    PyTorch keeps module versions, so that ``load_state_dict`` meets tensors alone.
    """
    import torch  # noqa: PLC0415 - seconds to load, and only this format needs it

    state: OrderedDict[str, Any] = OrderedDict()
    for number, matrix in enumerate(dense_matrices(layers, inputs)):
        state[f"{2 * number}.weight"] = torch.from_numpy(matrix)
        state[f"{2 * number}.bias"] = torch.from_numpy(layers[number].biases)
    neurons = [torch.from_numpy(layer.neurons) for layer in layers]
    metadata = {"": {"version": 1}, "ltforge": {**description, "neurons": neurons}}
    state._metadata = metadata  # type: ignore[attr-defined]
    with path.open("wb") as file:  # given a path, torch would write the file's name into it
        torch.save(state, file)
