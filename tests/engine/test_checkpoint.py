"""Checkpoints as users bring them, and the ones that are refused by name."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.utils.prune
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file

from ltengine.checkpoint import convert_checkpoint, read_checkpoint
from ltengine.errors import CheckpointError
from tests.shared_files import shared_file


def state(
    prefixes: tuple[str, ...] = ("0", "2"), dtype: Any = torch.float32
) -> OrderedDict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    sizes = [4, 3, 2]
    result: OrderedDict[str, torch.Tensor] = OrderedDict()
    for number, prefix in enumerate(prefixes):
        shape = (sizes[number + 1], sizes[number])
        result[f"{prefix}.weight"] = torch.randn(shape, generator=generator).to(dtype)
        result[f"{prefix}.bias"] = torch.randn(shape[:1], generator=generator).to(dtype)
    return result


def saved(tmp_path: Path, document: Any, **options: Any) -> Path:
    path = tmp_path / "file.bin"
    torch.save(document, path, **options)
    return path


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("nesting", [None, "state_dict", "model_state_dict"])
def test_torch_state_dicts_are_read(tmp_path: Path, zipped: bool, nesting: str | None) -> None:
    tensors = state(("module.fc1", "module.fc2"))
    document = tensors if nesting is None else {nesting: tensors, "epoch": 3}

    network = read_checkpoint(
        saved(tmp_path, document, _use_new_zipfile_serialization=zipped)
    ).network

    assert [layer.name for layer in network.layers] == ["module.fc1", "module.fc2"]
    assert (network.layers[0].weight == tensors["module.fc1.weight"].numpy()).all()


def test_a_state_dict_keeps_its_own_order(tmp_path: Path) -> None:
    """open_lth calls its layers fc_layers.0, fc_layers.1, fc: alphabetic order would be wrong."""
    path = saved(tmp_path, state(("fc_layers.0", "fc")))

    assert [layer.name for layer in read_checkpoint(path).network.layers] == ["fc_layers.0", "fc"]


def test_safetensors_come_in_natural_order(tmp_path: Path) -> None:
    path = tmp_path / "x"
    save_torch_file(dict(state(("fc9", "fc10"))), path)

    assert [layer.name for layer in read_checkpoint(path).network.layers] == ["fc9", "fc10"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("form", ["torch", "safetensors"])
def test_every_real_type_is_read_exactly(tmp_path: Path, dtype: Any, form: str) -> None:
    tensors = state(dtype=dtype)
    path = tmp_path / "x"
    if form == "torch":
        torch.save(tensors, path)
    else:
        save_torch_file(dict(tensors), path)

    network = read_checkpoint(path).network

    assert (network.layers[1].weight == tensors["2.weight"].to(torch.float64).numpy()).all()


def test_the_activation_named_in_the_metadata_is_suggested(tmp_path: Path) -> None:
    path = tmp_path / "x"
    save_torch_file(dict(state()), path, metadata={"activation": "lrelu"})

    assert read_checkpoint(path).suggested_activation == "leaky_relu"


def test_masks_are_applied(tmp_path: Path) -> None:
    tensors = state()
    mask = torch.tensor([[1.0, 0, 1, 0]] * 3)
    document = OrderedDict([*tensors.items(), ("0.weight_mask", mask)])

    network = read_checkpoint(saved(tmp_path, document)).network

    assert (network.layers[0].weight == (tensors["0.weight"] * mask).numpy()).all()


@pytest.mark.parametrize("prefix", ["", "module."])
def test_masks_of_open_lth_are_applied(tmp_path: Path, prefix: str) -> None:
    tensors = state(("fc_layers.0", "fc"))
    mask = torch.tensor([[1, 0, 1, 0]] * 3, dtype=torch.int32)
    inner = OrderedDict([(f"{prefix}mask_fc_layers___0___weight", mask)])
    inner.update((f"{prefix}model.{name}", tensor) for name, tensor in tensors.items())
    document = {"ep": 40, "it": 0, "model_state_dict": inner, "logger": "text"}

    network = read_checkpoint(saved(tmp_path, document)).network

    expected = (tensors["fc_layers.0.weight"] * mask).numpy()
    assert (network.layers[0].weight == expected).all()
    assert len(network.layers) == 2


@pytest.mark.parametrize("parametrized", [False, True])
def test_pruned_modules_are_read(tmp_path: Path, parametrized: bool) -> None:
    torch.manual_seed(0)
    pruned = torch.nn.Linear(6, 5)
    model = torch.nn.Sequential(pruned, torch.nn.ReLU(), torch.nn.Linear(5, 2))
    if parametrized:
        torch.nn.utils.parametrize.register_parametrization(pruned, "weight", torch.nn.Identity())
    else:
        torch.nn.utils.prune.l1_unstructured(pruned, "weight", amount=0.5)
        torch.nn.utils.prune.random_unstructured(pruned, "bias", amount=0.4)

    network = read_checkpoint(saved(tmp_path, model.state_dict())).network

    assert (network.layers[0].weight == pruned.weight.detach().numpy()).all()
    assert network.layers[0].bias is not None
    assert (network.layers[0].bias == pruned.bias.detach().numpy()).all()


@given(data=st.data())
def test_tensors_are_read_as_torch_reads_them(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Views of any kind, of any number type, in both of torch's forms."""
    rows, columns = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    dtype = data.draw(
        st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64])
    )
    seed = data.draw(st.integers(0, 2**31))
    whole = torch.randn(2 * rows + 1, columns + 3, generator=torch.Generator().manual_seed(seed))
    tensor = whole.to(dtype)[1::2, 2 : 2 + columns]
    tensor = tensor.T if data.draw(st.booleans()) else tensor
    tensor = torch.nn.Parameter(tensor) if data.draw(st.booleans()) else tensor
    path = tmp_path_factory.mktemp("torch") / "x"
    zipped = data.draw(st.booleans())
    torch.save({"0.weight": tensor}, path, _use_new_zipfile_serialization=zipped)

    weight = read_checkpoint(path).network.layers[0].weight

    assert weight.dtype == np.float64
    assert (weight == torch.load(path)["0.weight"].detach().double().numpy()).all()


