"""A construction in steps that different processes take: plan, build shards, merge.

Between the steps everything is a file or a JSON document: a shard's document says all that building
it needs besides checkpoint and spec, so that no step knows who took the one before.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import specified_activation
from ltengine.blueprint import Blueprint, draw_blueprint
from ltengine.certified_construction import (
    ConstructedTicket,
    assemble_ticket,
    first_tightening,
)
from ltengine.construction import Construction
from ltengine.copies_builder import expected_problems
from ltengine.device import cell_solver, choose_device
from ltengine.divided_checks import (
    BUILD,
    LEFT,
    DividedWork,
    FinishedShard,
    Retry,
    begin_checks,
    check,
    forget_inspection,
    go_on_checking,
)
from ltengine.division import (
    Shard,
    StoredPiece,
    build_shard,
    merge_pieces,
    plan_wave,
    waves,
)
from ltengine.inspection import TICKET, Document
from ltengine.piece_file import load_piece, load_reads, save_piece
from ltengine.pipeline import (
    Material,
    PipelineRequest,
    Stopwatch,
    construct_ticket,
    describe_construction,
    load_material,
)
from ltengine.progress import AskCancel, ReportProgress, ignore_progress, never_cancel, step
from ltengine.specification import Specification
from ltengine.ticket_file import save_ticket


@dataclass(frozen=True, slots=True)
class Division:
    """When and how finely a construction is divided.

    Attributes:
        least_problems: constructions of fewer problems stay whole.
        problems_per_shard: about how many problems a shard poses.
    """

    least_problems: int
    problems_per_shard: int


def construct_or_divide(
    request: PipelineRequest,
    *,
    clock: Callable[[], float],
    division: Division | None,
    progress: ReportProgress = ignore_progress,
    cancel: AskCancel = never_cancel,
) -> DividedWork | dict[str, Any]:
    """As ``run_pipeline``, but of what is large enough for a division only its first shards.

    Raises:
        EngineError: as ``run_pipeline``.
    """
    watch = Stopwatch(clock)
    progress("load", 0, 1)
    material = load_material(request)
    watch.stage_done("load")
    divided = None if division is None else plan_division(material, division)
    if divided is not None:
        return divided
    return construct_ticket(request, material, watch, progress=progress, cancel=cancel)


def plan_division(material: Material, division: Division) -> DividedWork | None:
    """The first shards of a construction; None where it is to stay whole.

    Raises:
        EngineError: the construction cannot be had.
    """
    tightening = first_tightening(material.specification)
    blueprint = _draw(material, tightening)
    problems = sum(expected_problems(blueprint, layer) for layer in blueprint.copies)
    if problems < division.least_problems:
        return None
    return _first_wave(blueprint, division.problems_per_shard, 1, tightening)


def do_shard(
    request: PipelineRequest,
    document: Document,
    left: Sequence[FinishedShard] = (),
    *,
    progress: ReportProgress = ignore_progress,
    cancel: AskCancel = never_cancel,
) -> dict[str, Any]:
    """Build a shard, or check a part of the ticket; write the request's file; a few figures.

    Args:
        request: whose file is to be written.
        document: of the shard.
        left: all files that were left so far, in their order.
        progress: told of rows that are built.
        cancel: asked for a wish to stop.

    Raises:
        EngineError: as ``construct``, or code VERIFICATION_FAILED.
    """
    # workers of the version before planned nothing but rows, and said no task
    if document.get("task", BUILD) != BUILD:
        check(request, document, left, cancel)
        return {"task": document["task"]}
    spec = request.specification.model_dump_json()
    material, blueprint = _blueprint(request.checkpoint, spec, document["tightening"])
    device = choose_device(material.specification.device, material.network.parameters)
    shard = _shard(document)
    piece = build_shard(blueprint, shard, cell_solver(device), progress=progress, cancel=cancel)
    save_piece(piece, request.ticket)
    return {
        "task": BUILD,
        "rows": int(shard.rows.size),
        "problems": int(piece.counts.table[:, 1:].sum()),
        "unsolved": int(piece.counts.unsolved.sum()),
        "cells": int(piece.mask.columns.size),
        "device": device,
    }


def go_on(
    request: PipelineRequest,
    finished: Sequence[FinishedShard],
    problems_per_shard: int,
    *,
    clock: Callable[[], float],
    progress: ReportProgress = ignore_progress,
    cancel: AskCancel = never_cancel,
) -> DividedWork | dict[str, Any]:
    """What follows once all shards planned so far are finished.

    Args:
        request: whose file is to be written.
        finished: all shards, and all files that were left, in their order.
        problems_per_shard: about how many problems a shard poses.
        clock: gives seconds.
        progress: told of pieces that are merged.
        cancel: asked for a wish to stop.

    Returns:
        the shards of the next wave, or of another attempt where an output tolerance could not be
        certified; or the report, when the ticket's file is that of the request.

    Raises:
        EngineError: as ``run_pipeline``.
    """
    step("merge", 0, 1, progress, cancel)
    watch = Stopwatch(clock)
    attempt = max(shard.document["attempt"] for shard in finished)
    own = [shard for shard in finished if shard.document["attempt"] == attempt]
    if any(LEFT in shard.document for shard in own):
        checked = go_on_checking(request, own, problems_per_shard, watch)
        return _or_another_attempt(checked, attempt, problems_per_shard)
    material = load_material(request)
    tightening = own[0].document["tightening"]
    blueprint = _draw(material, tightening)
    following = _next_wave(blueprint, own, problems_per_shard, attempt, tightening)
    if following is not None:
        return following
    construction = _merge(material, blueprint, own, progress)
    ticket = assemble_ticket(construction, material.network, material.specification)
    file_bytes, digest = save_ticket(ticket, request.ticket)
    found = ConstructedTicket(ticket, construction, None, attempt)
    made = describe_construction(material, found, digest, file_bytes)
    common = {"attempt": attempt, "tightening": tightening}
    left = {LEFT: [TICKET], "stage": -1, "made": made} | common
    begun = begin_checks(request, material, ticket, left, problems_per_shard)
    return _or_another_attempt(begun, attempt, problems_per_shard)


def _or_another_attempt(
    following: DividedWork | dict[str, Any] | Retry, attempt: int, problems_per_shard: int
) -> DividedWork | dict[str, Any]:
    if not isinstance(following, Retry):
        return following
    blueprint = _draw(following.material, following.tightening)
    return _first_wave(blueprint, problems_per_shard, attempt + 1, following.tightening)


def forget_divided() -> None:
    """Let go of what this process keeps of the divided construction it worked on last."""
    forget_inspection()
    _blueprint.cache_clear()


def _merge(
    material: Material,
    blueprint: Blueprint,
    finished: Sequence[FinishedShard],
    progress: ReportProgress,
) -> Construction:
    solver = cell_solver(choose_device(material.specification.device, material.network.parameters))
    return merge_pieces(blueprint, map(_stored, finished), solver, progress=progress)


def _first_wave(
    blueprint: Blueprint, problems_per_shard: int, attempt: int, tightening: float
) -> DividedWork:
    planned = _next_wave(blueprint, [], problems_per_shard, attempt, tightening)
    assert planned is not None  # the last layer's rows are always built
    return planned


def _draw(material: Material, tightening: float) -> Blueprint:
    specification = material.specification
    activation = specified_activation(specification)
    return draw_blueprint(material.network, activation, specification, tightening=tightening)


@lru_cache(maxsize=1)
def _blueprint(checkpoint: Path, spec: str, tightening: float) -> tuple[Material, Blueprint]:
    """Of a shard: its neighbours, which the same process often builds next, have the same."""
    specification = Specification.model_validate_json(spec)
    material = load_material(PipelineRequest(checkpoint, specification, checkpoint))
    return material, _draw(material, tightening)


def _next_wave(
    blueprint: Blueprint,
    finished: Sequence[FinishedShard],
    problems_per_shard: int,
    attempt: int,
    tightening: float,
) -> DividedWork | None:
    """The first wave after the finished ones that has any shards; None when there is none."""
    layers_of_wave = waves(blueprint)
    first = 1 + max((shard.document["wave"] for shard in finished), default=-1)
    read = _read(finished)
    for wave in range(first, len(layers_of_wave)):
        shards = plan_wave(blueprint, wave, read, problems_per_shard)
        later = [layer for layers in layers_of_wave[wave + 1 :] for layer in layers]
        expected = sum(
            -(-expected_problems(blueprint, layer) // problems_per_shard) for layer in later
        )
        if shards:
            documents = (_document(shard, wave, attempt, tightening) for shard in shards)
            checks = 2 * len(blueprint.network.layers)  # at least one part for each of their stages
            return DividedWork(tuple(documents), expected + checks)
    return None


def _read(finished: Sequence[FinishedShard]) -> dict[int, NDArray[np.bool_]]:
    """For each layer, which neurons below it the finished pieces read."""
    read: dict[int, NDArray[np.bool_]] = {}
    for shard in finished:
        reads, layer = load_reads(shard.file), shard.document["layer"]
        read[layer] = read[layer] | reads if layer in read else reads
    return read


def _document(shard: Shard, wave: int, attempt: int, tightening: float) -> Document:
    return {
        "task": BUILD,
        "attempt": attempt,
        "tightening": tightening,
        "wave": wave,
        "layer": shard.layer,
        "first": shard.first,
        "last": shard.last,
        "wanted": base64.b64encode(shard.wanted).decode(),
    }


def _shard(document: Document) -> Shard:
    wanted = base64.b64decode(document["wanted"])
    return Shard(document["layer"], document["first"], document["last"], wanted)


def _stored(finished: FinishedShard) -> StoredPiece:
    shard = _shard(finished.document)
    return StoredPiece(shard, partial(load_piece, shard, finished.file))
