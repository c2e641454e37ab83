"""The Celery worker. `python -m worker.celery_app` runs one, configured by LTFORGE_*."""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.signals import worker_shutting_down

from service.logs import configure_logs
from service.queue import TASK_NAMES, QueueName, broker_configuration
from service.settings import Settings
from service.tracing import send_spans, start_tracing
from worker.machine import cuda_devices
from worker.registration import Registration
from worker.tasks import register_tasks
from worker.workplace import Workplace, open_workplace


def create_worker(settings: Settings, workplace: Workplace | None = None) -> Celery:
    """A Celery application whose tasks work at a workplace.

    Tasks run in threads: a forked child could not use what its parent opened, and the work itself
    is done by runner processes. One thread per job, one to validate, one to take wake-ups that
    find all places taken.
    """
    workplace = workplace or open_workplace(settings)
    application = Celery("ltforge", set_as_current=False, **broker_configuration(settings))
    application.conf.update(
        # Acknowledged early: the row's lease, not the message, says whether a job is taken.
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_concurrency=settings.job_slots + len(workplace.cuda_runners) + 2,
        worker_pool="threads",
        worker_consumer="worker.consumer:ImmediateConsumer",
        worker_enable_remote_control=False,
        worker_redirect_stdouts=False,
        worker_soft_shutdown_timeout=0,
    )
    register_tasks(application, workplace)
    return application


def main() -> None:
    """Work until told to stop: by SIGTERM, running jobs go back to the queue, uncounted."""
    configure_logs()
    start_tracing("worker")
    settings = Settings()
    devices = cuda_devices()[: settings.cuda_devices]
    workplace = open_workplace(settings, cuda_devices=devices)
    registration = Registration(workplace.describe(), workplace.store, settings)

    def stop(**_: Any) -> None:
        workplace.stopping.set()

    worker_shutting_down.connect(stop)
    # From this thread, which lives as long as the process: runners die with their starter.
    for runners in (workplace.runners, *workplace.cuda_runners):
        runners.warm()
    registration.begin()
    try:
        create_worker(settings, workplace).worker_main(
            [
                "--quiet",
                "worker",
                "--queues",
                ",".join(_queues(workplace)),
                "--loglevel",
                "WARNING",
                *_QUIET,
            ]
        )
    finally:
        registration.end()
        workplace.close()
        send_spans(wait=True)


def _queues(workplace: Workplace) -> list[QueueName]:
    """Only who has a CUDA device takes messages for such."""
    return [name for name in TASK_NAMES if name != "gpu" or workplace.cuda_devices]


# Workers neither gossip nor mingle: the database coordinates them.
_QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat"]


if __name__ == "__main__":
    main()
