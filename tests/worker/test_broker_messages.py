"""Whoever can write to the broker can wake workers, and nothing else."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kombu.connection import Connection
from kombu.entity import Queue

from service.queue import TASK_NAMES, broker_configuration, open_queue
from service.settings import Settings
from service.store import Store
from tests.waiting import wait_until
from tests.worker.conftest import Submit


class Payload:
    """Runs a command wherever it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (self.command,)


def forged_messages(trace: Path) -> list[tuple[str, str, bytes]]:
    """Task name, content type and body of messages that nobody of ours sends."""
    command = f"touch {trace}"
    task = TASK_NAMES["cpu"]
    pickled = pickle.dumps(((Payload(command),), {}, {}))
    arguments = f'[["../../etc/passwd", "{command}"], {{"command": "{command}"}}, {{}}]'.encode()
    later = f'[[], {{}}, {{"callbacks": [{{"task": "os.system", "args": ["{command}"]}}]}}]'
    return [
        (task, "application/x-python-serialize", pickled),
        (task, "application/x-yaml", f"!!python/object/apply:os.system ['{command}']".encode()),
        (task, "application/json", arguments),
        (task, "application/json", later.encode()),
        (task, "application/json", b"no document"),
        ("os.system", "application/json", f'[["{command}"], {{}}, {{}}]'.encode()),
        (
            "celery.chain",
            "application/json",
            f'[[[["os.system", "{command}"]]], {{}}, {{}}]'.encode(),
        ),
    ]


def send(settings: Settings, messages: list[tuple[str, str, bytes]]) -> None:
    configured = broker_configuration(settings)
    options = configured["broker_transport_options"]
    with Connection(configured["broker"], transport_options=options) as connection:
        producer = connection.Producer()
        for number, (task, content_type, body) in enumerate(messages):
            producer.publish(
                body,
                routing_key="cpu",
                declare=[Queue("cpu", routing_key="cpu")],
                content_type=content_type,
                content_encoding="binary",
                headers={"task": task, "id": f"forged-{number}", "lang": "py"},
            )


@contextmanager
def working(settings: Settings, log: Path) -> Iterator[None]:
    """A Celery worker as it is started in earnest."""
    environment = os.environ | {
        "LTFORGE_DATA": str(settings.data),
        "LTFORGE_DATABASE_URL": settings.database_url,
    }
    with log.open("w") as output:
        command = [sys.executable, "-m", "worker.attachment", str(os.getpid()), "worker.celery_app"]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            yield
            assert process.poll() is None, log.read_text()
        finally:
            process.terminate()
            process.wait(timeout=60)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_b2_a_forged_message_wakes_a_worker_at_most(
    settings: Settings, store: Store, submit: Submit, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    messages = settings.data / "broker" / "messages"
    # Its checkpoint's file does not exist, so the job fails as soon as a worker takes it.
    job = submit("succeed")
    send(settings, forged_messages(trace))
    assert len(list(messages.iterdir())) == len(forged_messages(trace))

    with working(settings, tmp_path / "log"):
        wait_until(lambda: not list(messages.iterdir()), 60, "all forged messages are taken")
        open_queue(settings).wake("cpu")

        def ended() -> bool:
            with store.read() as tx:
                return tx.jobs.get(job.tenant_id, job.id).status.terminal

        wait_until(ended, 60, "an honest message still wakes the worker")

    assert not trace.exists()
