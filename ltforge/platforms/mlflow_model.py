"""A ticket as an MLflow model: a PyTorch program that needs none of our code to run."""

from __future__ import annotations

from pathlib import Path

import mlflow.pytorch
import numpy as np
import torch
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

from ltengine.ticket import Ticket
from ltforge.torch_module import Normalise, build_module

# torch.export takes an axis as free only where the example has more than one of it.
_EXAMPLES = 2


def save_model(ticket: Ticket, folder: Path, model: Model) -> None:
    """Write the model's folder: flavours ``pytorch`` and ``python_function``.

    The file in it is a program of ``torch.export``: kept cells with their values, no pickled code.
    It takes **raw** inputs, (sample, input) float32, and gives (sample, output).

    Args:
        ticket: the network.
        folder: must not exist.
        model: what the server knows of it already; flavours and signature are added.
    """
    given = ticket.specification["input"]
    network = torch.nn.Sequential(Normalise(given["mean"], given["std"]), *build_module(ticket))
    examples = np.full((_EXAMPLES, ticket.inputs), given["mean"], np.float32)
    tensor = np.dtype(np.float32)
    outputs = ticket.layers[-1].width
    mlflow.pytorch.save_model(
        network,
        str(folder),
        mlflow_model=model,
        signature=ModelSignature(
            Schema([TensorSpec(tensor, (-1, ticket.inputs))]),
            Schema([TensorSpec(tensor, (-1, outputs))]),
        ),
        input_example=examples,
        serialization_format="pt2",
        # Named here: MLflow would run the model in a process of its own to find them out.
        pip_requirements=["mlflow>=3", f"torch>={torch.__version__.partition('+')[0]}", "numpy"],
    )
