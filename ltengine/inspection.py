"""A ticket under inspection, in parts that different processes take.

A part is some copies of a layer, some samples, or some starting points; what it finds is a file.
The certificate has stages, as it climbs from the inputs layer by layer and then carries the
outputs' errors down again: stage n bounds hidden layer n + 1, later ones pass functions through the
hidden layers from the last. Whoever puts a stage together leaves a file for the next one.
Verification, data and search need nothing but the ticket, and nothing waits for them but the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltengine.bounds_coding import (
    decode_bounds,
    decode_functions,
)
from ltengine.certificate import CertifiedLayers
from ltengine.chain import samples_per_tile
from ltengine.effective import live_neurons
from ltengine.evaluation import SAMPLES_PER_TILE, CompactLayer, compact
from ltengine.linear_function import LinearFunction
from ltengine.observation import (
    affordable_starts,
)
from ltengine.part_file import load_part
from ltengine.pipeline import Material
from ltengine.sparse_network import ticket_layers
from ltengine.ticket import Ticket, TicketLayer
from ltengine.verification import (
    LayerCopies,
    layers_of_copies,
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
        + _evaluation_parts(inspection, problems_per_shard)
        + _verification_parts(inspection, CELLS_PER_PROBLEM * problems_per_shard)
    )


def _evaluation_parts(inspection: Inspection, problems_per_shard: int) -> list[Document]:
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
