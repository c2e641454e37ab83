"""The Celery tasks: a message says that there is work, and nothing else."""

from __future__ import annotations

from celery import Celery

from service.queue import TASK_NAMES
from worker.execution import work_one_job
from worker.validation import validate_one_upload
from worker.work_loop import WorkLoop
from worker.workplace import Workplace


def register_tasks(application: Celery, workplace: Workplace) -> None:
    """Give an application its two tasks."""
    stopping = workplace.stopping.is_set
    jobs = WorkLoop(lambda: work_one_job(workplace), workplace.settings.job_slots, stopping)
    validations = WorkLoop(lambda: validate_one_upload(workplace), 1, stopping)
    # Not shared: a second application in one process would inherit these, and with them this
    # workplace.
    application.task(jobs.wake, name=TASK_NAMES["job"], shared=False)
    application.task(validations.wake, name=TASK_NAMES["validate"], shared=False)
