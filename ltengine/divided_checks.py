"""Checking a divided construction's ticket in steps: what is to be done next, after what is done.

Between the steps everything is a file or a JSON document, as in ``divided_pipeline``. A merge puts
a stage of the certificate together and plans the next one; the parts that verify, evaluate and
search are free: no merge waits for them, and they are planned with the first stage. Where an output
tolerance is to be proved, they wait for the proof, so as not to be done for a ticket that will not
be. The last step waits for everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltengine.certified_construction import check_attempts, next_tightening
from ltengine.checked_parts import (
    CheckResult,
    certificate,
    check_part,
    leave_worst_inputs,
    observation,
    put_together,
    verdict,
)
from ltengine.inspection import (
    TICKET,
    WORST,
    Document,
    Inspection,
    StageFile,
    begin_inspection,
    certificate_parts,
    free_parts,
    take_up,
    worst_inputs_part,
)
from ltengine.pipeline import (
    Material,
    PipelineRequest,
    Stopwatch,
    describe_result,
    load_material,
    require_valid,
)
from ltengine.progress import AskCancel
from ltengine.ticket import Ticket
from ltengine.ticket_file import read_ticket

BUILD = "build"
"""The task of a shard that builds rows; others check a part of the ticket."""
LEFT = "left"
"""What a document of a file that was left says it holds."""
STAGE_OF_TASK = {
    BUILD: "construct",
    "bound": "verify",
    "pass_on": "verify",
    "verify": "verify",
    "evaluate": "evaluate",
    "search": "evaluate",
}
"""Where a report counts the seconds of a task."""


@dataclass(frozen=True, slots=True)
class DividedWork:
    """Shards that can be done now, and how to go on after them.

    Attributes:
        shards: their documents; none where the next step can follow at once.
        expected: about how many more will follow in later waves.
        left: the document of the request's file, which these shards and later ones need; None
            where no file was written.
        concludes: whether the next step is the last one and waits for all shards; else those that
            verify, evaluate and search may go on meanwhile.
    """

    shards: tuple[Document, ...]
    expected: int
    left: Document | None = None
    concludes: bool = False


@dataclass(frozen=True, slots=True)
class FinishedShard:
    """A document, and the file of what was made of it: of a shard's, or of one that was left.

    ``seconds`` is how long that took.
    """

    document: Document
    file: Path
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Retry:
    """The ticket cannot be certified: another is to be built, by a tighter tolerance."""

    material: Material
    tightening: float


def check(
    request: PipelineRequest,
    document: Document,
    left: Sequence[FinishedShard],
    cancel: AskCancel,
) -> None:
    """Do a part of the checks and write the request's file."""
    own = [each for each in left if each.document["attempt"] == document["attempt"]]
    check_part(_inspect(request, own), document, request.ticket, cancel)


def begin_checks(
    request: PipelineRequest,
    material: Material,
    ticket: Ticket,
    left: Document,
    problems_per_shard: int,
) -> DividedWork | Retry:
    """The first shards that check a ticket whose file is the request's; ``left`` describes it."""
    inspection = begin_inspection(material, ticket)
    _keep(request, left["attempt"], inspection)
    parts = certificate_parts(inspection, 0, problems_per_shard)
    if parts is None:
        return _certified(inspection, left, problems_per_shard)
    unproved = material.specification.tolerance.output is not None
    free = [] if unproved else free_parts(inspection, problems_per_shard)
    return _work(inspection, [*free, *parts], left, concludes=False)


def go_on_checking(
    request: PipelineRequest,
    own: Sequence[FinishedShard],
    problems_per_shard: int,
    watch: Stopwatch,
) -> DividedWork | dict[str, Any] | Retry:
    """What follows shards that check a ticket; ``own`` are all of this attempt that are done."""
    left = [shard for shard in own if LEFT in shard.document]
    inspection = _inspect(request, left)
    results = [CheckResult(each.document, each.file) for each in own if "task" in each.document]
    stage = left[-1].document["stage"] + 1
    common = {name: left[-1].document[name] for name in ("attempt", "tightening")}
    if certificate_parts(inspection, stage, problems_per_shard) is None:
        return _conclude(request, own, inspection, watch)
    try:
        stage_file = put_together(inspection, stage, results, request.ticket)
    except BaseException:
        forget_inspection()  # it may have gone half a step
        raise
    document = {LEFT: list(stage_file.holds), "stage": stage} | common
    parts = certificate_parts(inspection, stage + 1, problems_per_shard)
    if parts is not None:
        return _work(inspection, parts, document, concludes=False)
    if inspection.material.specification.tolerance.output is None:
        return _work(inspection, [], document, concludes=True)
    return _certified(inspection, document, problems_per_shard)


