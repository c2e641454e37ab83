"""The whole way from a checkpoint file to a ticket file with its report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np

from ltengine import ENGINE_VERSION
from ltengine.activation import specified_activation
from ltengine.certificate import Certificate, issue_certificate
from ltengine.certified_construction import (
    ConstructedTicket,
    assemble_ticket,
    construct_certified,
)
from ltengine.checkpoint import ReadCheckpoint, read_checkpoint
from ltengine.construction import construct
from ltengine.dataset import Dataset, check_dataset, normalise, read_dataset
from ltengine.device import check_device, choose_device, warm_up_device
from ltengine.errors import EngineError
from ltengine.evaluation import compact, evaluate_ticket
from ltengine.network import DenseLayer, Network, build_network
from ltengine.observation import SampleErrors, observe_samples, search_largest_error
from ltengine.prediction import predict
from ltengine.problem import ProblemBatch
from ltengine.progress import AskCancel, ReportProgress, ignore_progress, never_cancel, step
from ltengine.report import (
    describe_error,
    describe_problems,
    describe_source,
    describe_target,
    describe_ticket,
)
from ltengine.solvers.meet_in_the_middle import MeetInTheMiddleSolver
from ltengine.sparse_network import LayerCells, ticket_layers
from ltengine.specification import (
    Specification,
    parse_specification,
    require_one_source,
    resolve_activation,
)
from ltengine.ticket_file import save_ticket, ticket_to_bytes
from ltengine.verification import Verdict, verify

ALL_THREADS = numba.get_num_threads()


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


@dataclass(frozen=True, slots=True)
class Material:
    """What a construction works on, read and checked.

    Attributes:
        network: the target.
        specification: with its activation resolved.
        dataset: to evaluate on, or None.
    """

    network: Network
    specification: Specification
    dataset: Dataset | None


@dataclass(frozen=True, slots=True)
class Observation:
    """The largest output errors found: on the data, where there is any, and by a search."""

    on_data: SampleErrors | None
    by_search: float


def _observe(
    network: Network,
    layers: tuple[LayerCells, ...],
    specification: Specification,
    dataset: Dataset | None,
    cancel: AskCancel,
) -> Observation:
    """Run the ticket on the data, and search the whole domain, also from the worst data."""
    activation = specified_activation(specification)
    on_data = None
    if dataset is not None:
        inputs = normalise(dataset, specification.input, network.inputs)
        on_data = observe_samples(compact(layers), network, activation, inputs, dataset.labels)
    searched = search_largest_error(
        layers,
        network,
        activation,
        specification.input,
        seed=specification.source.seed,
        also_from=None if on_data is None else on_data.worst,
        cancel=cancel,
    )
    return Observation(on_data, searched.error)


class Stopwatch:
    """Seconds of each stage, by the caller's clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._start = self._last = clock()
        self.seconds: dict[str, float] = {}

    def stage_done(self, stage: str) -> None:
        """Note how long this stage took since the one before."""
        now = self._clock()
        self.seconds[stage] = now - self._last
        self.seconds["total"] = now - self._start
        self._last = now


def require_valid(verdict: Verdict) -> None:
    """Raise EngineError (VERIFICATION_FAILED) where a constructed ticket does not verify."""
    if not verdict.valid:
        raise EngineError(
            f"the constructed ticket does not verify ({'; '.join(verdict.reasons)}); this is a "
            "defect of the engine, please report it with the spec",
            code="VERIFICATION_FAILED",
        )


def load_material(request: PipelineRequest) -> Material:
    """Read checkpoint and data set, and check that they fit the spec.

    Raises:
        EngineError: they cannot be read, do not fit, or the device is not here.
    """
    check_device(request.specification.device)
    require_one_source(request.specification)
    checkpoint = read_checkpoint(request.checkpoint)
    dataset = read_dataset(request.dataset) if request.dataset else None
    specification = resolve_activation(
        request.specification, checkpoint.suggested_activation, checkpoint.suggested_slope
    )
    if dataset is not None:
        check_dataset(dataset, specification.input, checkpoint.network.inputs)
    return Material(checkpoint.network, specification, dataset)


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
    numba.set_num_threads(min(request.threads or ALL_THREADS, ALL_THREADS))
    watch = Stopwatch(clock)
    progress("load", 0, 1)
    material = load_material(request)
    watch.stage_done("load")
    return construct_ticket(request, material, watch, progress=progress, cancel=cancel)


