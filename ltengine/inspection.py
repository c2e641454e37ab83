"""A ticket under inspection, in parts that different processes take.

A part is some copies of a layer, some samples, or some starting points; what it finds is a file.
The certificate has stages, as it climbs from the inputs layer by layer and then carries the
outputs' errors down again: stage n bounds hidden layer n + 1, later ones pass functions through the
hidden layers from the last. Whoever puts a stage together leaves a file for the next one.
Verification, data and search need nothing but the ticket, and nothing waits for them but the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import specified_activation
from ltengine.bounds_coding import (
    decode_bounds,
    decode_functions,
    decode_passed,
    encode_bounds,
    encode_functions,
    encode_passed,
)
from ltengine.certificate import Certificate, CertifiedLayers
from ltengine.chain import samples_per_tile
from ltengine.dataset import normalise
from ltengine.effective import StructureError, live_neurons
from ltengine.enclosure import LinearFunction, Passed, join_bounds
from ltengine.errors import EngineError
from ltengine.evaluation import SAMPLES_PER_TILE, CompactLayer, Predictions, compact
from ltengine.observation import (
    SampleErrors,
    affordable_starts,
    join_samples,
    observe_samples,
    search_compact,
)
from ltengine.part_file import Part, combine, load_part, save_part
from ltengine.pipeline import Material, Observation
from ltengine.progress import AskCancel, never_cancel
from ltengine.sparse_network import ticket_layers
from ltengine.ticket import Ticket, TicketLayer
from ltengine.verification import (
    LayerCopies,
    ParameterCheck,
    Verdict,
    check_parameters,
    claim_reasons,
    conclude_verdict,
    identity_reasons,
    layers_of_copies,
    shape_reasons,
)

Document = dict[str, Any]

CELLS_PER_PROBLEM = 16
"""A part has so many cells for each problem that a shard to build may have: about as much work."""
PRODUCTS_PER_PROBLEM = 1 << 12
"""Likewise, of an evaluation."""
TICKET, BOUNDS, FUNCTIONS, WORST = "ticket", "bounds.", "functions.", "worst."
"""What a file that is left may hold."""


@dataclass(frozen=True, slots=True)
class StageFile:
    """The file that whoever put a stage together left; ``holds`` says what is in it."""

    holds: tuple[str, ...]
    file: Path


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A part's document, and the file of what it found."""

    document: Document
    file: Path


@dataclass
class Inspection:
    """A ticket under inspection, as far as the files that were left say.

    Attributes:
        material: the target, the spec and the data set.
        ticket: that was built.
        walk: the certificate under way, all layers added whose bounds are known.
        functions: the outputs' errors as functions of a hidden layer, or of the inputs; None
            before all bounds are known, or where they are too much work.
        worst: (sample, input) the worst inputs of the data set, once they are known.
        files: how many files that were left it knows.
    """

    material: Material
    ticket: Ticket
    walk: CertifiedLayers
    functions: list[LinearFunction] | None = None
    worst: NDArray[np.float32] | None = None
    files: int = 1
    _copies: dict[int, LayerCopies] = field(default_factory=dict)
    _compact: tuple[CompactLayer, ...] | None = None

    @property
    def hidden(self) -> int:
        """Hidden layers of the target."""
        return len(self.material.network.layers) - 1

    @property
    def copies(self) -> dict[int, LayerCopies]:
        """The layers of copies by the number of the target layer."""
        if not self._copies:
            live = live_neurons(self.ticket)
            found = layers_of_copies(self.ticket, self.material.network, live)
            self._copies = {copies.layer.target_layer: copies for copies in found}
        return self._copies

    @property
    def compact(self) -> tuple[CompactLayer, ...]:
        """The ticket as it is run on data."""
        if self._compact is None:
            self._compact = compact(ticket_layers(self.ticket))
        return self._compact


def begin_inspection(material: Material, ticket: Ticket) -> Inspection:
    """The inspection of a ticket that was built: the first of the files that are left holds it."""
    layers = ticket_layers(ticket)
    walk = CertifiedLayers(ticket, material.network, layers, material.specification)
    inspection = Inspection(material, ticket, walk)
    if walk.at_outputs:
        inspection.functions = walk.output_functions()
    return inspection


def take_up(inspection: Inspection, left: StageFile) -> None:
    """Go on with what somebody left after the ticket."""
    inspection.files += 1
    part = load_part(left.file)
    if BOUNDS in left.holds:
        inspection.walk.add(decode_bounds(part.named(BOUNDS)))
        if inspection.walk.at_outputs:
            inspection.functions = inspection.walk.output_functions()
    if FUNCTIONS in left.holds:
        inspection.functions = decode_functions(part.named(FUNCTIONS))
    if WORST in left.holds:
        inspection.worst = part.named(WORST).arrays["inputs"]


