"""Constructing until the certificate proves the tolerance.

A parameter tolerance holds by construction. An output tolerance is first split over the layers by
the error budget (Lemma 2.8). That budget knows neither how links cancel nor how large their sums
are (in L+1 a weight 0.1 = 0.9 - 0.8 passes on 1.7 times its copies' errors), so only the finished
ticket's certificate decides. It usually stays far below what the budget allows for; so the first
attempt takes a multiple of the tolerance, and tightens it until the certificate says yes.
"""

from __future__ import annotations

from dataclasses import dataclass

from ltengine import ENGINE_VERSION
from ltengine.activation import Activation
from ltengine.certificate import Certificate, issue_certificate
from ltengine.construction import Construction, construct
from ltengine.errors import EngineError
from ltengine.network import Network
from ltengine.progress import AskCancel, ReportProgress, ignore_progress, never_cancel
from ltengine.source import Distribution, Source
from ltengine.sparse_network import ticket_layers
from ltengine.specification import Specification
from ltengine.ticket import Ticket, TicketLayer

FIRST_TIGHTENING = 4.0
SAFETY = 0.9
MOST_ATTEMPTS = 12


@dataclass(frozen=True, slots=True)
class ConstructedTicket:
    """A ticket, and what had to be proved about it.

    Attributes:
        ticket: what the file will hold.
        construction: how it came about.
        certificate: its error bounds, where an output tolerance asked for them.
        attempts: constructions it took.
    """

    ticket: Ticket
    construction: Construction
    certificate: Certificate | None
    attempts: int


def assemble_ticket(
    construction: Construction, network: Network, specification: Specification
) -> Ticket:
    """The ticket that a construction has found; it does not tell on which device."""
    layers = tuple(
        TicketLayer(
            plan.role,
            plan.target_layer,
            plan.units,
            plan.block_size,
            plan.constants,
            plan.activation,
            plan.scale,
            plan.pairing,
            mask,
        )
        for plan, mask in zip(construction.plan.layers, construction.masks, strict=True)
    )
    return Ticket(
        network.inputs,
        layers,
        Source(specification.source.seed, Distribution(specification.source.distribution)),
        specification.model_copy(update={"device": "auto"}).model_dump(mode="json"),
        network.digest(),
        ENGINE_VERSION,
    )


def first_tightening(specification: Specification) -> float:
    """By what the first attempt multiplies an output tolerance."""
    return 1.0 if specification.tolerance.output is None else FIRST_TIGHTENING


def next_tightening(
    specification: Specification, certificate: Certificate | None, tightening: float
) -> float | None:
    """By what the next attempt does, after one with that certificate; None: it is good enough."""
    wanted = specification.tolerance.output
    if wanted is None or certificate is None:
        return None
    proved = float(certificate.errors.sum())
    if proved <= wanted:
        return None
    return tightening * min(0.5, SAFETY * wanted / proved)


def conclude_attempt(
    found: Construction,
    network: Network,
    specification: Specification,
    attempt: int,
    cancel: AskCancel,
) -> ConstructedTicket:
    """The ticket of a construction, with its certificate where an output tolerance asks for one."""
    ticket = assemble_ticket(found, network, specification)
    if specification.tolerance.output is None:
        return ConstructedTicket(ticket, found, None, attempt)
    certificate = issue_certificate(
        ticket, network, ticket_layers(ticket), specification, cancel=cancel
    )
    return ConstructedTicket(ticket, found, certificate, attempt)


def check_attempts(
    attempt: int, specification: Specification, certificate: Certificate | None
) -> None:
    """Raise EngineError (NOT_CERTIFIED) where no further attempt is made after that certificate."""
    if attempt < MOST_ATTEMPTS:
        return
    proved = 0.0 if certificate is None else float(certificate.errors.sum())
    raise EngineError(
        f"the best certificate after {MOST_ATTEMPTS} constructions is {proved:g} (L1 norm of the "
        f"output's error), above the tolerance {specification.tolerance.output:g}; raise "
        "tolerance.output, or give tolerance.parameter",
        code="NOT_CERTIFIED",
    )


def construct_certified(
    network: Network,
    activation: Activation,
    specification: Specification,
    *,
    progress: ReportProgress = ignore_progress,
    cancel: AskCancel = never_cancel,
) -> ConstructedTicket:
    """A ticket whose certificate meets an output tolerance, or whose parameters meet theirs.

    Raises:
        EngineError: code NOT_CERTIFIED, when no attempt meets the output tolerance.
        EngineError: as ``construct``.
    """
    tightening, attempt = first_tightening(specification), 1
    while True:
        construction = construct(
            network,
            activation,
            specification,
            tightening=tightening,
            progress=progress,
            cancel=cancel,
        )
        found = conclude_attempt(construction, network, specification, attempt, cancel)
        tighter = next_tightening(specification, found.certificate, tightening)
        if tighter is None:
            return found
        check_attempts(attempt, specification, found.certificate)
        tightening, attempt = tighter, attempt + 1
