"""Shards between store and runner: what a claim asks of the engine, and what follows from it."""

from __future__ import annotations

from typing import Any

from service.domain import ClaimedJob, JobKind, PlannedShards, ShardKind
from service.settings import Settings
from service.store import Transaction
from service.store.blobs import BlobStore
from worker.protocol import Divided


def builds_shard(claimed: ClaimedJob) -> bool:
    """Whether what is claimed ends with a piece instead of a ticket."""
    return claimed.shard is not None and claimed.shard.kind is ShardKind.BUILD


def work_kind(claimed: ClaimedJob) -> str:
    """What the runner is to do."""
    if claimed.shard is None:
        return claimed.job.kind.value
    return "build_shard" if builds_shard(claimed) else "merge_shards"


def division(claimed: ClaimedJob, settings: Settings) -> dict[str, int] | None:
    """From which size on a construction is divided, and how finely."""
    if claimed.job.kind is not JobKind.CONSTRUCT or builds_shard(claimed):
        return None
    return {
        "least_problems": settings.divided_job_problems,
        "problems_per_shard": settings.shard_problems,
    }


def pieces(claimed: ClaimedJob, blobs: BlobStore) -> list[dict[str, Any]] | None:
    """What a merge is to merge."""
    if claimed.shard is None or builds_shard(claimed):
        return None
    return [
        {"document": shard.document, "file": str(blobs.path(shard.sha256))}
        for shard in claimed.shard.finished
    ]


def divide(tx: Transaction, claimed: ClaimedJob, divided: Divided) -> bool:
    """Store the shards that a job goes on as; False: the lease is lost."""
    planned = PlannedShards(tuple(divided.shards), divided.expected)
    if claimed.shard is None:
        return tx.shards.plan(claimed.job.id, claimed.lease_token, planned)
    return tx.shards.extend(claimed.shard.id, claimed.lease_token, planned)
