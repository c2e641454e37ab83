"""Shards between store and runner: what a claim asks of the engine, and what follows from it."""

from __future__ import annotations

from typing import Any

from service.domain import MERGES, ClaimedJob, FinishedShard, JobKind, PlannedShards, ShardKind
from service.settings import Settings
from service.store import Transaction
from service.store.blobs import BlobStore
from worker.protocol import Divided

_KIND_OF_TASK = {
    "build": ShardKind.BUILD,
    "bound": ShardKind.CERTIFY,
    "pass_on": ShardKind.CERTIFY,
    "verify": ShardKind.CHECK,
    "evaluate": ShardKind.CHECK,
    "search": ShardKind.CHECK,
}


def makes_part(claimed: ClaimedJob) -> bool:
    """Whether what is claimed is a shard that ends with a file of its own, and not a merge."""
    return claimed.shard is not None and claimed.shard.kind not in MERGES


def work_kind(claimed: ClaimedJob) -> str:
    """What the runner is to do."""
    if claimed.shard is None:
        return claimed.job.kind.value
    return "do_shard" if makes_part(claimed) else "merge_shards"


def division(claimed: ClaimedJob, settings: Settings) -> dict[str, int] | None:
    """From which size on a construction is divided, and how finely."""
    if claimed.job.kind is not JobKind.CONSTRUCT or makes_part(claimed):
        return None
    return {
        "least_problems": settings.divided_job_problems,
        "problems_per_shard": settings.shard_problems,
    }


def pieces(claimed: ClaimedJob, blobs: BlobStore) -> list[dict[str, Any]] | None:
    """What a shard needs of what others made."""
    if claimed.shard is None:
        return None
    return [
        {
            "document": shard.document,
            "file": str(blobs.path(shard.sha256)),
            "seconds": shard.seconds,
        }
        for shard in claimed.shard.finished
    ]


def divide(tx: Transaction, claimed: ClaimedJob, divided: Divided, sha256: str | None) -> bool:
    """Store the shards that a job goes on as; False: the lease is lost.

    ``sha256`` is the digest of the file that was left for them, None where there is none.
    """
    left = None
    if divided.left is not None and sha256 is not None:
        left = FinishedShard(divided.left, sha256, divided.seconds)
    shards = tuple((_KIND_OF_TASK[document["task"]], document) for document in divided.shards)
    planned = PlannedShards(shards, divided.expected, divided.concludes, left)
    if claimed.shard is None:
        return tx.shards.plan(claimed.job.id, claimed.lease_token, planned)
    return tx.shards.extend(claimed.shard.id, claimed.lease_token, planned)
