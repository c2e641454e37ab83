"""Hands that end whatever is queued at once, so that generated requests meet every state of it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ltengine.network import DenseLayer, build_network
from ltengine.specification import Specification
from ltengine.ticket_file import ticket_to_bytes
from service.domain import ClaimedJob, JobKind, Problem
from service.settings import Settings
from service.store import Store, Transaction, open_store
from tests.engine.networks import construct_ticket

_PAUSE_SECONDS = 0.02
_SUMMARY = {"format": "safetensors", "parameters": 53, "layers": [[6, 5], [5, 3]]}
_REPORT = {"problems": {"total": 7, "unsolved": 0}, "device": "cpu"}
_PROBLEM = Problem("TOLERANCE_UNREACHABLE", "No base set of this size reaches the tolerance.")


def ticket_file() -> bytes:
    """The file of a small ticket, so that its pieces can be read."""
    rng = np.random.default_rng(0)
    layers = [
        DenseLayer(f"{number}", rng.uniform(-1, 1, shape), None)
        for number, shape in enumerate([(5, 6), (3, 5)])
    ]
    spec = Specification.model_validate(
        {"construction": "2L", "activation": {"name": "relu"}, "base_set": {"size": 16}}
    )
    return ticket_to_bytes(construct_ticket(build_network(layers), spec)[0])[0]


@contextmanager
def busy_hands(settings: Settings) -> Iterator[None]:
    """Do what workers do, but for the work itself, until the block ends."""
    store, stop, ticket = open_store(settings.database_url, settings.limits), threading.Event(), b""
    ticket = ticket_file()
    failures: list[BaseException] = []

    def work() -> None:
        endings = itertools.cycle([True, False])
        try:
            while not stop.is_set():
                if not (_validate_one(store) or _end_one_job(store, next(endings), ticket)):
                    stop.wait(_PAUSE_SECONDS)
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        store.dispose()
    if failures:
        raise failures[0]


def _validate_one(store: Store) -> bool:
    """Find the next upload good."""
    with store.begin() as tx:
        for uploads in (tx.checkpoints, tx.datasets):
            task = uploads.claim_validation("hands", 60)
            if task is not None:
                return uploads.accept(task.id, task.lease_token, "c" * 64, _SUMMARY)
    return False


def _end_one_job(store: Store, well: bool, ticket: bytes) -> bool:
    """Let the next job succeed or fail."""
    with store.begin() as tx:
        claimed = tx.jobs.claim("hands", 60)
        if claimed is None:
            return False
        if not (well and _succeed(tx, claimed, ticket)):
            tx.jobs.fail(claimed.job.id, claimed.lease_token, _PROBLEM)
        return True


def _succeed(tx: Transaction, claimed: ClaimedJob, ticket: bytes) -> bool:
    job, ticket_id = claimed.job, None
    if job.kind is JobKind.EXPORT:
        # Without a file behind it, an export would be made again and again.
        return False
    if job.kind is JobKind.CONSTRUCT:
        assert job.checkpoint_id is not None
        made = tx.tickets.add(job.tenant_id, job.id, job.checkpoint_id, "d" * 64, _REPORT, [ticket])
        ticket_id = made.id
    return tx.jobs.succeed(job.id, claimed.lease_token, ticket_id, _REPORT)
