"""Cases P1 to P12: torch files made to run code, to exhaust memory, or to deceive."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ltengine.checkpoint import read_checkpoint
from ltengine.errors import CheckpointError
from tests.hostile import torch_archives as made


def refusal(folder: Path, data: bytes) -> CheckpointError:
    """The error that reading the file ends in; messages are short and never echo content."""
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(made.written(folder, data))
    assert len(caught.value.detail) < 500
    assert caught.value.detail.isascii()
    return caught.value


class Command:
    """Unpickling this would run a command."""

    def __reduce__(self) -> Any:
        return os.system, ("echo owned > owned.txt",)


@pytest.mark.parametrize("zipped", [True, False])
def test_p1_a_command_is_never_run(
    tmp_path: Path, zipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    document = {**made.state(), "epoch": Command()}

    error = refusal(tmp_path, made.saved(document, _use_new_zipfile_serialization=zipped))

    assert error.code == "PICKLE_FORBIDDEN_GLOBAL"
    assert "posix.system" in error.detail
    assert "owned" not in error.detail
    assert not (tmp_path / "owned.txt").exists()


@pytest.mark.parametrize(
    "name",
    [
        "builtins eval",
        "builtins getattr",
        "torch load",
        "torch.hub load",
        "torch._utils _rebuild_sparse_tensor",
        "torch.serialization load",
        "numpy.core.multiarray scalar",
        "numpy load",
        "collections namedtuple",
        "functools partial",
        "operator attrgetter",
        "os.path join",
        "torch FloatStorage.__init__.__globals__",
        "torch.distributions.utils lazy_property",
    ],
)
@pytest.mark.parametrize("form", ["GLOBAL", "STACK_GLOBAL", "INST", "hidden in a memo"])
def test_p2_only_what_tensors_need_is_named(tmp_path: Path, name: str, form: str) -> None:
    module, attribute = name.split()
    if form == "GLOBAL":
        program = f"\x80\x02c{module}\n{attribute}\n.".encode("latin-1")
    elif form == "STACK_GLOBAL":
        program = b"\x80\x04" + made.text(module) + made.text(attribute) + b"\x93."
    elif form == "INST":
        program = f"\x80\x02(i{module}\n{attribute}\n.".encode("latin-1")
    else:
        program = b"\x80\x02}q\x00" + f"c{module}\n{attribute}\nq\x01h\x00.".encode("latin-1")

    code = refusal(tmp_path, made.with_program(program)).code

    assert code in {"PICKLE_FORBIDDEN_GLOBAL", "PICKLE_FORBIDDEN_OPERATION", "TENSOR_TYPE"}


@pytest.mark.parametrize("operation", [b"\x82\x01", b"\x81", b"o", b"P1\n", b"\x92", b"I1\n"])
def test_p2_only_operations_that_tensors_need_are_run(tmp_path: Path, operation: bytes) -> None:
    program = b"\x80\x02(}}}" + operation + b"."

    error = refusal(tmp_path, made.with_program(program))

    assert error.code in {"PICKLE_FORBIDDEN_OPERATION", "BROKEN_PICKLE"}


@pytest.mark.parametrize(
    "change",
    [
        b"ctorch\nSize\n}b",  # BUILD on a stand-in
        b"ccollections\nOrderedDict\n}X\x04\x00\x00\x00_actNsb",
        b"ctorch._utils\n_rebuild_tensor_v2\nN}X\x04\x00\x00\x00_actNs\x86b",
    ],
)
def test_p2_a_program_cannot_change_what_it_calls(tmp_path: Path, change: bytes) -> None:
    good = made.tensor((2, 2), (2, 1), made.storage())
    program = b"\x80\x02}(" + made.text("a") + change + made.text("0.weight") + good + b"u."

    error = refusal(tmp_path, made.with_program(program, {"0": np.ones(4, "<f4").tobytes()}))

    assert error.code == "BROKEN_PICKLE"
    sane = made.with_program(
        made.state_program({"0.weight": good}), {"0": np.ones(4, "<f4").tobytes()}
    )
    assert read_checkpoint(made.written(tmp_path, sane)).network.parameters == 4


def test_p3_a_compressed_archive_is_refused_unread(tmp_path: Path) -> None:
    program = made.state_program({"0.weight": made.tensor((1, 4), (4, 1), made.storage())})
    entries = [("archive/data.pkl", program), ("archive/data/0", bytes(64 << 20))]

    error = refusal(tmp_path, made.archive(entries, zipfile.ZIP_DEFLATED))

    assert error.code == "COMPRESSED_ARCHIVE"


def corrupted(data: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    """The bytes with those at an offset behind a signature's last occurrence replaced."""
    place = data.rindex(signature) + offset
    return data[:place] + value + data[place + len(value) :]


