"""The verifier: does this ticket, by its own cells, compute this target within its tolerance?

It sees the ticket, the target and the published definition of the source. It shares no plan and no
solver with the constructor: effective parameters are summed up from the kept cells in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation, specified_activation
from ltengine.certificate import Certificate, input_bounds, issue_certificate
from ltengine.checkpoint import read_checkpoint
from ltengine.effective import (
    EffectiveRows,
    Meaning,
    StructureError,
    chunks_of_copies,
    effective_parameters,
    input_meaning,
    live_cells,
    live_copies,
    live_neurons,
    next_meaning,
    parameter_errors,
)
from ltengine.error_histogram import ErrorHistogram
from ltengine.errors import TicketFormatError
from ltengine.network import DenseLayer, Network
from ltengine.role import Role
from ltengine.sparse_network import LayerCells, ticket_layers
from ltengine.specification import Specification, parse_specification
from ltengine.threads import in_order
from ltengine.ticket import Ticket, TicketLayer
from ltengine.ticket_file import read_ticket_bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the verifier found.

    Attributes:
        valid: no reason against the ticket was found.
        reasons: each begins with a stable code and a colon.
        largest_parameter_error: max over target parameters, copies and signs of the input; None
            where the cells could not be read as a representation of the target at all.
        tolerance: what the ticket's own spec claims to keep, as JSON data; None where unreadable.
        histogram: of the parameter errors, as JSON data; None like the largest one.
    """

    valid: bool
    reasons: tuple[str, ...]
    largest_parameter_error: float | None
    tolerance: dict[str, float | None] | None = None
    histogram: dict[str, Any] | None = None

    def to_document(self) -> dict[str, Any]:
        """JSON data."""
        return {
            "valid": self.valid,
            "reasons": list(self.reasons),
            "largest_parameter_error": self.largest_parameter_error,
            "tolerance": self.tolerance,
            "histogram": self.histogram,
        }


def shape_reasons(ticket: Ticket, network: Network) -> list[str]:
    """Does the claim run through the target's layers in order, each once?"""
    built = [layer for layer in ticket.layers if layer.role is Role.COPIES]
    expected = [(number, layer.outputs) for number, layer in enumerate(network.layers, start=1)]
    if [(layer.target_layer, layer.units) for layer in built] != expected:
        return ["SHAPE: the layers of copies are not the target's layers"]
    if ticket.inputs != network.inputs:
        return [f"SHAPE: {ticket.inputs} inputs, the target has {network.inputs}"]
    last = ticket.layers[-1]
    if last.role is not Role.COPIES or last.block_size != 1 or last.constants:
        return ["SHAPE: the last layer must be the target's outputs, each once"]
    return []


def _activation_reasons(ticket: Ticket, activation: Activation, carrier: str | None) -> list[str]:
    for number, layer in enumerate(ticket.layers[:-1], start=1):
        if layer.role is Role.COPIES and layer.activation.name != activation.name:
            return [f"ACTIVATION: layer {number} is {layer.activation.name}, not {activation.name}"]
        if layer.role is Role.COPIES and layer.activation.slope != activation.slope:
            return [f"ACTIVATION: layer {number} has slope {layer.activation.slope}"]
        if layer.role is Role.UNIVARIATE and layer.activation.name != carrier:
            return [f"ACTIVATION: layer {number} is {layer.activation.name}, not {carrier}"]
    if ticket.layers[-1].activation.name != "identity":
        return ["ACTIVATION: the last layer must be linear"]
    return []


def _mask_reasons(
    ticket: Ticket, live: tuple[NDArray[np.bool_], ...], specification: Specification
) -> list[str]:
    """Biases exist where the spec says, and no neuron that nothing reads keeps a cell."""
    everywhere = specification.source.biases == "all_layers"
    reasons = []
    for number, (layer, used) in enumerate(zip(ticket.layers, live, strict=True), start=1):
        biased = np.flatnonzero(layer.mask.biases)
        if number > 1 and biased.size and not everywhere:
            reasons.append(f"BIAS_CELL: layer {number} keeps a bias; only the first layer has any")
        keeps = (np.diff(layer.mask.offsets) > 0) | layer.mask.biases
        dead = np.flatnonzero(keeps & ~used)
        if dead.size:
            reasons.append(
                f"DEAD_CELL: neuron {dead[0]} of layer {number} keeps cells, but nothing reads it"
            )
    return reasons


