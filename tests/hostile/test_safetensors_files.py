"""Cases S1 to S5: safetensors files that break their format's rules, or are made to be costly."""

from __future__ import annotations

import json
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from ltengine.checkpoint import read_checkpoint
from ltengine.errors import CheckpointError
from tests.hostile.torch_archives import written

GOOD = {"0.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}


def safetensors(header: Any, data: bytes = bytes(16), length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def refused(folder: Path, data: bytes) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(written(folder, data))
    assert len(caught.value.detail) < 500
    return caught.value.code


def entry(**changes: Any) -> dict[str, Any]:
    return {"0.weight": {**GOOD["0.weight"], **changes}}


def pair(first: list[int], second: list[int]) -> dict[str, Any]:
    return {
        "0.weight": {"dtype": "F32", "shape": [2], "data_offsets": first},
        "1.weight": {"dtype": "F32", "shape": [2], "data_offsets": second},
    }


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (safetensors(GOOD, length=2**63), "HEADER_TOO_LARGE"),
        (safetensors(GOOD, length=2**64 - 1), "HEADER_TOO_LARGE"),
        (safetensors(GOOD, length=99 << 20), "HEADER_TOO_LARGE"),
        (safetensors(GOOD, length=5000), "INVALID_SAFETENSORS"),
        (safetensors(pair([0, 8], [4, 12])), "INVALID_SAFETENSORS"),
        (safetensors(pair([0, 8], [8, 16]), bytes(17)), "INVALID_SAFETENSORS"),
        (safetensors(pair([0, 8], [9, 17]), bytes(17)), "INVALID_SAFETENSORS"),
        (safetensors(pair([0, 8], [0, 8]), bytes(8)), "INVALID_SAFETENSORS"),
        (safetensors(entry(data_offsets=[0, 15]), bytes(15)), "INVALID_SAFETENSORS"),
        (safetensors(entry(data_offsets=[16, 0])), "INVALID_SAFETENSORS"),
        (safetensors(entry(data_offsets=[-16, 0])), "INVALID_SAFETENSORS"),
        (safetensors(entry(data_offsets=[0, 2**70])), "INVALID_SAFETENSORS"),
        (safetensors(entry(data_offsets=[0.0, 16.0])), "INVALID_SAFETENSORS"),
        (safetensors(entry(shape=[2**32, 2**32])), "INVALID_SAFETENSORS"),
        (safetensors(entry(shape="22")), "INVALID_SAFETENSORS"),
        (safetensors(entry(shape=[True, 4])), "INVALID_SAFETENSORS"),
        (safetensors(entry(dtype=["F32"])), "TENSOR_TYPE"),
        (safetensors(entry(dtype="I64")), "TENSOR_TYPE"),
        (safetensors(entry(dtype="F8_E4M3")), "TENSOR_TYPE"),
        (safetensors(entry(surprise=1)), "INVALID_SAFETENSORS"),
        (safetensors({**GOOD, "__metadata__": [[["x"]]]}), "INVALID_SAFETENSORS"),
        (safetensors({**GOOD, "__metadata__": {"a": {"b": 1}}}), "INVALID_SAFETENSORS"),
        (safetensors({"0.weight": 7}), "INVALID_SAFETENSORS"),
        (safetensors(b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "HEADER_NOT_JSON"),
        (safetensors(b'{"a": ' + b"9" * 10_000 + b"}"), "HEADER_NOT_JSON"),
        (safetensors(b'{"\xff": 1}'), "HEADER_NOT_JSON"),
        (safetensors({}, b""), "NO_LAYERS"),
    ],
)
def test_s1_a_file_that_breaks_the_format_is_refused_by_name(
    tmp_path: Path, data: bytes, code: str
) -> None:
    assert refused(tmp_path, data) == code


def test_s2_a_header_of_a_million_tensors_costs_nothing(tmp_path: Path) -> None:
    one = b'"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},'
    many = b"{" + b"".join(one % number for number in range(100_000)) + b'"z":0}'
    huge = safetensors(many + b" " * (79 << 20))
    tracemalloc.start()

    code = refused(tmp_path, huge)

    assert code == "HEADER_TOO_LARGE"
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert refused(tmp_path, safetensors(many)) == "TOO_MANY_TENSORS"


@pytest.mark.parametrize("shape", [[0, 2**62], [2, 0], [], [1] * 9, [-2, -2]])
def test_s3_empty_and_odd_shapes_are_refused(tmp_path: Path, shape: list[int]) -> None:
    size = 4 if not shape or shape == [1] * 9 else 0
    header = entry(shape=shape, data_offsets=[0, size])

    code = refused(tmp_path, safetensors(header, bytes(size)))

    assert code == ("UNSUPPORTED_TENSOR" if not shape else "TENSOR_SHAPE")


def test_s4_a_name_given_twice_is_refused(tmp_path: Path) -> None:
    good = json.dumps(GOOD)[1:-1].encode()
    inner = b'{"0.weight":{"dtype":"F32","shape":[2,2],"shape":[1,4],"data_offsets":[0,16]}}'

    assert refused(tmp_path, safetensors(b"{" + good + b"," + good + b"}")) == "DUPLICATE_TENSOR"
    assert refused(tmp_path, safetensors(inner)) == "DUPLICATE_TENSOR"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd\x00", "a b", "", "x" * 257, "\u202egnp.weight", "a\nb", "\ud800"]
)
def test_s5_names_of_tensors_are_plain(tmp_path: Path, name: str) -> None:
    assert refused(tmp_path, safetensors({name: GOOD["0.weight"]})) == "TENSOR_NAME"


def test_s5_a_name_that_looks_like_a_path_is_a_name(tmp_path: Path) -> None:
    header = {"../../tmp/x.weight": GOOD["0.weight"]}
    data = safetensors(header, struct.pack("<4f", 1, 2, 3, 4))

    network = read_checkpoint(written(tmp_path, data)).network

    assert network.layers[0].name == "../../tmp/x"
    assert [path.name for path in tmp_path.iterdir()] == ["upload"]
