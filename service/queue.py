"""The queue: it only ever says "there is work".

A message may be lost, doubled, late or out of order, and nothing breaks, because workers claim
the next piece of work from the database and the housekeeper announces forgotten work again.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

from amqp.exceptions import PreconditionFailed
from celery import Celery
from kombu.exceptions import OperationalError

from service.domain import WorkKind
from service.errors import QueueUnavailable
from service.settings import Settings

QueueName = Literal["cpu", "gpu", "validate"]
TASK_NAMES: dict[QueueName, str] = {
    "cpu": "ltforge.cpu",
    "gpu": "ltforge.gpu",
    "validate": "ltforge.validate",
}


def queues_for(kind: WorkKind, cuda: bool) -> list[QueueName]:
    """Which queues hear of work; `cuda` says whether anybody listens to that of the GPUs.

    A job that may run anywhere is announced to both: whoever is free first takes it.
    """
    match kind:
        case "validate":
            return ["validate"]
        case "cpu":
            return ["cpu"]
        case "cuda":
            return ["gpu"] if cuda else []
        case _:
            return ["gpu", "cpu"] if cuda else ["cpu"]


class Queue(Protocol):
    """Where wake-ups go."""

    def wake(self, name: QueueName) -> None:
        """Say to who listens to this queue that there is work; raises QueueUnavailable."""


class CeleryQueue:
    """Wake-ups as Celery messages without arguments."""

    def __init__(self, application: Celery) -> None:
        self._application = application

    def wake(self, name: QueueName) -> None:
        """Send one message; the broker's failure is reported, never waited out."""
        try:
            self._application.send_task(
                TASK_NAMES[name], queue=name, retry=False, confirm_timeout=_CONFIRM_SECONDS
            )
        except self._failures as failure:
            raise QueueUnavailable(_explain(failure)) from failure

    @cached_property
    def _failures(self) -> tuple[type[Exception], ...]:
        """What the broker's library raises, not all of which Celery translates."""
        connection = self._application.connection_for_write()
        found = (*connection.connection_errors, *connection.channel_errors)
        return (OperationalError, OSError, *found)


def _explain(failure: Exception) -> str:
    if isinstance(failure, PreconditionFailed):
        return (
            f"RabbitMQ has the queue as another type than LTFORGE_BROKER_QUEUE_TYPE says: {failure}"
            " Delete the queue (the database announces its work again), or change the setting."
        )
    return f"The broker did not take the message: {failure}"


class MemoryQueue:
    """Wake-ups kept in a list: for tests, and for programs that work the queue themselves."""

    def __init__(self) -> None:
        self.woken: list[QueueName] = []

    def wake(self, name: QueueName) -> None:
        """Remember the wake-up."""
        self.woken.append(name)


def open_queue(settings: Settings) -> CeleryQueue:
    """The queue that the settings name, for sending only."""
    return CeleryQueue(Celery("ltforge", set_as_current=False, **broker_configuration(settings)))


def broker_configuration(settings: Settings) -> dict[str, Any]:
    """Celery's keyword configuration of the broker, the same for senders and workers."""
    if not settings.broker_url:
        folder = settings.data / "broker"
        return _configuration(
            "filesystem://localhost", _folder_options(folder, settings.broker_poll_seconds)
        )
    options: dict[str, Any] = dict(_FEW_TRIES)
    if settings.broker_url.startswith("amqp"):
        # Without the broker's word, a message into a dying connection would count as sent.
        options |= {"confirm_publish": True, "client_properties": {"connection_name": "ltforge"}}
    else:
        options |= {"socket_timeout": 30, "socket_connect_timeout": 5}
    return _configuration(settings.broker_url, options) | {
        "task_create_missing_queue_type": settings.broker_queue_type,
    }


# To connect: two quick tries, not kombu's hundred; callers have the outbox to fall back on.
_FEW_TRIES = {"max_retries": 1, "interval_start": 0.1}
# RabbitMQ that is short of memory or disk takes no messages and does not say so.
_CONFIRM_SECONDS = 5.0


def _configuration(url: str, options: dict[str, Any]) -> dict[str, Any]:
    return {
        "broker": url,
        "broker_transport_options": options,
        "broker_connection_retry_on_startup": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "task_publish_retry": False,
    }


def _folder_options(folder: Path, polling: float) -> dict[str, Any]:
    """The filesystem transport's folders: in and out are the same one, as all sides share it."""
    messages, control = folder / "messages", folder / "control"
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in (folder, messages, control):
        path.mkdir(mode=0o700, exist_ok=True)
    return {
        "data_folder_in": str(messages),
        "data_folder_out": str(messages),
        "control_folder": str(control),
        "polling_interval": polling,
    }
