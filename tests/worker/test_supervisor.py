"""`ltforge serve` refuses by name what it cannot do."""

from __future__ import annotations

import fcntl
import socket
from pathlib import Path

import pytest

from service.errors import ServiceError
from service.settings import Settings
from worker.supervisor import serve


def test_a_data_folder_has_one_supervisor(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        with pytest.raises(ServiceError) as refusal:
            serve(Settings(data=tmp_path))

    assert refusal.value.code == "DATA_FOLDER_IN_USE"


def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(ServiceError, match=str(port)) as refusal:
            serve(Settings(data=tmp_path, port=port))

    assert refusal.value.code == "ADDRESS_UNAVAILABLE"
    assert not (tmp_path / "ltforge.sqlite").exists()
