"""The Celery process: light, silent towards the broker, and deaf to it where it counts."""

from __future__ import annotations

import subprocess
import sys

from celery.worker.consumer import Consumer

from service.queue import TASK_NAMES
from service.settings import Settings
from worker.celery_app import create_worker
from worker.consumer import ImmediateConsumer
from worker.workplace import Workplace


def test_the_celery_process_never_loads_the_engine() -> None:
    program = (
        "import sys, worker.celery_app, worker.housekeeper, worker.supervisor\n"
        "print(sorted({'torch', 'numpy', 'numba', 'safetensors'} & set(sys.modules)))"
    )

    answer = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert answer.stdout.strip() == "[]"


def test_messages_are_acknowledged_early_and_leave_no_results(
    settings: Settings, workplace: Workplace
) -> None:
    application = create_worker(settings, workplace)

    assert not application.conf.task_acks_late
    assert application.conf.task_ignore_result
    assert application.conf.accept_content == ["json"]
    assert not application.conf.worker_enable_remote_control
    assert set(TASK_NAMES.values()) <= set(application.tasks)


def test_the_consumer_is_celerys_own_but_for_delayed_tasks(
    settings: Settings, workplace: Workplace
) -> None:
    application = create_worker(settings, workplace)

    left_out = set(Consumer.Blueprint.default_steps) - set(
        ImmediateConsumer.Blueprint.default_steps
    )

    assert [step.rpartition(":")[2] for step in left_out] == ["DelayedDelivery"]
    assert application.conf.worker_consumer == "worker.consumer:ImmediateConsumer"
