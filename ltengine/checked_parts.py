"""Doing the parts of an inspection, and putting together what they found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ltengine.activation import specified_activation
from ltengine.bounds_coding import (
    decode_bounds,
    decode_passed,
    encode_bounds,
    encode_functions,
    encode_passed,
)
from ltengine.certificate import Certificate
from ltengine.copy_bounds import join_bounds
from ltengine.dataset import normalise
from ltengine.effective import StructureError, live_neurons
from ltengine.errors import EngineError
from ltengine.evaluation import Predictions
from ltengine.inspection import BOUNDS, FUNCTIONS, WORST, Document, Inspection, StageFile, take_up
from ltengine.linear_function import LinearFunction, Passed
from ltengine.observation import SampleErrors, join_samples, observe_samples, search_compact
from ltengine.part_file import Part, combine, load_part, save_part
from ltengine.pipeline import Observation
from ltengine.progress import AskCancel, never_cancel
from ltengine.verification import (
    ParameterCheck,
    Verdict,
    check_parameters,
    claim_reasons,
    conclude_verdict,
    identity_reasons,
    shape_reasons,
)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A part's document, and the file of what it found."""

    document: Document
    file: Path


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
