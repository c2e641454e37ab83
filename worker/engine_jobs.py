"""What the engine does for each kind of job; only the runner imports this, as it loads the engine.

All kinds look the same from outside: a request comes in, a report goes out, progress is told, and
a wish to stop is obeyed. A construction also leaves its ticket file where the request says.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ltengine.comparison import compare_figures, compare_files
from ltengine.divided_checks import DividedWork, FinishedShard
from ltengine.divided_pipeline import Division, construct_or_divide, do_shard, forget_divided, go_on
from ltengine.estimation import estimate_files
from ltengine.export.formats import ExportFormat
from ltengine.export.writing import export_ticket
from ltengine.pipeline import PipelineRequest, plan_construction
from ltengine.progress import AskCancel, ReportProgress, step
from ltengine.specification import parse_specification
from ltengine.statistics.measurement import measure
from ltengine.statistics.question import parse_question
from ltengine.verification import verify_files
from worker.protocol import Run

_Result = dict[str, Any] | DividedWork
_Work = Callable[[Run, ReportProgress, AskCancel], _Result]


def work(request: Run, progress: ReportProgress, cancel: AskCancel) -> _Result:
    """Do one job or one part of it; its report, or the parts that follow.

    Raises:
        EngineError: the job cannot be done, or ``cancel`` said so.
    """
    if request.kind not in _PARTS_OF_JOBS:
        forget_divided()
    return _WORK[request.kind](request, progress, cancel)


def _construct(request: Run, progress: ReportProgress, cancel: AskCancel) -> _Result:
    return construct_or_divide(
        _pipeline_request(request),
        clock=time.perf_counter,
        division=None if request.division is None else Division(**request.division),
        progress=progress,
        cancel=cancel,
    )


def _do_shard(request: Run, progress: ReportProgress, cancel: AskCancel) -> dict[str, Any]:
    assert request.shard is not None
    started = time.perf_counter()
    asked, left = _pipeline_request(request), _pieces(request)
    report = do_shard(asked, request.shard, left, progress=progress, cancel=cancel)
    return {**report, "seconds": round(time.perf_counter() - started, 3)}


def _merge_shards(request: Run, progress: ReportProgress, cancel: AskCancel) -> _Result:
    assert request.division is not None
    return go_on(
        _pipeline_request(request),
        _pieces(request),
        request.division["problems_per_shard"],
        clock=time.perf_counter,
        progress=progress,
        cancel=cancel,
    )


def _estimate(request: Run, progress: ReportProgress, cancel: AskCancel) -> dict[str, Any]:
    assert request.replicates is not None
    return estimate_files(
        _checkpoint(request),
        parse_specification(request.specification),
        _dataset(request),
        request.replicates,
        progress=progress,
        cancel=cancel,
    )


def _statistics(request: Run, progress: ReportProgress, cancel: AskCancel) -> dict[str, Any]:
    question = parse_question(request.specification)
    return measure(question, progress=progress, cancel=cancel).to_document()


def _plan(request: Run, progress: ReportProgress, cancel: AskCancel) -> dict[str, Any]:
    progress("plan", 0, 1)
    return plan_construction(
        _checkpoint(request),
        parse_specification(request.specification),
        clock=time.perf_counter,
        cancel=cancel,
    )


def _export(request: Run, progress: ReportProgress, cancel: AskCancel) -> dict[str, Any]:
    return export_ticket(
        Path(request.tickets[0]),
        ExportFormat(request.specification["format"]),
        Path(request.ticket),
        progress=progress,
        cancel=cancel,
    )


def _verify(request: Run, progress: ReportProgress, cancel: AskCancel) -> dict[str, Any]:
    step("verify", 0, 1, progress, cancel)
    return verify_files(Path(request.tickets[0]), _checkpoint(request)).to_document()


def _compare(request: Run, progress: ReportProgress, cancel: AskCancel) -> dict[str, Any]:
    first, second = map(Path, request.tickets)
    found = compare_files(first, second, progress=progress, cancel=cancel)
    return {**found, "metrics": compare_figures(*request.specification["reports"])}


def _pipeline_request(request: Run) -> PipelineRequest:
    return PipelineRequest(
        checkpoint=_checkpoint(request),
        specification=parse_specification(request.specification),
        ticket=Path(request.ticket),
        dataset=_dataset(request),
    )


def _pieces(request: Run) -> list[FinishedShard]:
    return [
        FinishedShard(piece["document"], Path(piece["file"]), piece["seconds"])
        for piece in request.pieces or []
    ]


def _checkpoint(request: Run) -> Path:
    assert request.checkpoint is not None
    return Path(request.checkpoint)


def _dataset(request: Run) -> Path | None:
    return None if request.dataset is None else Path(request.dataset)


_PARTS_OF_JOBS = {"do_shard", "merge_shards"}
_WORK: dict[str, _Work] = {
    "construct": _construct,
    "do_shard": _do_shard,
    "merge_shards": _merge_shards,
    "estimate": _estimate,
    "statistics": _statistics,
    "plan": _plan,
    "export": _export,
    "verify": _verify,
    "compare": _compare,
}
