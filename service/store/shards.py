"""Shards of divided jobs: planned, claimed, renewed, finished, given back.

A divided job is running and has no lease: its shards have, each its own. Whoever changes a shard's
outcome locks the job first, so that of two that finish together one sees that it is the last.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Any

from sqlalchemy import exists, func, select, update

from service.domain import (
    MERGES,
    ClaimedJob,
    FinishedShard,
    JobDevice,
    JobStatus,
    LeaseState,
    PlannedShards,
    Problem,
    Progress,
    Shard,
    ShardKind,
    ShardStatus,
    ShardTask,
)
from service.identifiers import new_id
from service.store.claim_order import claim_order, rank
from service.store.job_leases import JobLeases
from service.store.job_records import record
from service.store.job_transitions import cancel_divided, failure, transition
from service.store.quotas import tenants_at_work
from service.store.scope import Scope
from service.store.shard_queries import claimable, held_up, shard_held, shard_record
from service.store.tables import CheckpointRow, DatasetRow, JobRow, JobShardRow, TenantRow

_NO_LEASE: dict[str, Any] = {"lease_token": None, "lease_expires_at": None}
# One wake-up for each worker there may be: each works until nothing is left.
_MOST_WAKE_UPS = 64


class ShardRepository:
    """The parts of jobs that any number of workers take."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def plan(self, job_id: str, lease_token: str, planned: PlannedShards) -> bool:
        """Divide a job, which gives up its lease; False: the lease is lost."""
        job = self._scope.session.scalar(
            select(JobRow)
            .where(JobRow.id == job_id, JobRow.lease_token == lease_token)
            .with_for_update()
        )
        if job is None:
            return False
        if job.status == JobStatus.CANCELING:
            return transition(self._scope, job_id, JobStatus.CANCELED)
        released = {"lease_token": None, "lease_expires_at": None, "worker": None, "shards_done": 0}
        self._scope.change(update(JobRow).where(JobRow.id == job_id).values(released))
        self._add(job, planned, 0)
        return True

    def claim(
        self,
        worker: str,
        lease_seconds: float,
        device: JobDevice = JobDevice.CPU,
        *,
        even_before_jobs: bool = False,
    ) -> ClaimedJob | None:
        """The next shard for a place, in the order of jobs; None where a queued job goes first."""
        found = self._scope.session.execute(
            claimable(
                JobShardRow,
                JobRow,
                TenantRow.last_served_at,
                CheckpointRow.canonical_sha256,
                DatasetRow.canonical_sha256,
            )
            .where(
                JobRow.device.in_((device, JobDevice.AUTO)),
                JobRow.tenant_id.not_in(tenants_at_work(self._scope.limits)),
            )
            .order_by(*claim_order(), JobShardRow.index)
            .limit(1)
            .with_for_update(of=JobShardRow, skip_locked=True)
        ).first()
        if found is None:
            return None
        shard, job, served_at, checkpoint_sha256, dataset_sha256 = found
        if not even_before_jobs:
            foremost = JobLeases(self._scope).foremost(device)
            if foremost is not None and foremost < rank(job, served_at):
                return None
        now, token = self._scope.now(), secrets.token_hex(16)
        served = update(TenantRow).where(TenantRow.id == job.tenant_id)
        self._scope.change(served.values(last_served_at=now))
        shard.status, shard.attempt = ShardStatus.RUNNING, shard.attempt + 1
        shard.worker, shard.lease_token = worker, token
        shard.lease_expires_at = self._scope.after(lease_seconds)
        shard.started_at = now
        self._scope.session.flush()
        task = self._task(shard, (now - (job.started_at or now)).total_seconds())
        return ClaimedJob(
            record(job),
            token,
            checkpoint_sha256,
            dataset_sha256,
            job.request_id,
            job.traceparent,
            task,
        )

    def lease_state(self, shard_id: str, lease_token: str) -> LeaseState:
        """Whether the lease is held and the job still wanted; writes nothing."""
        query = select(JobRow.status).join(JobShardRow, JobShardRow.job_id == JobRow.id)
        match self._scope.session.scalar(query.where(shard_held(shard_id, lease_token))):
            case JobStatus.RUNNING:
                return LeaseState.HELD
            case JobStatus.CANCELING:
                return LeaseState.CANCEL_REQUESTED
            case _:
                return LeaseState.LOST

    def heartbeat(
        self, shard_id: str, lease_token: str, lease_seconds: float, progress: Progress | None
    ) -> LeaseState:
        """Renew the lease; a merge's progress is its job's, that of other shards is not told."""
        held = shard_held(shard_id, lease_token)
        until = self._scope.after(lease_seconds)
        self._scope.change(update(JobShardRow).where(held).values(lease_expires_at=until))
        if progress is not None:
            merging = select(JobShardRow.job_id).where(held, JobShardRow.kind.in_(MERGES))
            job_id = self._scope.session.scalar(merging)
            if job_id is not None:
                self._tell_progress(job_id, progress)
        return self.lease_state(shard_id, lease_token)

    def finish(self, shard_id: str, lease_token: str, sha256: str, report: dict[str, Any]) -> bool:
        """Note what was built of a shard; False: the lease is lost, and the blob is litter."""
        job = self._lock_job(shard_id)
        done = {"sha256": sha256, "report": report}
        if job is None or not self._end(shard_id, lease_token, ShardStatus.DONE, done):
            return False
        if job.status == JobStatus.CANCELING:
            return cancel_divided(self._scope, job.id)
        finished = (job.shards_done or 0) + 1
        counted = {"shards_done": finished, "stage": "shards", "done": finished}
        self._scope.change(update(JobRow).where(JobRow.id == job.id).values(counted))
        if self._merge_is_due(job.id):
            self._scope.announce(JobDevice(job.device).value)
        return True

    def extend(self, shard_id: str, lease_token: str, planned: PlannedShards) -> bool:
        """Add what a merge found to be done next; False: the lease is lost."""
        job, left = self._lock_job(shard_id), {}
        if planned.left is not None:
            seconds = {"seconds": planned.left.seconds}
            left = {"document": planned.left.document, "sha256": planned.left.sha256}
            left["report"] = seconds
        if job is None or not self._end(shard_id, lease_token, ShardStatus.DONE, left):
            return False
        if job.status == JobStatus.CANCELING:
            return cancel_divided(self._scope, job.id)
        last = select(func.max(JobShardRow.index)).where(JobShardRow.job_id == job.id)
        self._add(job, planned, self._scope.session.scalars(last).one() + 1)
        return True

    def succeed(
        self, shard_id: str, lease_token: str, ticket_id: str | None, report: dict[str, Any]
    ) -> bool:
        """Finish the job with what a merge made; False: the lease is lost."""
        job = self._lock_job(shard_id)
        if job is None or not self._end(shard_id, lease_token, ShardStatus.DONE, {}):
            return False
        done = {"ticket_id": ticket_id, "report": report, "stage": "done", "done": 1, "total": 1}
        data = {"ticket_id": ticket_id}
        return transition(self._scope, job.id, JobStatus.SUCCEEDED, values=done, data=data)

    def fail(self, shard_id: str, lease_token: str, problem: Problem) -> bool:
        """Fail the job for what a shard met; False: the lease is lost."""
        job = self._lock_job(shard_id)
        if job is None or not self._end(shard_id, lease_token, ShardStatus.FAILED, {}):
            return False
        return self._fail_job(job.id, problem)

    def cancel_running(self, shard_id: str, lease_token: str) -> bool:
        """Stop a shard of a job that was asked to stop; the last one ends the job."""
        job = self._lock_job(shard_id)
        if job is None or not self._end(shard_id, lease_token, ShardStatus.CANCELED, {}):
            return False
        return cancel_divided(self._scope, job.id)

    def release(
        self, shard_id: str, lease_token: str, reason: Problem, count_attempt: bool
    ) -> bool:
        """Give a shard back, or end the job where it was canceled or the shard has failed enough.

        A counted attempt is one that died under way; a drained worker's is not counted.
        """
        job = self._lock_job(shard_id)
        if job is None:
            return False
        if job.status == JobStatus.CANCELING:
            return self.cancel_running(shard_id, lease_token)
        row = self._scope.session.scalar(
            select(JobShardRow).where(shard_held(shard_id, lease_token))
        )
        if row is None:
            return False
        if count_attempt and row.attempt >= job.max_attempts:
            self._end(shard_id, lease_token, ShardStatus.FAILED, {})
            return self._fail_job(job.id, reason)
        again = {"status": ShardStatus.WAITING, "queued_at": self._scope.now(), "worker": None}
        again["attempt"] = row.attempt - (not count_attempt)
        held = shard_held(shard_id, lease_token)
        self._scope.change(update(JobShardRow).where(held).values(again | _NO_LEASE))
        self._scope.announce(JobDevice(job.device).value)
        return True

    def reap(self) -> list[str]:
        """Recover shards whose lease ended without a word; their jobs' ids."""
        lost = self._scope.session.execute(
            select(JobShardRow.id, JobShardRow.job_id, JobShardRow.lease_token, JobShardRow.attempt)
            .where(
                JobShardRow.status == ShardStatus.RUNNING,
                JobShardRow.lease_expires_at < self._scope.now(),
            )
            .order_by(JobShardRow.job_id, JobShardRow.index)
        ).all()
        return [
            job_id
            for shard_id, job_id, token, attempt in lost
            if self.release(shard_id, token or "", _worker_lost(attempt), count_attempt=True)
        ]

    def waiting(self, older_than_seconds: float, device: JobDevice) -> bool:
        """Whether a shard for such a place has waited for this long and could be built."""
        old = JobShardRow.queued_at < self._scope.after(-older_than_seconds)
        wanted = JobRow.device.in_((device, JobDevice.AUTO))
        query = claimable(JobShardRow.id).where(old, wanted).limit(1)
        return self._scope.session.scalar(query) is not None

    def lease_tokens(self) -> set[str]:
        """The tokens of all leases held now: scratch folders of others are litter."""
        held = select(JobShardRow.lease_token).where(JobShardRow.status == ShardStatus.RUNNING)
        return {token for token in self._scope.session.scalars(held) if token is not None}

    def referenced(self, digests: Collection[str]) -> set[str]:
        """Which of these blobs were made by shards of unfinished jobs."""
        query = select(JobShardRow.sha256).where(JobShardRow.sha256.in_(digests))
        return {digest for digest in self._scope.session.scalars(query) if digest is not None}

    def list(self, job_id: str, limit: int, after: int | None = None) -> list[Shard]:
        """A job's shards in order, those with an index above `after`."""
        query = select(JobShardRow).where(JobShardRow.job_id == job_id)
        if after is not None:
            query = query.where(JobShardRow.index > after)
        rows = self._scope.session.scalars(query.order_by(JobShardRow.index).limit(limit))
        return [shard_record(row) for row in rows]

    def _add(self, job: JobRow, planned: PlannedShards, first: int) -> None:
        """Insert planned shards, and after them the merge or conclusion that waits for them."""
        merge = ShardKind.CONCLUDE if planned.concludes else ShardKind.MERGE
        rows = [
            self._row(job.id, first + number, kind, document)
            for number, (kind, document) in enumerate([*planned.shards, (merge, None)])
        ]
        self._scope.insert(*rows)
        parts = (JobShardRow.job_id == job.id, JobShardRow.kind.not_in(MERGES))
        count = self._scope.session.scalar(select(func.count()).where(*parts)) or 0
        done = job.shards_done or 0
        total = count + planned.expected
        self._scope.change(update(JobRow).where(JobRow.id == job.id).values(shards=total))
        self._tell_progress(job.id, Progress.at("shards", done, total))
        self._scope.announce(JobDevice(job.device).value, min(len(rows), _MOST_WAKE_UPS))

    def _row(
        self, job_id: str, index: int, kind: ShardKind, document: dict[str, Any] | None
    ) -> JobShardRow:
        place = document or {}
        rows = place if kind is ShardKind.BUILD else {}
        return JobShardRow(
            id=new_id("shd"),
            job_id=job_id,
            index=index,
            kind=kind,
            status=ShardStatus.WAITING,
            layer=place.get("layer"),
            first_row=rows.get("first"),
            last_row=rows.get("last"),
            document=document,
            attempt=0,
            queued_at=self._scope.now(),
        )

    def _task(self, shard: JobShardRow, job_seconds: float) -> ShardTask:
        return ShardTask(
            id=shard.id,
            index=shard.index,
            kind=ShardKind(shard.kind),
            attempt=shard.attempt,
            document=shard.document,
            finished=self._finished(shard),
            job_seconds=job_seconds,
        )

    def _finished(self, shard: JobShardRow) -> tuple[FinishedShard, ...]:
        """What a shard needs: a merge everything that was made, others what merges left."""
        if shard.kind == ShardKind.BUILD:
            return ()
        query = select(JobShardRow.document, JobShardRow.sha256, JobShardRow.report).where(
            JobShardRow.job_id == shard.job_id,
            JobShardRow.status == ShardStatus.DONE,
            JobShardRow.sha256.is_not(None),
        )
        if shard.kind not in MERGES:
            query = query.where(JobShardRow.kind.in_(MERGES))
        made = self._scope.session.execute(query.order_by(JobShardRow.index))
        return tuple(
            FinishedShard(document or {}, sha256 or "", float((report or {}).get("seconds", 0)))
            for document, sha256, report in made
        )

    def _merge_is_due(self, job_id: str) -> bool:
        """Whether a merge of the job waits for nothing any more."""
        merging = (JobShardRow.kind.in_(MERGES), JobShardRow.status == ShardStatus.WAITING)
        due = exists().where(JobShardRow.job_id == job_id, *merging, ~held_up())
        return bool(self._scope.session.scalar(select(due)))

    def _lock_job(self, shard_id: str) -> JobRow | None:
        return self._scope.session.scalar(
            select(JobRow)
            .join(JobShardRow, JobShardRow.job_id == JobRow.id)
            .where(JobShardRow.id == shard_id)
            .with_for_update(of=JobRow)
            .execution_options(populate_existing=True)
        )

    def _end(
        self, shard_id: str, lease_token: str, status: ShardStatus, values: dict[str, Any]
    ) -> bool:
        ended = {"status": status, "finished_at": self._scope.now()} | _NO_LEASE | values
        held = shard_held(shard_id, lease_token)
        return self._scope.change(update(JobShardRow).where(held).values(ended)) == 1

    def _fail_job(self, job_id: str, problem: Problem) -> bool:
        values, data = failure(problem), {"code": problem.code}
        return transition(self._scope, job_id, JobStatus.FAILED, values=values, data=data)

    def _tell_progress(self, job_id: str, progress: Progress) -> None:
        """Note the job's progress; a new stage is an event."""
        before = self._scope.session.execute(
            select(JobRow.tenant_id, JobRow.stage).where(JobRow.id == job_id).with_for_update()
        ).one()
        values = {"stage": progress.stage, "done": progress.done, "total": progress.total}
        self._scope.change(update(JobRow).where(JobRow.id == job_id).values(values))
        if before.stage != progress.stage:
            data = {"stage": progress.stage, "fraction": progress.fraction}
            self._scope.emit(before.tenant_id, job_id, "job.progress", data)


def _worker_lost(attempt: int) -> Problem:
    return Problem(
        "WORKER_LOST",
        f"A worker stopped answering in attempt {attempt} at one shard of the job. If this "
        "repeats, look at the workers' logs and memory, then submit the job again.",
    )
