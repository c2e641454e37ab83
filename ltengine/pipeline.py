"""The whole way from a checkpoint file to a ticket file with its report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np

from ltengine import ENGINE_VERSION
from ltengine.activation import specified_activation
from ltengine.certificate import issue_certificate
from ltengine.certified_construction import assemble_ticket, construct_certified
from ltengine.checkpoint import ReadCheckpoint, read_checkpoint
from ltengine.construction import construct
from ltengine.dataset import Dataset, normalise, read_dataset
from ltengine.errors import Canceled, DeviceUnavailableError, EngineError
from ltengine.evaluation import compact, compare_predictions, evaluate_ticket
from ltengine.network import DenseLayer, Network, build_network
from ltengine.observation import search_largest_error
from ltengine.prediction import predict
from ltengine.progress import AskCancel, ReportProgress, ignore_progress, never_cancel
from ltengine.report import (
    describe_error,
    describe_problems,
    describe_source,
    describe_target,
    describe_ticket,
)
from ltengine.sparse_network import SparseLayer, rebuild
from ltengine.specification import Specification, parse_specification, resolve_activation
from ltengine.ticket_file import write_ticket
from ltengine.verification import verify

ALL_THREADS = numba.get_num_threads()
WORST_INPUTS = 16
"""The search for the largest error also starts from the worst inputs of the data set."""


@dataclass(frozen=True, slots=True)
class PipelineRequest:
    """What to do.

    Attributes:
        checkpoint: file of the target, in any format that is read.
        specification: what to construct.
        ticket: where to write the ticket file.
        dataset: npz file to evaluate on, or None.
        threads: processor threads to use; None for all.
    """

    checkpoint: Path
    specification: Specification
    ticket: Path
    dataset: Path | None = None
    threads: int | None = None


def check_device(specification: Specification) -> str:
    """The device that will be used.

    Raises:
        DeviceUnavailableError: the spec insists on another one.
    """
    if specification.device == "cuda":
        raise DeviceUnavailableError(
            'this engine constructs on the CPU; set device to "auto" or "cpu"'
        )
    return "cpu"


@dataclass(frozen=True, slots=True)
class _Observation:
    """Largest output errors found, and accuracies where there is a data set."""

    on_data: float | None
    by_search: float
    accuracy: dict[str, Any] | None


def _observe(
    network: Network,
    layers: tuple[SparseLayer, ...],
    specification: Specification,
    dataset: Dataset | None,
    cancel: AskCancel,
) -> _Observation:
    """Run the ticket on the data, and search the whole domain, also from the worst data."""
    activation = specified_activation(specification)
    on_data, accuracy, worst = None, None, None
    if dataset is not None:
        inputs = normalise(dataset, specification.input, network.inputs)
        target_outputs = network.evaluate(inputs.astype(np.float64), activation)
        ticket_outputs = evaluate_ticket(compact(layers), inputs)
        errors = np.abs(target_outputs - ticket_outputs).max(axis=1)
        on_data = float(errors.max())
        worst = inputs[np.argsort(errors)[-WORST_INPUTS:]]
        accuracy = asdict(compare_predictions(target_outputs, ticket_outputs, dataset.labels))
    searched = search_largest_error(
        layers,
        network,
        activation,
        specification.input,
        seed=specification.source.seed,
        also_from=worst,
        cancel=cancel,
    )
    return _Observation(on_data, searched.error, accuracy)


class _Stopwatch:
    """Seconds of each stage, by the caller's clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._start = self._last = clock()
        self.seconds: dict[str, float] = {}

    def stage_done(self, stage: str) -> None:
        now = self._clock()
        self.seconds[stage] = now - self._last
        self.seconds["total"] = now - self._start
        self._last = now