def _unit_is_nonnegative(
    layer: TicketLayer, activation: Activation, specification: Specification
) -> bool:
    if layer.target_layer == 1:
        return specification.input.normalised_low >= 0
    return activation.nonnegative


@dataclass(frozen=True, slots=True)
class LayerCopies:
    """A layer of copies of a ticket, ready to be compared with its target layer.

    Attributes:
        number: of the source layer, from 1.
        layer: its claim.
        cells: its kept cells.
        below: what the layer below emits.
        live: (copy,) the neurons that are read, ascending.
        target: the target layer.
        nonnegative: whether its units never fall below 0.
    """

    number: int
    layer: TicketLayer
    cells: LayerCells
    below: Meaning
    live: NDArray[np.int64]
    target: DenseLayer
    nonnegative: bool


@dataclass(frozen=True, slots=True)
class ParameterCheck:
    """Effective parameters of some copies beside the target's.

    Attributes:
        largest: error of a parameter.
        reason: the first copy's that misses the tolerance; None where none does.
        counts: of an ErrorHistogram.
    """

    largest: float
    reason: str | None
    counts: NDArray[np.int64]


def layers_of_copies(
    ticket: Ticket, network: Network, live: tuple[NDArray[np.bool_], ...]
) -> Iterator[LayerCopies]:
    """The ticket's layers of copies, from the first.

    Raises:
        StructureError: the cells of a layer cannot be what its claim says.
    """
    specification = parse_specification(ticket.specification)
    activation = specified_activation(specification)
    meaning: Meaning = input_meaning(ticket.inputs, *input_bounds(specification.input))
    layers = zip(ticket.layers, ticket_layers(ticket), live, strict=True)
    for number, (layer, cells, used) in enumerate(layers, start=1):
        if layer.role is Role.COPIES:
            yield LayerCopies(
                number,
                layer,
                cells,
                meaning,
                live_copies(layer, used),
                network.layers[layer.target_layer - 1],
                _unit_is_nonnegative(layer, activation, specification),
            )
        meaning = next_meaning(layer, cells, meaning, used)


def check_parameters(
    copies: LayerCopies, tolerance: float | None, first: int = 0, last: int | None = None
) -> ParameterCheck:
    """Compare live copies first ... last - 1 of a layer; no tolerance means any error will do."""
    layer, below = copies.layer, copies.below
    chunks = chunks_of_copies(layer, copies.live[first:last], below.units)
    found = list(in_order(lambda chunk: _check_chunk(copies, tolerance, chunk), chunks))
    reasons = [check.reason for check in found if check.reason is not None]
    return ParameterCheck(
        max((check.largest for check in found), default=0.0),
        reasons[0] if reasons else None,
        np.sum([ErrorHistogram().counts, *(check.counts for check in found)], axis=0),
    )


def _check_chunk(
    copies: LayerCopies, tolerance: float | None, chunk: NDArray[np.int64]
) -> ParameterCheck:
    cells = live_cells(copies.cells, chunk)
    rows = effective_parameters(copies.layer, cells, copies.below, nonnegative=copies.nonnegative)
    weights, biases = parameter_errors(rows, copies.target)
    worst = max(float(weights.max()), float(biases.max()))
    histogram = ErrorHistogram()
    histogram.add(weights)
    histogram.add(biases)
    misses = tolerance is not None and worst > tolerance
    reason = (
        _describe_worst(copies.number, rows, weights, biases, tolerance or 0.0) if misses else None
    )
    return ParameterCheck(worst, reason, histogram.counts)


def _describe_worst(
    number: int,
    rows: EffectiveRows,
    weights: NDArray[np.float64],
    biases: NDArray[np.float64],
    tolerance: float,
) -> str:
    if biases.max() >= weights.max():
        row, what, error = int(np.argmax(biases)), "its bias", float(biases.max())
    else:
        row, unit = (int(i) for i in np.unravel_index(int(np.argmax(weights)), weights.shape))
        what, error = f"its weight from unit {unit}", float(weights.max())
    return (
        f"PARAMETER_ERROR: neuron {rows.rows[row]} of layer {number} misses {what} of target "
        f"neuron {rows.neurons[row]} by {error:.6g}, tolerance {tolerance:g}"
    )


