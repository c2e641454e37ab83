"""A fuzzer over each reader: small files that are almost right, thousands of them, always the same.

Whatever the bytes, a reader ends in a network, in a dataset or in an error of its kind, and needs
no more memory than a small multiple of the file.
"""

from __future__ import annotations

import io
import random
import tracemalloc
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from ltengine.checkpoint import read_checkpoint
from ltengine.dataset import read_dataset
from ltengine.errors import CheckpointError, DatasetError
from tests.engine.onnx_models import GraphWriter, dense
from tests.hostile.torch_archives import archive, entries_of, saved, state

ROUNDS = 400
MOST_MEMORY = 48 << 20
INTERESTING = [0, 1, 0x7F, 0x80, 0xFF, 0x28, 0x2E, 0x51, 0x52, 0x62, 0x63, 0x72, 0x85, 0x93]

Mutate = Callable[[random.Random, bytearray], None]


def flip(source: random.Random, data: bytearray) -> None:
    data[source.randrange(len(data))] ^= 1 << source.randrange(8)


def overwrite(source: random.Random, data: bytearray) -> None:
    place = source.randrange(len(data))
    data[place] = source.choice(INTERESTING)


def widen(source: random.Random, data: bytearray) -> None:
    place, width = source.randrange(len(data)), source.choice([2, 4, 8])
    data[place : place + width] = source.choice([b"\xff", b"\x7f", b"\x00"]) * width


def cut(source: random.Random, data: bytearray) -> None:
    del data[source.randrange(len(data)) :]


def drop(source: random.Random, data: bytearray) -> None:
    place = source.randrange(len(data))
    del data[place : place + source.randrange(1, 16)]


def repeat(source: random.Random, data: bytearray) -> None:
    place = source.randrange(len(data))
    piece = data[place : place + source.randrange(1, 64)]
    data[place:place] = piece * source.randrange(1, 8)


def digit(source: random.Random, data: bytearray) -> None:
    digits = [place for place, byte in enumerate(data) if 0x30 <= byte <= 0x39]
    if digits:
        data[source.choice(digits)] = source.randrange(0x30, 0x3A)


MUTATIONS: list[Mutate] = [flip, flip, overwrite, overwrite, widen, cut, drop, repeat, digit]


def torch_seed() -> bytes:
    document = {"state_dict": OrderedDict(state()), "epoch": 3, "best": 0.5, "names": ["a", ()]}
    return saved(document)


def legacy_seed() -> bytes:
    return saved(state(), _use_new_zipfile_serialization=False)


def safetensors_seed() -> bytes:
    tensors = {name: tensor.numpy() for name, tensor in state().items()}
    tensors["3.weight"] = np.ones((1, 2), np.float16)
    return safetensors.numpy.save(tensors, {"activation": "leaky_relu", "slope": "0.1"})


def onnx_seed() -> bytes:
    writer = GraphWriter(["batch", 1, 2, 2])
    writer.node("Sub", ".", writer.constant(np.float32(0.5)))
    writer.node("Flatten")
    tensors = state()
    for layer, style in (("0", "gemm_scaled"), ("2", "matmul_add")):
        weight, bias = (tensors[f"{layer}.{kind}"].numpy() for kind in ("weight", "bias"))
        dense(writer, style, weight, bias)
        writer.node("LeakyRelu" if layer == "0" else "Softmax")
    return bytes(writer.model().SerializeToString())


def npz_seed() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, x=np.linspace(0, 1, 60).reshape(15, 4), y=np.arange(15) % 3)
    return file.getvalue()


def mutated(source: random.Random, seed: bytes) -> bytes:
    data = bytearray(seed)
    for _ in range(source.choice([1, 1, 2, 4])):
        if data:
            source.choice(MUTATIONS)(source, data)
    return bytes(data)


def mutated_program(source: random.Random, seed: bytes) -> bytes:
    """The archive stays whole, so that what is changed is read."""
    entries = entries_of(seed)
    program = next(name for name in entries if name.endswith(("data.pkl", "x.npy")))
    entries[program] = mutated(source, entries[program])
    return archive(list(entries.items()))


def read(path: Path, seed: Callable[[], bytes]) -> None:
    (read_dataset if seed is npz_seed else read_checkpoint)(path)


def outcome(path: Path, seed: Callable[[], bytes]) -> str:
    """The code of the refusal, or "read"."""
    try:
        read(path, seed)
    except (CheckpointError, DatasetError) as error:
        return error.code
    return "read"


@pytest.mark.parametrize(
    ("seed", "mutate"),
    [
        (torch_seed, mutated),
        (torch_seed, mutated_program),
        (legacy_seed, mutated),
        (safetensors_seed, mutated),
        (onnx_seed, mutated),
        (npz_seed, mutated),
        (npz_seed, mutated_program),
    ],
    ids=["archive", "pickle", "legacy", "safetensors", "onnx", "npz", "npy"],
)
def test_no_bytes_crash_a_reader(
    tmp_path: Path,
    seed: Callable[[], bytes],
    mutate: Callable[[random.Random, bytes], bytes],
) -> None:
    torch.manual_seed(0)
    good = seed()
    path = tmp_path / "upload"
    path.write_bytes(good)
    read(path, seed)
    source = random.Random(20_221_206)
    codes: set[str] = set()
    tracemalloc.start()

    for _ in range(ROUNDS):
        path.write_bytes(mutate(source, good))
        codes.add(outcome(path, seed))

    assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    tracemalloc.stop()
    assert {"read"} < codes
    assert len(codes) > (2 if seed is npz_seed else 4), codes
