"""Real files beside the repository: MNIST, pruned LeNets and other people's checkpoints."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def shared_file(name: str) -> Path:
    """The file's path; skips the test where the folder of real files is absent."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"real file {name} is not beside the repository (../shared)")
    return path


def mnist_test_set(folder: Path) -> Path:
    """The 10,000 MNIST test images in [0, 1] as an npz file in ``folder``."""
    images = gzip.decompress(shared_file("data/mnist/t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress(shared_file("data/mnist/t10k-labels-idx1-ubyte.gz").read_bytes())
    x = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784) / np.float32(255)
    path = folder / "mnist-test.npz"
    np.savez(path, x=x.astype(np.float32), y=np.frombuffer(labels, np.uint8, offset=8))
    return path
