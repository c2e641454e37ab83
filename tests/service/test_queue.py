"""The queue reaches both brokers, and says so when a broker is away."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Literal

import pytest
import redis
from kombu import pools
from kombu.connection import Connection
from pydantic import ValidationError

from service.errors import QueueUnavailable
from service.queue import MemoryQueue, Queue, open_queue
from service.settings import Settings
from tests.conftest import redis_server
from tests.rabbitmq import close_connections
from tests.waiting import wait_until


def test_b2_the_embedded_broker_is_a_private_folder_of_the_data_folder(tmp_path: Path) -> None:
    queue = open_queue(Settings(data=tmp_path))

    queue.wake("cpu")

    messages = list((tmp_path / "broker" / "messages").iterdir())
    assert len(messages) == 1
    assert "ltforge.cpu" in messages[0].read_text()
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


BrokerQueueType = Literal["classic", "quorum"]


def waiting(url: str, name: str) -> int:
    """How many messages wait in a queue of RabbitMQ."""
    with Connection(url) as connection:
        return int(connection.channel().queue_declare(name, passive=True).message_count)


@pytest.mark.slow
def test_a_message_reaches_rabbitmq_even_after_it_hung_up(
    tmp_path: Path, rabbitmq_url: str
) -> None:
    """What was sent before the connection broke is there, and nothing that was refused."""
    queue = open_queue(Settings(data=tmp_path, broker_url=rabbitmq_url))
    queue.wake("validate")
    close_connections(rabbitmq_url)

    def sent() -> bool:
        try:
            queue.wake("validate")
        except QueueUnavailable:
            return False
        return True

    wait_until(sent, 10, "the queue connects again")

    assert waiting(rabbitmq_url, "validate") == 2


@pytest.mark.slow
@pytest.mark.parametrize(("chosen", "other"), [("classic", "quorum"), ("quorum", "classic")])
def test_a_queue_has_the_chosen_type_and_another_one_is_named(
    tmp_path: Path, rabbitmq_url: str, chosen: BrokerQueueType, other: BrokerQueueType
) -> None:
    with Connection(rabbitmq_url) as connection:
        connection.channel().queue_delete("cpu")
    pools.reset()

    def wake(queue_type: BrokerQueueType) -> None:
        settings = Settings(data=tmp_path, broker_url=rabbitmq_url, broker_queue_type=queue_type)
        open_queue(settings).wake("cpu")

    wake(chosen)

    assert waiting(rabbitmq_url, "cpu") == 1
    # What this process declared is remembered with its connections.
    pools.reset()
    with pytest.raises(QueueUnavailable, match="LTFORGE_BROKER_QUEUE_TYPE"):
        wake(other)


@pytest.mark.slow
def test_redis_that_hung_up_is_named_or_reached_again(tmp_path: Path) -> None:
    number = "14"
    url = f"{redis_server().rpartition('/')[0]}/{number}"
    queue = open_queue(Settings(data=tmp_path, broker_url=url))
    queue.wake("validate")
    client = redis.Redis.from_url(f"{redis_server().rpartition('/')[0]}/0")
    for connected in client.client_list():
        if connected["db"] == number:
            client.client_kill_filter(_id=connected["id"])

    def sent() -> bool:
        try:
            queue.wake("validate")
        except QueueUnavailable:
            return False
        return True

    wait_until(sent, 10, "the queue connects again")

    client.select(int(number))
    client.delete("validate")
    client.close()


def test_a_broker_that_is_none_of_ours_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="amqp://"):
        Settings(data=tmp_path, broker_url="sqs://key@")


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_is_away_is_named_at_once(tmp_path: Path, scheme: str) -> None:
    queue = open_queue(Settings(data=tmp_path, broker_url=f"{scheme}://127.0.0.1:1/0"))
    started = time.monotonic()

    with pytest.raises(QueueUnavailable):
        queue.wake("cpu")

    assert time.monotonic() - started < 5


def test_the_queue_of_tests_remembers() -> None:
    memory = MemoryQueue()
    queue: Queue = memory

    queue.wake("cpu")

    assert memory.woken == ["cpu"]