def identity_reasons(ticket: Ticket, network: Network) -> list[str]:
    """Was the ticket made for this target, by the spec that it states?"""
    specification = parse_specification(ticket.specification)
    reasons: list[str] = []
    if ticket.target_digest != network.digest():
        reasons.append("TARGET_MISMATCH: the ticket was made for another network")
    if specification.source.seed != ticket.source.seed:
        reasons.append("SEED_MISMATCH: the spec names another seed")
    if specification.source.distribution != ticket.source.distribution.value:
        reasons.append("DISTRIBUTION_MISMATCH: the spec names another distribution")
    return reasons


def claim_reasons(ticket: Ticket, live: tuple[NDArray[np.bool_], ...]) -> list[str]:
    """Are activations, biases and cells of a ticket of the target's shape what they must be?"""
    specification = parse_specification(ticket.specification)
    activation = specified_activation(specification)
    reasons = _activation_reasons(ticket, activation, specification.carrier)
    return reasons + _mask_reasons(ticket, live, specification)


def conclude_verdict(
    specification: Specification,
    reasons: list[str],
    checks: Sequence[ParameterCheck],
    certify: Callable[[], Certificate],
) -> Verdict:
    """The verdict on a ticket whose copies are all checked, in the order of their layers.

    Args:
        specification: the ticket's own.
        reasons: against its claims.
        checks: of its parameters.
        certify: its certificate, which only an output tolerance needs.
    """
    found = [check.reason for check in checks if check.reason is not None]
    reasons = [*reasons, *found[:1]]
    claimed = specification.tolerance.model_dump(mode="json")
    if not reasons and specification.tolerance.output is not None:
        bound = float(certify().errors.sum())
        if not bound <= specification.tolerance.output:
            reasons.append(
                f"OUTPUT_ERROR: certified error {bound:.6g} (L1 norm), tolerance "
                f"{specification.tolerance.output:g}"
            )
    histogram = ErrorHistogram(np.sum([check.counts for check in checks], axis=0))
    largest = max(check.largest for check in checks)
    return Verdict(not reasons, tuple(reasons), largest, claimed, histogram.to_document())


def verify(
    ticket: Ticket,
    network: Network,
    certificate: Certificate | None = None,
) -> Verdict:
    """Check a ticket against a target.

    Args:
        ticket: as read from a file.
        network: the target.
        certificate: where the caller has it already; only an output tolerance needs it.
    """
    specification = parse_specification(ticket.specification)
    claimed = specification.tolerance.model_dump(mode="json")
    reasons, shape = identity_reasons(ticket, network), shape_reasons(ticket, network)
    if shape:
        return Verdict(False, (*reasons, *shape), None, claimed)
    live = live_neurons(ticket)
    reasons += claim_reasons(ticket, live)
    try:
        checks = [
            check_parameters(copies, specification.tolerance.parameter)
            for copies in layers_of_copies(ticket, network, live)
        ]
    except StructureError as error:
        return Verdict(False, (*reasons, f"STRUCTURE: {error}"), None, claimed)

    def certify() -> Certificate:
        return certificate or issue_certificate(
            ticket, network, ticket_layers(ticket), specification
        )

    return conclude_verdict(specification, reasons, checks, certify)


def verify_files(ticket: Path, checkpoint: Path) -> Verdict:
    """Check a ticket file against a checkpoint file; raises as ``verify_bytes``."""
    return verify_bytes(ticket.read_bytes(), checkpoint)


def verify_bytes(ticket: bytes, checkpoint: Path) -> Verdict:
    """Check a ticket file's bytes against a checkpoint file.

    Raises:
        CheckpointError: the checkpoint cannot be read; a ticket that cannot be read is a verdict.
    """
    network = read_checkpoint(checkpoint).network
    try:
        read, _ = read_ticket_bytes(ticket)
    except TicketFormatError as error:
        return Verdict(False, (f"{error.code}: {error.detail}",), None)
    return verify(read, network)
