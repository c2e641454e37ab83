"""The queue reaches both brokers, and says so when a broker is away."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest
import redis

from service.errors import QueueUnavailable
from service.queue import MemoryQueue, Queue, open_queue
from service.settings import Settings
from tests.conftest import redis_server


def test_b2_the_embedded_broker_is_a_private_folder_of_the_data_folder(tmp_path: Path) -> None:
    queue = open_queue(Settings(data=tmp_path))

    queue.wake("job")

    messages = list((tmp_path / "broker" / "messages").iterdir())
    assert len(messages) == 1
    assert "ltforge.job" in messages[0].read_text()
    for folder in ("broker", "broker/messages", "broker/control"):
        assert (tmp_path / folder).stat().st_mode & 0o077 == 0


def test_b2_a_message_holds_no_ids_no_paths_and_no_code(tmp_path: Path) -> None:
    open_queue(Settings(data=tmp_path)).wake("validate")

    (file,) = (tmp_path / "broker" / "messages").iterdir()
    message = json.loads(file.read_text())
    arguments, keywords, _ = json.loads(base64.b64decode(message["body"]))
    assert message["content-type"] == "application/json"
    assert message["headers"]["task"] == "ltforge.validate"
    assert (arguments, keywords) == ([], {})


@pytest.mark.slow
def test_a_message_reaches_redis_in_the_queue_of_its_kind(tmp_path: Path) -> None:
    url = f"{redis_server().rpartition('/')[0]}/0"
    client = redis.Redis.from_url(url)
    before = client.llen("validate")

    open_queue(Settings(data=tmp_path, broker_url=url)).wake("validate")

    assert client.llen("validate") == before + 1
    client.rpop("validate")
    client.close()


def test_a_broker_that_is_away_is_named_at_once(tmp_path: Path) -> None:
    queue = open_queue(Settings(data=tmp_path, broker_url="redis://127.0.0.1:1/0"))
    started = time.monotonic()

    with pytest.raises(QueueUnavailable):
        queue.wake("job")

    assert time.monotonic() - started < 5


def test_the_queue_of_tests_remembers() -> None:
    memory = MemoryQueue()
    queue: Queue = memory

    queue.wake("job")

    assert memory.woken == ["job"]