def test_no_reader_needs_torch(tmp_path: Path) -> None:
    """Torch takes seconds and gigabytes of address space to import."""
    save_torch_file(dict(state(dtype=torch.bfloat16)), tmp_path / "safetensors")
    torch.save(state(dtype=torch.bfloat16), tmp_path / "torch")
    program = (
        "import sys; from pathlib import Path; from ltengine.checkpoint import read_checkpoint\n"
        "for name in sys.argv[1:]: read_checkpoint(Path(name))\n"
        "assert 'torch' not in sys.modules"
    )
    names = [str(path) for path in tmp_path.iterdir()]

    subprocess.run([sys.executable, "-c", program, *names], check=True)


def test_a_slope_is_kept_by_the_canonical_form(tmp_path: Path) -> None:
    source, canonical = tmp_path / "x", tmp_path / "canonical"
    metadata = {"activation": "leaky_relu", "slope": "0.2"}
    save_torch_file(dict(state()), source, metadata=metadata)

    summary = convert_checkpoint(source, canonical)

    assert (summary.suggested_activation, summary.suggested_slope) == ("leaky_relu", 0.2)
    assert read_checkpoint(canonical).suggested_slope == 0.2


def test_the_canonical_form_is_the_same_network(tmp_path: Path) -> None:
    source = saved(tmp_path, state(dtype=torch.float64))
    destination = tmp_path / "canonical.safetensors"

    summary = convert_checkpoint(source, destination)

    again = read_checkpoint(destination)
    assert again.format == "safetensors"
    assert again.network.digest() == summary.digest == read_checkpoint(source).network.digest()
    assert summary.to_document()["layers"][0]["inputs"] == 4


class Payload:
    """Unpickling this would run a command."""

    def __reduce__(self) -> Any:
        return os.system, ("echo owned > owned.txt",)


def with_value(value: float) -> OrderedDict[str, torch.Tensor]:
    tensors = state()
    tensors["2.weight"][1, 2] = value
    return tensors


