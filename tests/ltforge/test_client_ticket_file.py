"""A ticket in hand: its masks, its PyTorch module, its verification; and what each needs."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from ltengine.activation import ACTIVATIONS
from ltengine.evaluation import compact, evaluate_ticket
from ltengine.sparse_network import rebuild
from ltengine.ticket_file import read_ticket_bytes
from ltforge import Client, LTForgeError, Ticket, TicketFile
from ltforge.torch_module import NamedActivation
from tests.ltforge.contract_server import API_KEY, ContractServer

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def ticket_path(tmp_path: Path, small_ticket: bytes) -> Path:
    path = tmp_path / "ticket.safetensors"
    path.write_bytes(small_ticket)
    return path


def test_a_file_says_what_it_is(ticket_path: Path, small_ticket: bytes) -> None:
    ticket = Ticket.load(ticket_path)
    read, digest = read_ticket_bytes(small_ticket)

    assert (ticket.digest, ticket.seed, ticket.widths) == (digest, 3, read.widths)
    assert ticket.save(ticket_path.with_name("copy")).read_bytes() == small_ticket


def test_masks_hold_the_kept_cells_of_every_layer(small_ticket: bytes) -> None:
    read, _ = read_ticket_bytes(small_ticket)

    masks = TicketFile(small_ticket).masks()

    assert sum(mask.cells for mask in masks) == read.parameters
    for mask, layer in zip(masks, read.layers, strict=True):
        dense = mask.dense()
        assert dense.shape == (layer.width, layer.mask.inputs)
        assert np.array_equal(np.nonzero(dense)[1], layer.mask.columns)


def test_the_torch_module_computes_what_the_engine_computes(small_ticket: bytes) -> None:
    layers = compact(rebuild(read_ticket_bytes(small_ticket)[0]))
    inputs = np.random.default_rng(0).uniform(-0.4, 2.8, (50, 4)).astype(np.float32)

    module = TicketFile(small_ticket).to_torch()

    outputs = module(torch.from_numpy(inputs)).numpy()
    assert list(module.parameters()) == []
    np.testing.assert_allclose(outputs, evaluate_ticket(layers, inputs), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_is_the_engines(name: str) -> None:
    x = np.linspace(-4, 4, 101, dtype=np.float32)

    found = NamedActivation(ACTIVATIONS[name])(torch.from_numpy(x)).numpy()

    np.testing.assert_allclose(found, ACTIVATIONS[name].value(x), rtol=1e-4, atol=2e-6)


def test_a_ticket_is_verified_against_its_checkpoint_and_no_other(
    small_ticket: bytes, small_checkpoint: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.safetensors"
    save_file({"0.weight": np.ones((3, 4), np.float32)}, other)

    verdict = TicketFile(small_ticket).verify(small_checkpoint)

    assert verdict["valid"]
    assert 0 < verdict["largest_parameter_error"] <= 0.01
    refused = TicketFile(small_ticket).verify(other)
    assert not refused["valid"]
    assert refused["reasons"][0].startswith("TARGET_MISMATCH")
    altered = bytearray(small_ticket)
    altered[-1] ^= 1
    assert "DIGEST_MISMATCH" in TicketFile(bytes(altered)).verify(small_checkpoint)["reasons"][0]


@pytest.mark.parametrize(
    "content", [b"", b"short", struct.pack("<Q", 2) + b"{}", struct.pack("<Q", 4) + b"null"]
)
def test_what_is_no_ticket_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    with pytest.raises(LTForgeError, match="NOT_A_TICKET"):
        Ticket.load(path)
    with pytest.raises(LTForgeError, match="FILE_UNREADABLE"):
        Ticket.load(tmp_path / "absent")


def test_a_missing_checkpoint_is_named(small_ticket: bytes, tmp_path: Path) -> None:
    with pytest.raises(LTForgeError, match="FILE_UNREADABLE"):
        TicketFile(small_ticket).verify(tmp_path / "absent")


def test_an_id_is_fetched_from_the_service(
    server: ContractServer, small_ticket: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.state.serve_ticket(small_ticket)
    monkeypatch.setenv("LTFORGE_URL", server.url)
    monkeypatch.setenv("LTFORGE_API_KEY", API_KEY)

    with Client(server.url, API_KEY) as client:
        assert Ticket.load("tkt_1", client).content == small_ticket
    assert Ticket.load("tkt_1").content == small_ticket

    monkeypatch.delenv("LTFORGE_API_KEY")
    with pytest.raises(LTForgeError, match="NO_API_KEY"):
        Ticket.load("tkt_1")


@pytest.mark.parametrize(
    ("hidden", "call"),
    [("numpy", "masks()"), ("torch", "to_torch()"), ("numba", "verify('checkpoint')")],
)
def test_what_is_not_installed_is_named_with_its_extra(
    ticket_path: Path, hidden: str, call: str
) -> None:
    program = (
        f"import sys; sys.modules[{hidden!r}] = None\n"
        f"import ltforge, json\n"
        f"ticket = ltforge.TicketFile.read({str(ticket_path)!r})\n"
        f"assert ticket.widths\n"
        f"try: ticket.{call}\n"
        f"except ltforge.MissingExtraError as error: print(json.dumps([error.code, error.detail]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    code, detail = json.loads(answer.stdout)
    assert code == "MISSING_EXTRA"
    assert hidden in detail
    assert 'pip install "ltforge[engine]"' in detail