def certificate_parts(
    inspection: Inspection, stage: int, problems_per_shard: int
) -> list[Document] | None:
    """Parts of a certificate's stage; None when the certificate is complete before it."""
    hidden, walk = inspection.hidden, inspection.walk
    most = CELLS_PER_PROBLEM * problems_per_shard
    if stage < hidden:
        next_layer = walk.next
        ranges = _ranges(next_layer.layer, next_layer.live, next_layer.target.inputs, most)
        return [_part("bound", next_layer.layer, inspection, *each) for each in ranges]
    if stage >= 2 * hidden or inspection.functions is None:
        return None
    number = 2 * hidden - stage
    difference = walk.enclosure.copies[number - 1].difference
    ranges = _ranges(difference.layer, difference.live, difference.target.inputs, most)
    return [_part("pass_on", difference.layer, inspection, *each) for each in ranges]


def free_parts(inspection: Inspection, problems_per_shard: int) -> list[Document]:
    """Parts that search the domain, run the ticket on the data, and verify it; longest first."""
    step, starts = samples_per_tile(np.float32), affordable_starts(inspection.ticket.parameters)
    parts = [_part("search", None, inspection, first, first + step) for first in starts[::step]]
    return (
        parts
        + evaluation_parts(inspection, problems_per_shard)
        + _verification_parts(inspection, CELLS_PER_PROBLEM * problems_per_shard)
    )


