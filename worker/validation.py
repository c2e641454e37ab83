"""One validation: claim an upload, convert it in the sandbox, record the verdict."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars

from service.domain import ValidationTask
from service.store import Transaction
from service.store.uploads import CheckpointRepository, DatasetRepository
from worker.lease import LeaseLost
from worker.sandbox import Accepted, Rejected, Verdict, conversion_command, run_sandboxed
from worker.workplace import Workplace

_log = structlog.get_logger(__name__)
_COPY_BYTES = 1 << 20


class _Stopping(Exception):  # noqa: N818 - an event, not a fault
    """The worker is to stop; the upload goes back."""


def validate_one_upload(workplace: Workplace) -> bool:
    """Claim the next upload and decide about it; False if there was none."""
    lease_seconds = workplace.settings.lease_seconds
    with workplace.store.begin() as tx:
        task = tx.checkpoints.claim_validation(workplace.name, lease_seconds)
        task = task or tx.datasets.claim_validation(workplace.name, lease_seconds)
    if task is None:
        return False
    with bound_contextvars(upload_id=task.id, tenant_id=task.tenant_id):
        _validate(task, workplace)
    return True


def _validate(task: ValidationTask, workplace: Workplace) -> None:
    folder = workplace.settings.scratch / task.lease_token
    folder.mkdir(mode=0o700)
    try:
        verdict = _convert(task, folder, workplace)
        _record(task, verdict, folder / "canonical", workplace)
        _log.info("upload validated", verdict=type(verdict).__name__)
    except LeaseLost:
        _log.warning("lease lost; the validation leaves no trace")
    except _Stopping:
        with workplace.store.begin() as tx:
            _repository(tx, task).release_validation(task.id, task.lease_token)
    finally:
        shutil.rmtree(folder)


def _convert(task: ValidationTask, folder: Path, workplace: Workplace) -> Verdict:
    settings = workplace.settings
    command = conversion_command(
        task.kind, workplace.blobs.path(task.sha256), folder / "canonical", settings
    )
    keep = _lease_keeper(task, workplace)
    return run_sandboxed(command, folder, settings.conversion_wall_seconds, keep)


def _lease_keeper(task: ValidationTask, workplace: Workplace) -> Callable[[], None]:
    """What to do now and then while the child works."""
    settings = workplace.settings
    renewed = time.monotonic()

    def keep() -> None:
        nonlocal renewed
        if workplace.stopping.is_set():
            raise _Stopping
        if time.monotonic() - renewed < settings.heartbeat_seconds:
            return
        with workplace.store.begin() as tx:
            repository = _repository(tx, task)
            if not repository.renew_validation(task.id, task.lease_token, settings.lease_seconds):
                raise LeaseLost
        renewed = time.monotonic()

    return keep


def _record(task: ValidationTask, verdict: Verdict, canonical: Path, workplace: Workplace) -> None:
    """Store the canonical form, then the verdict; raises LeaseLost."""
    match verdict:
        case Accepted(summary=summary):
            kept = _accept(task, summary, canonical, workplace)
        case Rejected(problem=problem):
            with workplace.store.begin() as tx:
                kept = _repository(tx, task).reject(task.id, task.lease_token, problem)
    if not kept:
        raise LeaseLost


def _accept(
    task: ValidationTask, summary: dict[str, Any], canonical: Path, workplace: Workplace
) -> bool:
    """Keep the canonical form and say so; its digest is computed here, not taken from the child."""
    staged = workplace.blobs.stage()
    try:
        with canonical.open("rb") as file:
            while data := file.read(_COPY_BYTES):
                staged.write(data)
        digest = staged.commit()[0]
        with workplace.store.begin() as tx:
            kept = _repository(tx, task).accept(task.id, task.lease_token, digest, summary)
        staged.secure()
        return kept
    finally:
        staged.discard()


def _repository(tx: Transaction, task: ValidationTask) -> CheckpointRepository | DatasetRepository:
    return tx.checkpoints if task.kind == "checkpoint" else tx.datasets