@pytest.mark.parametrize(
    ("document", "code", "message"),
    [
        (with_value(float("nan")), "NOT_FINITE", r"2.weight\[1, 2\] is nan"),
        (with_value(float("inf")), "NOT_FINITE", "is inf"),
        (OrderedDict(reversed(state().items())), "LAYER_ORDER", "save or name them in the order"),
        ({"0.weight": torch.ones(2, 3, 3, 3)}, "CONVOLUTION", "fully connected"),
        ({"bn.running_mean": torch.ones(3)}, "UNSUPPORTED_TENSOR", "running_mean"),
        ({"0.weight": torch.ones(2, 2), "1.bias": torch.ones(2)}, "BIAS_ALONE", "no 1.weight"),
        ({"0.weight": torch.ones(2, 2), "0.bias": torch.ones(3)}, "BIAS_SHAPE", "2 outputs"),
        ({"0.weight": torch.zeros(2, 2)}, "ZERO_NETWORK", "zero"),
        ({"0.weight": torch.ones(0, 2)}, "EMPTY_LAYER", "shape"),
        ({"0.weight": torch.ones(2, 2), "9_mask": torch.ones(2)}, "STRAY_MASK", "no tensor"),
        ([1, 2, 3], "NOT_A_STATE_DICT", "list"),
        ({"a": 1}, "NOT_A_STATE_DICT", "no tensors"),
        (Payload(), "PICKLE_FORBIDDEN_GLOBAL", "posix.system"),
        (torch.nn.Linear(2, 2), "NOT_A_STATE_DICT", "whole module"),
        ({"0.weight": torch.ones(1, 1).expand(10**6, 10**6)}, "TENSOR_SIZE", "claims more bytes"),
        (
            {"0.weight": torch.ones(2, 2, dtype=torch.complex64)},
            "TENSOR_TYPE",
            "ComplexFloatStorage",
        ),
    ],
)
def test_what_is_no_network_is_refused_by_name(
    tmp_path: Path, document: Any, code: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = saved(tmp_path, document)

    with pytest.raises(CheckpointError, match=message) as caught:
        read_checkpoint(path)

    assert caught.value.code == code
    assert not (tmp_path / "owned.txt").exists()


@pytest.mark.parametrize("content", [b"", b"hello world", b"\x00" * 100, b"PK\x03\x04nonsense"])
def test_bytes_of_another_kind_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)

    with pytest.raises(CheckpointError, match=r"torch\.save"):
        read_checkpoint(path)


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
@pytest.mark.parametrize("form", ["torch", "legacy", "safetensors"])
def test_truncated_files_are_refused(tmp_path: Path, form: str, share: float) -> None:
    path = tmp_path / "x"
    if form == "safetensors":
        save_torch_file(dict(state()), path)
    else:
        torch.save(state(), path, _use_new_zipfile_serialization=form == "torch")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    with pytest.raises(CheckpointError):
        read_checkpoint(path)


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    original = saved(tmp_path, state())
    bomb = tmp_path / "bomb"
    with (
        zipfile.ZipFile(original) as source,
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))

    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(bomb)

    assert caught.value.code == "COMPRESSED_ARCHIVE"


def test_a_plain_pickle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(pickle.dumps(Payload()))

    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)

    assert caught.value.code == "UNKNOWN_FORMAT"


def test_integer_safetensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    save_file({"0.weight": np.ones((2, 2), np.int32)}, path)

    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)

    assert caught.value.code == "TENSOR_TYPE"


@pytest.mark.parametrize(
    ("name", "layers", "parameters"),
    [
        ("targets/lenet300-100-relu.safetensors", [784, 300, 100, 10], 18_702),
        ("checkpoints/pensia_fc2.pt", [784, 500, 10], 397_000),
        ("checkpoints/tensorfold_mnist_mlp_cuda.pt", [784, 512, 256, 10], 535_818),
    ],
)
def test_other_people_s_checkpoints(name: str, layers: list[int], parameters: int) -> None:
    network = read_checkpoint(shared_file(name)).network

    assert [network.inputs, *(layer.outputs for layer in network.layers)] == layers
    assert network.parameters == parameters


def test_a_convolutional_checkpoint_is_refused_by_name() -> None:
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(shared_file("checkpoints/lt-existence_conv3_mnist_masked.pt"))

    assert caught.value.code == "CONVOLUTION"