def run_pipeline(
    request: PipelineRequest,
    *,
    clock: Callable[[], float],
    progress: ReportProgress = ignore_progress,
    cancel: AskCancel = never_cancel,
) -> dict[str, Any]:
    """Load, construct, verify and evaluate; write the ticket file; return the report.

    Raises:
        EngineError: any of its kinds; then no ticket file is written.
    """
    device = check_device(request.specification)
    numba.set_num_threads(min(request.threads or ALL_THREADS, ALL_THREADS))
    watch = _Stopwatch(clock)
    progress("load", 0, 1)
    checkpoint = read_checkpoint(request.checkpoint)
    dataset = read_dataset(request.dataset) if request.dataset else None
    network = checkpoint.network
    specification = resolve_activation(request.specification, checkpoint.suggested_activation)
    if dataset is not None:
        normalise(dataset, specification.input, network.inputs)
    watch.stage_done("load")

    activation = specified_activation(specification)
    found = construct_certified(
        network, activation, specification, progress=progress, cancel=cancel
    )
    ticket = found.ticket
    watch.stage_done("construct")

    _step("verify", progress, cancel)
    verdict = verify(ticket, network, found.layers, found.certificate)
    if not verdict.valid:
        raise EngineError(
            f"the constructed ticket does not verify ({'; '.join(verdict.reasons)}); this is a "
            "defect of the engine, please report it with the spec",
            code="VERIFICATION_FAILED",
        )
    certificate = found.certificate or issue_certificate(
        ticket, network, found.layers, specification
    )
    watch.stage_done("verify")

    _step("evaluate", progress, cancel)
    observation = _observe(network, found.layers, specification, dataset, cancel)
    watch.stage_done("evaluate")

    data, digest = write_ticket(ticket)
    request.ticket.write_bytes(data)
    return {
        "target": describe_target(network),
        "ticket": describe_ticket(ticket, digest, len(data)),
        "source": describe_source(ticket, found.construction.plan),
        "error": describe_error(
            verdict.largest_parameter_error,
            certificate,
            observation.on_data,
            observation.by_search,
        ),
        **describe_problems(found.construction.counts),
        "attempts": found.attempts,
        "accuracy": observation.accuracy,
        "seconds": watch.seconds,
        "device": device,
        "specification": ticket.specification,
        "engine_version": ENGINE_VERSION,
    }


def _step(stage: str, progress: ReportProgress, cancel: AskCancel) -> None:
    if cancel():
        raise Canceled
    progress(stage, 0, 1)


def plan_construction(
    checkpoint: Path,
    specification: Specification,
    *,
    clock: Callable[[], float],
    cancel: AskCancel = never_cancel,
) -> dict[str, Any]:
    """What a construction would lay out, find and cost, without constructing.

    Raises:
        EngineError: the checkpoint or the spec is unusable.
    """
    device = check_device(specification)
    read: ReadCheckpoint = read_checkpoint(checkpoint)
    resolved = resolve_activation(specification, read.suggested_activation)
    activation = specified_activation(resolved)
    warm_up()  # compiling is no part of the seconds that are predicted
    return {
        "target": describe_target(read.network),
        **predict(read.network, activation, resolved, clock=clock, cancel=cancel),
        "device": device,
        "specification": resolved.model_dump(mode="json"),
    }


def warm_up() -> None:
    """Compile, or load from numba's disk cache, every kernel that a construction needs."""
    weight = np.array([[0.3, -0.4], [0.2, 0.9]])
    layers = [DenseLayer(str(n), weight, np.array([0.1, 0.2])) for n in range(2)]
    network = build_network(layers)
    specification = parse_specification({"construction": "L+1", "activation": {"name": "relu"}})
    activation = specified_activation(specification)
    found = construct(network, activation, specification)
    ticket = assemble_ticket(found, network, specification)
    cells = rebuild(ticket)
    issue_certificate(ticket, network, cells, specification)
    search_largest_error(cells, network, activation, specification.input, starts=2, steps=1)
    evaluate_ticket(compact(cells), np.zeros((2, 2), np.float32))
