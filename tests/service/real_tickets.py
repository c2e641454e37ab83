"""A ticket that the engine made, put into a running API as the worker does."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltengine.checkpoint import convert_checkpoint
from ltengine.pipeline import PipelineRequest, run_pipeline
from ltengine.specification import parse_specification
from tests.journeys.conftest import network, saved
from tests.service.running_api import RunningApi, submit, upload

WIDTHS = (6, 5, 4)
SPEC: dict[str, Any] = {
    "construction": "2L",
    "activation": {"name": "relu"},
    "tolerance": {"parameter": 0.05},
}


@dataclass(frozen=True)
class MadeTicket:
    """A ticket in a file, with its target and its report."""

    target: Path
    canonical: Path
    summary: dict[str, Any]
    file: Path
    report: dict[str, Any]


def construct_ticket(folder: Path, **changes: Any) -> MadeTicket:
    """Construct a ticket of a small network."""
    target, file = saved(network(WIDTHS, seed=3), folder / "target"), folder / "ticket"
    canonical = folder / "canonical"
    summary = convert_checkpoint(target, canonical).to_document()
    asked = parse_specification({**SPEC, **changes})
    report = run_pipeline(PipelineRequest(target, asked, file), clock=time.perf_counter)
    return MadeTicket(target, canonical, summary, file, report)


def put_ticket(api: RunningApi, made: MadeTicket, name: str = "net") -> str:
    """The id of the ticket, now our tenant's."""
    checkpoint = upload(api.client, made.target.read_bytes(), name)
    staged = api.application.state.parts.blobs.stage()
    staged.write(made.canonical.read_bytes())
    digest, _ = staged.commit()
    assert digest == hashlib.sha256(made.canonical.read_bytes()).hexdigest()
    with api.store.begin() as tx:
        task = tx.checkpoints.claim_validation("validator", 60)
        if task is not None:
            assert tx.checkpoints.accept(task.id, task.lease_token, digest, made.summary)
    submit(api.client, checkpoint["id"], spec=made.report["specification"])
    with api.store.begin() as tx:
        claimed = tx.jobs.claim("worker", 60)
        assert claimed is not None
        job = claimed.job
        ticket = tx.tickets.add(
            job.tenant_id,
            job.id,
            checkpoint["id"],
            made.report["ticket"]["digest"],
            made.report,
            [made.file.read_bytes()],
        )
        assert tx.jobs.succeed(job.id, claimed.lease_token, ticket.id, made.report)
    return ticket.id
