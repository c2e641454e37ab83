"""Conversion of real files in the real sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from service.settings import Settings
from worker.sandbox import Accepted, Rejected, Verdict, conversion_command, run_sandboxed

pytestmark = pytest.mark.slow


@pytest.fixture
def tensors() -> dict[str, Any]:
    generator = np.random.default_rng(0)
    return {
        "fc0.weight": generator.normal(size=(4, 6)).astype(np.float32),
        "fc0.bias": generator.normal(size=4).astype(np.float32),
        "fc1.weight": generator.normal(size=(3, 4)).astype(np.float32),
        "fc1.bias": generator.normal(size=3).astype(np.float32),
    }


def convert(kind: str, source: Path, tmp_path: Path, **limits: Any) -> Verdict:
    command = conversion_command(
        kind, source, tmp_path / "canonical", Settings(data=tmp_path, **limits)
    )
    return run_sandboxed(command, tmp_path, 60, lambda: None)


def test_a_safetensors_file_becomes_canonical(tensors: dict[str, Any], tmp_path: Path) -> None:
    save_file(tensors, tmp_path / "upload")

    verdict = convert("checkpoint", tmp_path / "upload", tmp_path)

    assert isinstance(verdict, Accepted), verdict
    assert verdict.summary["format"] == "safetensors"
    canonical = load_file(tmp_path / "canonical")
    np.testing.assert_array_equal(canonical["layer.0.weight"], tensors["fc0.weight"])


def test_a_state_dict_becomes_the_same_network(tensors: dict[str, Any], tmp_path: Path) -> None:
    save_file(tensors, tmp_path / "safe")
    torch.save({name: torch.from_numpy(a) for name, a in tensors.items()}, tmp_path / "torch")

    verdicts = [convert("checkpoint", tmp_path / name, tmp_path) for name in ("safe", "torch")]

    assert all(isinstance(verdict, Accepted) for verdict in verdicts), verdicts
    digests = {verdict.summary["digest"] for verdict in verdicts if isinstance(verdict, Accepted)}
    assert len(digests) == 1


def test_a_canonical_file_converts_to_itself(tensors: dict[str, Any], tmp_path: Path) -> None:
    save_file(tensors, tmp_path / "upload")
    convert("checkpoint", tmp_path / "upload", tmp_path)
    once = (tmp_path / "canonical").read_bytes()
    (tmp_path / "again").write_bytes(once)

    convert("checkpoint", tmp_path / "again", tmp_path)

    assert load_file(tmp_path / "canonical").keys() == load_file(tmp_path / "again").keys()


def test_a_data_set_keeps_its_numbers(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((5, 2, 3), np.float32)
    np.savez(tmp_path / "upload.npz", x=x, y=np.array([0, 1, 2, 1, 0]))

    verdict = convert("dataset", tmp_path / "upload.npz", tmp_path)

    assert verdict == Accepted({"samples": 5, "inputs": 6, "classes": 3})
    with np.load(tmp_path / "canonical") as canonical:
        np.testing.assert_array_equal(canonical["x"], x.reshape(5, 6))


@pytest.mark.parametrize("kind", ["checkpoint", "dataset"])
def test_what_is_neither_is_rejected_by_name(kind: str, tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(b"PK\x03\x04 this only looks like an archive")

    verdict = convert(kind, tmp_path / "upload", tmp_path)

    assert isinstance(verdict, Rejected)
    assert verdict.problem.code not in {"CONVERSION_CRASHED", "CONVERSION_TIMEOUT"}
    assert not (tmp_path / "canonical").exists()


def test_a_conversion_that_needs_too_much_memory_is_rejected_by_name(
    tensors: dict[str, Any], tmp_path: Path
) -> None:
    save_file(tensors, tmp_path / "upload")

    verdict = convert("checkpoint", tmp_path / "upload", tmp_path, conversion_memory_bytes=60 << 20)

    assert isinstance(verdict, Rejected)
    assert verdict.problem.code in {"CONVERSION_OUT_OF_MEMORY", "CONVERSION_CRASHED"}
