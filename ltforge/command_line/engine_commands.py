"""The commands that work offline, on the engine itself: construct, plan, verify."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltforge.command_line.arguments import existing_file, read_spec, writable_place
from ltforge.command_line.progress import StageProgress, ctrl_c_cancels
from ltforge.extras import needing


@dataclass(frozen=True, slots=True)
class Construction:
    """What ``ltforge construct`` was asked for."""

    checkpoint: Path
    spec: str
    out: Path
    dataset: Path | None
    threads: int | None


def construct(asked: Construction) -> dict[str, Any]:
    """Construct, verify and write a ticket; the report."""
    # Everything that can be refused is, before torch and numba take their seconds to load.
    inputs = [existing_file(asked.checkpoint, "checkpoint")]
    if asked.dataset is not None:
        inputs.append(existing_file(asked.dataset, "dataset"))
    writable_place(asked.out, inputs=inputs)
    document = read_spec(asked.spec)
    with needing("construct"):
        from ltengine.specification import parse_specification  # noqa: PLC0415

        specification = parse_specification(document)
        from ltengine.pipeline import PipelineRequest, run_pipeline  # noqa: PLC0415
    request = PipelineRequest(
        checkpoint=asked.checkpoint,
        specification=specification,
        ticket=asked.out,
        dataset=asked.dataset,
        threads=asked.threads,
    )
    with ctrl_c_cancels() as interrupted, StageProgress() as progress:
        return run_pipeline(
            request, clock=time.perf_counter, progress=progress.show, cancel=interrupted
        )


def plan(checkpoint: Path, spec: str) -> dict[str, Any]:
    """What a construction would build, without building it."""
    existing_file(checkpoint, "checkpoint")
    document = read_spec(spec)
    with needing("plan"):
        from ltengine.specification import parse_specification  # noqa: PLC0415

        specification = parse_specification(document)
        from ltengine.pipeline import plan_construction  # noqa: PLC0415
    return plan_construction(checkpoint, specification, clock=time.perf_counter)


def verify(ticket: Path, checkpoint: Path) -> dict[str, Any]:
    """The verdict of the independent verifier."""
    existing_file(ticket, "ticket")
    existing_file(checkpoint, "checkpoint")
    with needing("verify"):
        from ltengine.verification import verify_files  # noqa: PLC0415
    return verify_files(ticket, checkpoint).to_document()
