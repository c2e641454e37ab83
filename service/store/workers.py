"""Workers that are alive, and those that were."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import ColumnElement, delete, exists, select, true, update

from service.domain import CudaDevice, JobDevice, Problem, Worker
from service.errors import Conflict
from service.store.scope import Scope
from service.store.tables import WorkerRow

NO_CUDA_WORKER = Problem(
    "NO_CUDA_WORKER",
    "The job asks for a CUDA device, and no worker that has one is running now. It starts when "
    "one does; to run it elsewhere, cancel it and submit it with device auto.",
)
"""Why a job that insists on CUDA is waiting."""


class WorkerRepository:
    """What workers say of themselves."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def announce(self, worker: Worker, seconds: float) -> None:
        """Say that a worker is alive for the next `seconds`, and what it can do."""
        row = self._scope.session.get(WorkerRow, worker.name)
        if row is None:
            row = WorkerRow(name=worker.name, started_at=self._scope.now())
            self._scope.session.add(row)
        row.cpu_cores, row.memory_bytes = worker.cpu_cores, worker.memory_bytes
        row.job_slots, row.cuda_count = worker.job_slots, len(worker.cuda_devices)
        row.cuda_devices = [asdict(device) for device in worker.cuda_devices]
        row.expires_at = self._scope.after(seconds)

    def retire(self, name: str) -> None:
        """Say that a worker has stopped; it stays known."""
        retired = update(WorkerRow).where(WorkerRow.name == name)
        self._scope.change(retired.values(expires_at=self._scope.now()))

    def alive(self) -> list[Worker]:
        """The workers that said so lately."""
        rows = select(WorkerRow).where(self._living()).order_by(WorkerRow.name)
        return [_worker(row) for row in self._scope.session.scalars(rows)]

    def cuda_is_alive(self) -> bool:
        """Whether a living worker has a CUDA device."""
        return self._any(self._living())

    def check_device(self, device: JobDevice) -> None:
        """Raise Conflict for a job on CUDA if no worker with a device is known, alive or not."""
        if device is JobDevice.CUDA and not self._any(true()):
            raise Conflict(
                "The spec asks for a CUDA device, and this service has had no worker with one in "
                "the last days. Use device auto or cpu, or start a worker on a machine with a GPU.",
                code=NO_CUDA_WORKER.code,
            )

    def forget(self, older_than_seconds: float) -> int:
        """Forget workers that ended long ago; how many."""
        old = WorkerRow.expires_at < self._scope.after(-older_than_seconds)
        return self._scope.change(delete(WorkerRow).where(old))

    def _living(self) -> ColumnElement[bool]:
        return WorkerRow.expires_at > self._scope.now()

    def _any(self, condition: ColumnElement[bool]) -> bool:
        found = exists().where(WorkerRow.cuda_count > 0, condition)
        return bool(self._scope.session.scalar(select(found)))


def _worker(row: WorkerRow) -> Worker:
    devices = tuple(CudaDevice(**device) for device in row.cuda_devices)
    return Worker(row.name, row.cpu_cores, row.memory_bytes, row.job_slots, devices)
