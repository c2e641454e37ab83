"""Tells an MLflow server of finished constructions, where an operator named one.

Any number of senders may run: a job belongs to who holds its lease. A server that is away costs
nothing but patience: nothing is counted against a job before the server itself refuses it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import asdict
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import structlog

from ltforge.platforms.finished_job import FinishedJob
from service.domain import MlflowDelivery
from service.domain.mlflow import next_try
from service.errors import NotFound, StorageUnavailable
from service.settings import Settings
from service.store import Store
from worker.ticket_files import fetch_ticket

_log = structlog.get_logger(__name__)

# A process that has loaded torch and MLflow tells so many before it ends.
_BATCH = 20
_LEASE_MARGIN_SECONDS = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_LONGEST_ERROR = 2000
# A process that is told to stop must not wait for a server's patience with itself.
_MANNERS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}


class ServerAway(Exception):  # noqa: N818 - an event, as RunnerDied is
    """The server does not answer."""


class MlflowSender:
    """Claims what is due, has a process tell it, and notes what came of it."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._stopped = threading.Event()
        self._teller: _Teller | None = None

    @property
    def wanted(self) -> bool:
        """Whether there is a server to tell, and what that takes is installed."""
        if not self._settings.mlflow_tracking_uri:
            return False
        if find_spec("mlflow") is None or find_spec("pandas") is None:
            _log.error(
                "LTFORGE_MLFLOW_TRACKING_URI is set, but MLflow is not installed; "
                "run: pip install 'ltforge[server,mlflow]'"
            )
            return False
        return True

    def run(self) -> None:
        """Tell until told to stop."""
        pause, adopted = 0.0, False
        while not self._stopped.wait(pause):
            try:
                if not adopted:
                    self.adopt()
                    adopted = True
                pause = 0.0 if self.round() else self._settings.housekeeping_seconds
            except (ServerAway, StorageUnavailable, OSError) as failure:
                pause = min(max(2 * pause, _FIRST_PAUSE), _LONGEST_PAUSE)
                _log.warning("telling MLflow is interrupted", error=str(failure), seconds=pause)

    def stop(self) -> None:
        """Tell nothing more; what is under way is given back, to be told from the beginning."""
        self._stopped.set()
        teller = self._teller
        if teller is not None:
            teller.kill()

    def round(self) -> int:
        """Tell what is due, at most a batch; how many jobs. Raises ServerAway."""
        with self._store.read() as tx:
            if not tx.mlflow_deliveries.any_due():
                return 0
        with _Teller(self._settings) as self._teller:
            told = 0
            while told < _BATCH and not self._stopped.is_set() and self._tell_next(self._teller):
                told += 1
        return told

    def adopt(self) -> None:
        """Have jobs told that ended under a release which knew nothing of MLflow."""
        with self._store.begin() as tx:
            adopted = tx.mlflow_deliveries.adopt()
        if adopted:
            _log.info("jobs of an older release will be told to MLflow", jobs=adopted)

    def _tell_next(self, teller: _Teller) -> bool:
        """Tell one job; False: none is due."""
        lease_seconds = self._settings.mlflow_seconds + _LEASE_MARGIN_SECONDS
        with self._store.begin() as tx:
            claimed = tx.mlflow_deliveries.claim(1, lease_seconds)
        if not claimed:
            return False
        (delivery,) = claimed
        folder = self._settings.scratch / delivery.lease_token
        folder.mkdir(mode=0o700, parents=True)
        try:
            answer = teller.ask(self._request(delivery, folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self._settle(delivery, answer)
        return teller.alive

    def _settle(self, delivery: MlflowDelivery, answer: dict[str, Any]) -> None:
        away = bool(answer.get("away"))
        with self._store.begin() as tx:
            if "run" in answer:
                tx.mlflow_deliveries.delivered(delivery, answer["run"])
            elif away or self._stopped.is_set():
                tx.mlflow_deliveries.release(delivery)
            else:
                error = answer["error"][:_LONGEST_ERROR].replace("\0", "")
                tx.mlflow_deliveries.refused(delivery, error, next_try(delivery.tries + 1))
        if away:
            raise ServerAway(answer["error"])
        _log.info("told MLflow", job_id=delivery.job.id, **answer)

    def _request(self, delivery: MlflowDelivery, folder: Path) -> dict[str, Any]:
        settings = self._settings
        place = {
            "tracking_uri": settings.mlflow_tracking_uri,
            "experiment": f"{settings.mlflow_experiment}/{delivery.tenant}",
            "registered_model": settings.mlflow_registered_model or None,
            "largest_model": settings.mlflow_model_cells,
        }
        return {"place": place, "job": asdict(self._finished_job(delivery, folder))}

    def _finished_job(self, delivery: MlflowDelivery, folder: Path) -> FinishedJob:
        job = delivery.job
        ticket: Path | None = None
        if job.ticket_id is not None:
            ticket = folder / "ticket.safetensors"
            try:
                fetch_ticket(job.tenant_id, job.ticket_id, ticket, self._store)
            except NotFound:
                # Deleted a moment ago: its figures are told nevertheless.
                ticket = None
        report = job.report or {}
        return FinishedJob(
            id=job.id,
            specification=report.get("specification", job.spec),
            report=report,
            ticket=ticket,
            ticket_id=job.ticket_id,
            checkpoint_id=job.checkpoint_id,
            parent_id=job.parent_id,
            tenant=delivery.tenant,
            labels=job.labels,
            error=None if job.error is None else (job.error.code, job.error.detail),
            started=job.started_at,
            finished=job.finished_at,
        )


class _Teller:
    """The process that talks to MLflow: it starts with the first question and ends with us."""

    def __init__(self, settings: Settings) -> None:
        self._seconds = settings.mlflow_seconds
        # The service's own settings, with the credentials among them, are none of its business.
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("LTFORGE_")
        }
        attached = [sys.executable, "-m", "worker.attachment", str(os.getpid())]
        self._process = subprocess.Popen(
            [*attached, "worker.mlflow_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_MANNERS | inherited,
            text=True,
        )

    def __enter__(self) -> _Teller:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        with self._process:
            pass

    @property
    def alive(self) -> bool:
        """Whether it can be asked more."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it; who waits for its answer has none."""
        self._process.kill()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Its answer; an error where it died or took too long."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        deadline = threading.Timer(self._seconds, self._process.kill)
        deadline.start()
        try:
            self._process.stdin.write(json.dumps(request, default=_plain) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            deadline.cancel()
        # A line that was cut off is no answer either.
        if not line.endswith("\n"):
            self._process.wait()
            return {"error": f"no answer within {self._seconds} seconds, or a process that died"}
        answer: dict[str, Any] = json.loads(line)
        return answer


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
