"""The Celery tasks: a message says that there is work, and nothing else."""

from __future__ import annotations

from typing import Any

from celery import Celery

from service.queue import TASK_NAMES, QueueName
from worker.execution import work_one_job
from worker.validation import validate_one_upload
from worker.work_loop import WorkLoop
from worker.workplace import Place, Workplace


def register_tasks(application: Celery, workplace: Workplace) -> None:
    """Give an application its tasks: one for each queue."""
    stopping = workplace.stopping.is_set

    def work(place: Place) -> bool:
        return work_one_job(workplace, place)

    loops: dict[QueueName, WorkLoop[Any]] = {
        "cpu": WorkLoop(work, workplace.cpu_places, stopping),
        "gpu": WorkLoop(work, workplace.cuda_places, stopping),
        "validate": WorkLoop(lambda _: validate_one_upload(workplace), [None], stopping),
    }
    # Not shared: a second application in one process would inherit these, and with them this
    # workplace.
    for name, loop in loops.items():
        application.task(loop.wake, name=TASK_NAMES[name], shared=False)