def _certified(
    inspection: Inspection, left: Document, problems_per_shard: int
) -> DividedWork | Retry:
    """All other checks, or another attempt where the certificate is not good enough."""
    material, attempt = inspection.material, left["attempt"]
    specification, tightening = material.specification, left["tightening"]
    proved = certificate(inspection)
    tighter = next_tightening(specification, proved, tightening)
    if tighter is not None:
        check_attempts(attempt, specification, proved)
        return Retry(material, tighter)
    return _work(inspection, free_parts(inspection, problems_per_shard), left, concludes=True)


def _conclude(
    request: PipelineRequest,
    own: Sequence[FinishedShard],
    inspection: Inspection,
    watch: Stopwatch,
) -> DividedWork | dict[str, Any]:
    """The report; before it, once the data is evaluated, a search from its worst inputs."""
    left = [shard.document for shard in own if LEFT in shard.document]
    searched = any(WORST in document[LEFT] for document in left)
    if inspection.material.dataset is not None and not searched:
        results = [CheckResult(each.document, each.file) for each in own if "task" in each.document]
        stage_file = leave_worst_inputs(inspection, results, request.ticket)
        common = {name: left[-1][name] for name in ("attempt", "tightening", "stage")}
        document = {LEFT: list(stage_file.holds)} | common
        return _work(inspection, [worst_inputs_part(inspection)], document, concludes=True)
    return _finish(request, own, inspection, watch)


def _work(
    inspection: Inspection, parts: list[Document], left: Document, *, concludes: bool
) -> DividedWork:
    stage = left["stage"] + 1
    common = {"attempt": left["attempt"], "tightening": left["tightening"], "stage": stage}
    # at least one part for each stage that is to come
    expected = 0 if concludes else 2 * inspection.hidden - stage - 1
    return DividedWork(tuple(part | common for part in parts), max(0, expected), left, concludes)


def _finish(
    request: PipelineRequest,
    own: Sequence[FinishedShard],
    inspection: Inspection,
    watch: Stopwatch,
) -> dict[str, Any]:
    """The report, with the ticket's file where the request wants it."""
    results = [CheckResult(each.document, each.file) for each in own if "task" in each.document]
    certified = certificate(inspection)
    found = verdict(inspection, results, certified)
    require_valid(found)
    ticket = next(each for each in own if TICKET in each.document.get(LEFT, ()))
    request.ticket.symlink_to(ticket.file)
    watch.stage_done("verify")
    made = ticket.document["made"]
    return describe_result(made, found, certified, observation(results), _seconds(own, watch))


def _seconds(own: Sequence[FinishedShard], watch: Stopwatch) -> dict[str, float]:
    """Seconds of all workers together, by what they did."""
    spent = dict.fromkeys(("load", "construct", "verify", "evaluate"), 0.0)
    for shard in own:
        spent[STAGE_OF_TASK[shard.document.get("task", BUILD)]] += shard.seconds
    spent["verify"] += watch.seconds["verify"]
    return spent | {"total": sum(spent.values())}


_inspections: dict[str, Inspection] = {}
"""The one that this process looked into last: its ticket is read and drawn once."""


def _inspect(request: PipelineRequest, left: Sequence[FinishedShard]) -> Inspection:
    """The inspection of a ticket that was built, with all files that were left for it."""
    attempt = left[0].document["attempt"]
    files = [StageFile(tuple(each.document[LEFT]), each.file) for each in left]
    found = _inspections.get(_key(request, attempt))
    if found is None or found.files > len(files):
        _inspections.clear()
        found = begin_inspection(load_material(request), read_ticket(files[0].file)[0])
        _keep(request, attempt, found)
    for file in files[found.files :]:
        take_up(found, file)
    return found


def _keep(request: PipelineRequest, attempt: int, inspection: Inspection) -> None:
    _inspections.clear()
    _inspections[_key(request, attempt)] = inspection


def _key(request: PipelineRequest, attempt: int) -> str:
    specification = request.specification.model_dump_json()
    return f"{request.checkpoint} {request.dataset} {attempt} {specification}"


def forget_inspection() -> None:
    """Let go of the ticket that this process has looked into."""
    _inspections.clear()