def test_p3_an_archive_s_directory_must_be_plausible(tmp_path: Path) -> None:
    plain = made.archive(list(made.entries_of(made.saved(made.state())).items()))
    parts = list(made.entries_of(plain).items())
    with pytest.warns(UserWarning, match="Duplicate"):
        doubled = made.archive([*parts, parts[-1]])
    hostile = {
        "twice": doubled,
        "encrypted": corrupted(plain, b"PK\x01\x02", 8, b"\x01\x00"),
        "larger than the file": corrupted(plain, b"PK\x01\x02", 20, b"\xf0\xff\xff\x0f" * 2),
        "no directory": plain[: plain.rindex(b"PK\x05\x06")],
        "a directory of 4 GB": corrupted(plain, b"PK\x05\x06", 12, b"\xf0\xff\xff\xff"),
        "many entries": made.archive([*parts, *((f"archive/{i}", b"") for i in range(40_001))]),
    }
    assert {refusal(tmp_path, data).code for data in hostile.values()} == {"BROKEN_ARCHIVE"}


def test_p3_a_pickle_has_a_largest_size(tmp_path: Path) -> None:
    huge = made.with_program(b"\x80\x02" + b"N0" * (8 << 20) + b"N.")
    busy = made.with_program(b"\x80\x02]" + b"(e" * 1_500_000 + b".")

    assert refusal(tmp_path, huge).code == "PICKLE_TOO_LARGE"
    assert refusal(tmp_path, busy).code == "PICKLE_TOO_LARGE"


@pytest.mark.parametrize(
    ("shape", "stride", "code"),
    [
        ((10**6, 10**6), (0, 0), "TENSOR_SIZE"),
        ((2**62, 2**62), (0, 0), "TENSOR_SIZE"),
        ((2, 2), (0, 1), "ALIASED_TENSOR"),
        ((2, 3), (1, 1), "ALIASED_TENSOR"),
        ((2, 2), (-1, 1), "BROKEN_PICKLE"),
        ((2, -2), (2, 1), "BROKEN_PICKLE"),
        ((2, 2), (2**62, 1), "TENSOR_SIZE"),
        ((2, 2), (2,), "BROKEN_PICKLE"),
    ],
)
def test_p4_a_tensor_is_no_larger_than_its_storage(
    tmp_path: Path, shape: tuple[int, ...], stride: tuple[int, ...], code: str
) -> None:
    program = made.state_program({"0.weight": made.tensor(shape, stride, made.storage())})

    assert refusal(tmp_path, made.with_program(program, {"0": bytes(16)})).code == code


def test_p5_views_of_one_storage_count_each(tmp_path: Path) -> None:
    whole = torch.randn(64, 64)
    views = {f"{number}.weight": whole for number in range(5)}

    assert refusal(tmp_path, made.saved(views)).code == "TENSOR_SIZE"


@pytest.mark.parametrize(
    ("operations", "stored"),
    [
        (made.tensor((2, 2), (2, 1), made.storage(count=4)), 15),
        (made.tensor((2, 2), (2, 1), made.storage(count=2**31 - 1)), 16),
        (made.tensor((2, 2), (2, 1), made.storage(count=4), offset=1), 16),
        (made.tensor((2, 2), (2, 1), made.storage(key="../../etc/passwd")), 16),
    ],
)
def test_p6_declared_numbers_must_be_there(tmp_path: Path, operations: bytes, stored: int) -> None:
    program = made.state_program({"0.weight": operations})

    error = refusal(tmp_path, made.with_program(program, {"0": bytes(stored)}))

    assert error.code == "TENSOR_SIZE"


def test_p7_files_from_before_torch_1_6_are_read_without_running_them(tmp_path: Path) -> None:
    """A decision: published checkpoints still come in that form, and the same rules hold for it."""
    plain = made.saved(made.state(), _use_new_zipfile_serialization=False)
    expected = made.saved(made.state())

    legacy, zipped = (
        read_checkpoint(made.written(tmp_path, data)).network for data in (plain, expected)
    )

    assert legacy.digest() == zipped.digest()
    assert refusal(tmp_path, plain[:-3]).code == "TENSOR_SIZE"


