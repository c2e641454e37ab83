"""What the demo works on: a trained network, a test set, and how its inputs are scaled."""

from __future__ import annotations

import gzip
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SHARED_VARIABLE = "LTFORGE_DEMO_SHARED"
"""Names another folder to take the LeNet and MNIST from."""

_LENET = Path("targets/lenet300-100-relu.safetensors")
_IMAGES = Path("data/mnist/t10k-images-idx3-ubyte.gz")
_LABELS = Path("data/mnist/t10k-labels-idx1-ubyte.gz")
_IDX_IMAGES_HEADER = 16
_IDX_LABELS_HEADER = 8
_EPOCHS = 300
_LEARNING_RATE = 0.2
_MOMENTUM = 0.9


@dataclass(frozen=True, slots=True)
class Material:
    """A target network's file, a test set's file, and the spec's ``input`` for them."""

    name: str
    checkpoint: Path
    dataset: Path
    input: Mapping[str, float]


def prepare(folder: Path) -> Material:
    """A LeNet-300-100 with MNIST's test images where they are at hand, else a freshly trained one.

    Files that have to be made go into ``folder``.
    """
    beside = Path(__file__).resolve().parents[2].parent / "shared"
    shared = Path(os.environ.get(SHARED_VARIABLE) or beside)
    if all((shared / part).is_file() for part in (_LENET, _IMAGES, _LABELS)):
        return _lenet(shared, folder)
    return _digits_network(folder)


def _lenet(shared: Path, folder: Path) -> Material:
    pixels = np.frombuffer(gzip.decompress((shared / _IMAGES).read_bytes()), np.uint8)
    labels = np.frombuffer(gzip.decompress((shared / _LABELS).read_bytes()), np.uint8)
    y = labels[_IDX_LABELS_HEADER:].astype(np.int64)
    x = pixels[_IDX_IMAGES_HEADER:].reshape(len(y), -1).astype(np.float32) / np.float32(255)
    return Material(
        name="LeNet-300-100 (ReLU) on MNIST's 10,000 test images",
        checkpoint=shared / _LENET,
        dataset=_save_dataset(folder, x, y),
        input={"mean": 0.1307, "std": 0.3081, "low": 0.0, "high": 1.0},
    )


def _digits_network(folder: Path) -> Material:
    digits = load_digits()
    x = (digits.data / 16).astype(np.float32)
    y = digits.target.astype(np.int64)
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=0.25, random_state=0, stratify=y
    )
    checkpoint = folder / "digits-64-32-10.safetensors"
    network = _train(torch.from_numpy(x_train), torch.from_numpy(y_train))
    save_file(network.state_dict(), checkpoint, metadata={"activation": "relu"})
    return Material(
        name=f"a 64-32-10 ReLU network on {len(y_test)} held-out digits of scikit-learn",
        checkpoint=checkpoint,
        dataset=_save_dataset(folder, x_test, y_test),
        input={"mean": 0.0, "std": 1.0, "low": 0.0, "high": 1.0},
    )


def _train(x: torch.Tensor, y: torch.Tensor) -> torch.nn.Sequential:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    parameters = list(network.parameters())
    velocities = [torch.zeros_like(parameter) for parameter in parameters]
    # Written out: torch.optim would load torch's compiler, seconds and a cache folder for nothing.
    for _ in range(_EPOCHS):
        loss = torch.nn.functional.cross_entropy(network(x), y)
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for parameter, velocity, gradient in zip(
                parameters, velocities, gradients, strict=True
            ):
                velocity.mul_(_MOMENTUM).add_(gradient)
                parameter.sub_(_LEARNING_RATE * velocity)
    return network


def _save_dataset(folder: Path, x: NDArray[np.float32], y: NDArray[np.int64]) -> Path:
    path = folder / "test-set.npz"
    np.savez(path, x=x, y=y)
    return path
