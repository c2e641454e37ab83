"""Uploads: streamed, digest compared, repeated where safe, refused by name."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ltforge import (
    Client,
    LTForgeError,
    ServiceFailureError,
    TooLargeError,
    UploadRejectedError,
    WaitTimeoutError,
)
from tests.ltforge.contract_server import LARGEST_UPLOAD, ContractServer, Fault


@pytest.fixture
def checkpoint_file(tmp_path: Path) -> Path:
    path = tmp_path / "network.safetensors"
    path.write_bytes(bytes(range(256)) * 12000)
    return path


def test_an_upload_carries_the_file_and_reports_bytes_sent(
    client: Client, checkpoint_file: Path
) -> None:
    sent: list[tuple[int, int]] = []

    checkpoint = client.upload_checkpoint(
        checkpoint_file, on_progress=lambda done, total: sent.append((done, total))
    )

    content = checkpoint_file.read_bytes()
    assert checkpoint.sha256 == hashlib.sha256(content).hexdigest()
    assert checkpoint.name == "network.safetensors"
    assert checkpoint.status == "validating"
    assert not checkpoint.terminal
    assert sent == [(len(content), len(content))]


def test_the_same_bytes_again_are_the_same_checkpoint(
    client: Client, checkpoint_file: Path
) -> None:
    first = client.upload_checkpoint(checkpoint_file)

    assert client.upload_checkpoint(checkpoint_file, name="other").id == first.id


@pytest.mark.parametrize("kind", ["drop", "status"])
def test_an_upload_is_repeated_in_full_after_a_passing_failure(
    client: Client, server: ContractServer, checkpoint_file: Path, kind: str
) -> None:
    server.state.faults.append(Fault("POST", "/v1/checkpoints", kind))

    checkpoint = client.upload_checkpoint(checkpoint_file)

    assert checkpoint.bytes == checkpoint_file.stat().st_size
    assert server.state.count("POST", "/v1/checkpoints") == 2


def test_an_upload_that_the_service_failed_on_is_not_repeated(
    client: Client, server: ContractServer, checkpoint_file: Path
) -> None:
    server.state.faults.append(Fault("POST", "/v1/checkpoints", "status", status=500))

    with pytest.raises(ServiceFailureError) as caught:
        client.upload_checkpoint(checkpoint_file)

    assert caught.value.status == 500
    assert server.state.count("POST", "/v1/checkpoints") == 1


def test_a_file_over_the_limit_is_refused_by_name(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "large.safetensors"
    path.write_bytes(bytes(LARGEST_UPLOAD + 1))

    with pytest.raises(TooLargeError) as caught:
        client.upload_checkpoint(path)

    assert caught.value.code == "TOO_LARGE"
    assert caught.value.request_id == "req_1"


def test_a_missing_file_is_named_before_anything_is_sent(
    client: Client, server: ContractServer, tmp_path: Path
) -> None:
    with pytest.raises(LTForgeError) as caught:
        client.upload_dataset(tmp_path / "absent.npz")

    assert caught.value.code == "FILE_UNREADABLE"
    assert server.state.requests == []


def test_waiting_for_an_upload_follows_it_until_it_is_ready(
    client: Client, server: ContractServer, checkpoint_file: Path
) -> None:
    server.state.upload_script = [{}, {"status": "ready", "summary": {"parameters": 7}}]

    ready = client.upload_dataset(checkpoint_file).wait(timeout=5)

    assert ready.status == "ready"
    assert ready.summary == {"parameters": 7}


def test_a_rejected_upload_is_an_error_with_the_services_reason(
    client: Client, server: ContractServer, checkpoint_file: Path
) -> None:
    rejection = {"code": "INVALID_CHECKPOINT", "detail": "layer 2 holds a NaN"}
    server.state.upload_script = [{"status": "rejected", "rejection": rejection}]

    with pytest.raises(UploadRejectedError) as caught:
        client.upload_checkpoint(checkpoint_file).wait(timeout=5)

    assert (caught.value.code, caught.value.detail) == ("INVALID_CHECKPOINT", "layer 2 holds a NaN")


def test_a_state_of_the_future_does_not_end_the_wait(
    client: Client, server: ContractServer, checkpoint_file: Path
) -> None:
    server.state.upload_script = [{"status": "scanning"}]

    with pytest.raises(WaitTimeoutError):
        client.upload_checkpoint(checkpoint_file).wait(timeout=0.2)