def test_p8_other_things_that_torch_saves_are_refused_with_a_way_out(tmp_path: Path) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name in ("sys_info", "pickle", "tensors", "storages"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    script = made.archive([("m/constants.pkl", b"\x80\x02)."), ("m/data.pkl", b"\x80\x02}.")])
    module = made.saved(torch.nn.Sequential(torch.nn.Linear(2, 2)))

    for data in (file.getvalue(), script, module, made.saved([1, 2])):
        error = refusal(tmp_path, data)
        assert error.code == "NOT_A_STATE_DICT"
        assert "state_dict()" in error.detail


@pytest.mark.parametrize(
    "program",
    [
        b"]" * 200_000 + b"a" * 199_999,
        b")" + b"\x85" * 200_000,
        b"}" + b")" + b"\x85" * 200_000 + b"Ns",
        b"]q\x00" + b"h\x00\x85a" * 60_000,
    ],
    ids=["lists", "tuples", "a tuple to be hashed", "a list in itself"],
)
def test_p9_deep_nesting_is_refused(tmp_path: Path, program: bytes) -> None:
    error = refusal(tmp_path, made.with_program(b"\x80\x02" + program + b"."))

    assert error.code in {"PICKLE_TOO_DEEP", "NOT_A_STATE_DICT"}


def test_p10_tensors_are_counted(tmp_path: Path) -> None:
    tensors = {
        f"{n}.weight": made.tensor((1, 1), (1, 1), made.storage(count=1)) for n in range(10_001)
    }
    data = made.with_program(made.state_program(tensors), {"0": bytes(4)})

    assert refusal(tmp_path, data).code == "TOO_MANY_TENSORS"


WEIGHT = torch.eye(2)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "convert",
    [
        WEIGHT.to_sparse,
        lambda: torch.quantize_per_tensor(WEIGHT, 0.1, 0, torch.qint8),
        lambda: WEIGHT.to(torch.complex64),
        lambda: WEIGHT.to(torch.float8_e4m3fn),
    ],
    ids=["sparse", "quantized", "complex", "float8"],
)
def test_p11_other_kinds_of_tensors_are_refused(
    tmp_path: Path, convert: Callable[[], torch.Tensor]
) -> None:
    assert refusal(tmp_path, made.saved({"0.weight": convert()})).code == "TENSOR_TYPE"


def test_p11_parameters_are_tensors(tmp_path: Path) -> None:
    data = made.saved({"0.weight": torch.nn.Parameter(WEIGHT)})

    assert read_checkpoint(made.written(tmp_path, data)).network.parameters == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_p12_every_number_is_finite_and_the_first_that_is_not_is_named(
    tmp_path: Path, value: float
) -> None:
    document = made.state()
    document["2.weight"][1, 2] = value

    error = refusal(tmp_path, made.saved(document))

    assert error.code == "NOT_FINITE"
    assert "2.weight[1, 2]" in error.detail


def test_p12_denormal_and_huge_numbers_are_numbers(tmp_path: Path) -> None:
    weight = torch.tensor([[5e-324, 1e308]], dtype=torch.float64)

    data = made.saved(OrderedDict([("0.weight", weight)]))

    network = read_checkpoint(made.written(tmp_path, data)).network
    assert network.layers[0].weight.tolist() == [[5e-324, 1e308]]


@pytest.mark.parametrize("index", [5, 2**31, 2**32 - 1])
def test_a_memo_is_no_larger_than_its_program(tmp_path: Path, index: int) -> None:
    program = b"\x80\x02}r" + struct.pack("<I", index) + b"."

    assert refusal(tmp_path, made.with_program(program)).code == "BROKEN_PICKLE"


def test_a_plain_pickle_is_of_no_known_format(tmp_path: Path) -> None:
    assert refusal(tmp_path, pickle.dumps(Command())).code == "UNKNOWN_FORMAT"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd\x00", "a\nb", "\u202egnp.weight", "x" * 257, ""]
)
def test_s5_names_of_tensors_are_plain(tmp_path: Path, name: str) -> None:
    program = made.state_program({name: made.tensor((2, 2), (2, 1), made.storage())})

    assert refusal(tmp_path, made.with_program(program, {"0": bytes(16)})).code == "TENSOR_NAME"