def evaluation_parts(inspection: Inspection, problems_per_shard: int) -> list[Document]:
    """Those that run the ticket on the data; none where there is no data."""
    dataset = inspection.material.dataset
    if dataset is None:
        return []
    products = PRODUCTS_PER_PROBLEM * problems_per_shard
    tiles = max(1, products // (max(inspection.ticket.parameters, 1) * SAMPLES_PER_TILE))
    step, samples = tiles * SAMPLES_PER_TILE, len(dataset.labels)
    return [
        _part("evaluate", None, inspection, first, min(first + step, samples))
        for first in range(0, samples, step)
    ]


def _verification_parts(inspection: Inspection, most: int) -> list[Document]:
    return [
        _part("verify", copies.layer, inspection, *each)
        for copies in inspection.copies.values()
        for each in _ranges(copies.layer, copies.live, copies.target.inputs, most)
    ]


def worst_inputs_part(inspection: Inspection) -> Document:
    """The part that searches from the worst inputs of the data."""
    return _part("search", None, inspection, 0, 0)


def _part(
    task: str, layer: TicketLayer | None, inspection: Inspection, first: int, last: int
) -> Document:
    """A part's document; ``layer`` in it is the number of the source layer."""
    place: Document = {"target_layer": None, "layer": None}
    for number, each in enumerate(inspection.ticket.layers, start=1):
        if each is layer:
            place = {"target_layer": layer.target_layer, "layer": number}
    return {"task": task, **place, "first": first, "last": last}


def _ranges(
    layer: TicketLayer, live: NDArray[np.int64], units: int, most: int
) -> list[tuple[int, int]]:
    """Live copies first ... last - 1, of whole neurons and about ``most`` cells."""
    if live.size == 0:
        return []
    work = np.diff(layer.mask.offsets)[live] + units
    before = np.cumsum(work) - work
    begins = np.flatnonzero(np.diff(live // layer.block_size, prepend=-1))
    firsts = begins[np.flatnonzero(np.diff(before[begins] // most, prepend=-1))]
    return list(pairwise([*firsts.tolist(), live.size]))


def check_part(
    inspection: Inspection, document: Document, file: Path, cancel: AskCancel = never_cancel
) -> None:
    """Do a part and write what it found.

    Raises:
        EngineError: code VERIFICATION_FAILED, when the ticket cannot be what it claims.
    """
    first, last = document["first"], document["last"]
    match document["task"]:
        case "bound":
            found = encode_bounds(inspection.walk.bound_next(first, last))
        case "pass_on":
            found = encode_passed(
                inspection.walk.pass_on(
                    inspection.functions or [], document["target_layer"], first, last
                )
            )
        case "verify":
            found = _verify(inspection, document["target_layer"], first, last)
        case "evaluate":
            found = _evaluate(inspection, first, last)
        case "search":
            found = _search(inspection, range(first, last), cancel)
        case task:
            raise EngineError(f"{task} is no part of a check", code="INVALID_PIECE")
    save_part(found, file)


def _verify(inspection: Inspection, target_layer: int, first: int, last: int) -> Part:
    try:
        copies = inspection.copies[target_layer]
    except StructureError as error:
        raise EngineError(
            f"the constructed ticket does not verify (STRUCTURE: {error}); this is a defect of the "
            "engine, please report it with the spec",
            code="VERIFICATION_FAILED",
        ) from error
    tolerance = inspection.material.specification.tolerance.parameter
    check = check_parameters(copies, tolerance, first, last)
    return Part({"counts": check.counts}, {"largest": check.largest, "reason": check.reason})


def _evaluate(inspection: Inspection, first: int, last: int) -> Part:
    material = inspection.material
    assert material.dataset is not None
    network, specification = material.network, material.specification
    inputs = normalise(material.dataset, specification.input, network.inputs)[first:last]
    found = observe_samples(
        inspection.compact,
        network,
        specified_activation(specification),
        inputs,
        material.dataset.labels[first:last],
    )
    said = found.predictions
    counts = [said.target_right, said.ticket_right, said.agreed, said.samples]
    return Part({"worst": found.worst, "errors": found.errors, "counts": np.array(counts)}, {})


def _search(inspection: Inspection, starts: range, cancel: AskCancel) -> Part:
    material = inspection.material
    specification = material.specification
    found = search_compact(
        inspection.compact,
        material.network,
        specified_activation(specification),
        specification.input,
        starts=starts,
        seed=specification.source.seed,
        also_from=None if starts else inspection.worst,
        cancel=cancel,
    )
    return Part({}, {"error": found.error})


def put_together(
    inspection: Inspection, stage: int, results: Sequence[CheckResult], file: Path
) -> StageFile:
    """Go on by what the parts of a certificate's stage found; leave a file for the next one.

    Args:
        inspection: up to the stages before.
        stage: its number.
        results: of all its parts; others are passed over.
        file: to write.
    """
    own = [result for result in results if result.document.get("stage") == stage]
    if stage < inspection.hidden:
        parts = [load_part(result.file) for result in _of("bound", own)]
        left = {BOUNDS: encode_bounds(join_bounds([decode_bounds(part) for part in parts]))}
    else:
        left = {FUNCTIONS: encode_functions(_descended(inspection, stage, own))}
    return _leave(inspection, left, file)


def leave_worst_inputs(
    inspection: Inspection, results: Sequence[CheckResult], file: Path
) -> StageFile:
    """Leave the worst inputs of the data, once all of it is evaluated, for the last search."""
    samples = _samples(results)
    assert samples is not None
    return _leave(inspection, {WORST: Part({"inputs": samples.worst}, {})}, file)


def _leave(inspection: Inspection, left: dict[str, Part], file: Path) -> StageFile:
    save_part(combine(left), file)
    stage_file = StageFile(tuple(left), file)
    take_up(inspection, stage_file)
    return stage_file


def _descended(
    inspection: Inspection, stage: int, results: Sequence[CheckResult]
) -> list[LinearFunction]:
    """The functions one layer further down."""
    functions, number = inspection.functions or [], 2 * inspection.hidden - stage
    passed: list[Passed | None] = [None] * len(functions)
    for result in _of("pass_on", results):
        for place, more in enumerate(decode_passed(load_part(result.file))):
            before = passed[place]
            if before is not None and more is not None:
                before += more
            elif more is not None:
                passed[place] = more
    for function, found in zip(functions, passed, strict=True):
        inspection.walk.enclosure.descend(function, number, found)
    return functions


def _of(task: str, results: Sequence[CheckResult]) -> list[CheckResult]:
    """The results of a kind of part, in the order of what they are about."""
    own = [result for result in results if result.document["task"] == task]
    return sorted(own, key=lambda each: (each.document["target_layer"], each.document["first"]))


def _samples(results: Sequence[CheckResult]) -> SampleErrors | None:
    """What was seen on the data."""
    own = [result for result in results if result.document["task"] == "evaluate"]
    own.sort(key=lambda each: int(each.document["first"]))
    parts = [load_part(result.file).arrays for result in own]
    if not parts:
        return None
    return join_samples(
        [
            SampleErrors(
                float(part["errors"].max()),
                part["worst"],
                part["errors"],
                Predictions(*part["counts"].tolist()),
            )
            for part in parts
        ]
    )


def certificate(inspection: Inspection) -> Certificate:
    """The certificate, once its stages are over."""
    return inspection.walk.certificate(inspection.functions)


def verdict(
    inspection: Inspection, results: Sequence[CheckResult], certified: Certificate
) -> Verdict:
    """The verdict, once all parts that verify are done."""
    ticket, network = inspection.ticket, inspection.material.network
    reasons = identity_reasons(ticket, network) + (
        shape_reasons(ticket, network) or claim_reasons(ticket, live_neurons(ticket))
    )
    parts = [load_part(result.file) for result in _of("verify", results)]
    checks = [
        ParameterCheck(part.figures["largest"], part.figures["reason"], part.arrays["counts"])
        for part in parts
    ]
    specification = inspection.material.specification
    return conclude_verdict(specification, reasons, checks, lambda: certified)


def observation(results: Sequence[CheckResult]) -> Observation:
    """The largest errors found, once everything is done."""
    searches = [result for result in results if result.document["task"] == "search"]
    errors = [load_part(result.file).figures["error"] for result in searches]
    return Observation(_samples(results), max(errors))