def construct_ticket(
    request: PipelineRequest,
    material: Material,
    watch: Stopwatch,
    *,
    progress: ReportProgress = ignore_progress,
    cancel: AskCancel = never_cancel,
) -> dict[str, Any]:
    """The same once everything is loaded."""
    found = construct_certified(
        material.network,
        specified_activation(material.specification),
        material.specification,
        progress=progress,
        cancel=cancel,
    )
    watch.stage_done("construct")
    return finish_ticket(request, material, found, watch, progress=progress, cancel=cancel)


def finish_ticket(
    request: PipelineRequest,
    material: Material,
    found: ConstructedTicket,
    watch: Stopwatch,
    *,
    progress: ReportProgress = ignore_progress,
    cancel: AskCancel = never_cancel,
) -> dict[str, Any]:
    """Verify and evaluate a constructed ticket; write its file; the report.

    Raises:
        EngineError: code VERIFICATION_FAILED, or CANCELED; then no ticket file is written.
    """
    network, ticket, specification = material.network, found.ticket, material.specification
    step("verify", 0, 1, progress, cancel)
    verdict = verify(ticket, network, found.certificate)
    require_valid(verdict)
    layers = ticket_layers(ticket)
    certificate = found.certificate or issue_certificate(
        ticket, network, layers, specification, cancel=cancel
    )
    watch.stage_done("verify")

    step("evaluate", 0, 1, progress, cancel)
    observation = _observe(network, layers, specification, material.dataset, cancel)
    watch.stage_done("evaluate")

    file_bytes, digest = save_ticket(ticket, request.ticket)
    made = describe_construction(material, found, digest, file_bytes)
    return describe_result(made, verdict, certificate, observation, watch.seconds)


def describe_construction(
    material: Material, found: ConstructedTicket, digest: str, file_bytes: int
) -> dict[str, Any]:
    """What can be said of a ticket whose file is written, before it is checked: JSON data."""
    network, ticket, specification = material.network, found.ticket, material.specification
    return {
        "target": describe_target(network),
        "ticket": describe_ticket(ticket, digest, file_bytes),
        "source": describe_source(ticket, found.construction.plan),
        **describe_problems(found.construction.counts),
        "attempts": found.attempts,
        "device": choose_device(specification.device, network.parameters),
        "specification": ticket.specification,
        "engine_version": ENGINE_VERSION,
    }


def describe_result(
    made: dict[str, Any],
    verdict: Verdict,
    certificate: Certificate,
    observation: Observation,
    seconds: dict[str, float],
) -> dict[str, Any]:
    """The report: of a construction, and of how its ticket was checked."""
    data = observation.on_data
    on_data = None if data is None else data.largest
    return {
        **made,
        "error": describe_error(verdict, certificate, on_data, observation.by_search),
        "accuracy": None if data is None else data.predictions.describe(),
        "seconds": seconds,
    }


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
    check_device(specification.device)
    read: ReadCheckpoint = read_checkpoint(checkpoint)
    resolved = resolve_activation(specification, read.suggested_activation, read.suggested_slope)
    activation = specified_activation(resolved)
    warm_up()  # compiling is no part of the seconds that are predicted
    return {
        "target": describe_target(read.network),
        **predict(read.network, activation, resolved, clock=clock, cancel=cancel),
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
    hard = ProblemBatch(np.ones((1, 2), np.int32), np.array([2]), np.full(1, 9, np.int32), 0, 2)
    MeetInTheMiddleSolver().solve(hard)  # small constructions never need it
    ticket = assemble_ticket(found, network, specification)
    cells = ticket_layers(ticket)
    verify(ticket, network)
    ticket_to_bytes(ticket)
    issue_certificate(ticket, network, cells, specification)
    search_largest_error(cells, network, activation, specification.input, starts=range(2), steps=1)
    evaluate_ticket(compact(cells), np.zeros((2, 2), np.float32))
    warm_up_device()
