"""One drawn ticket: the construction's walk, with solved problems drawn instead of solved.

Every problem's links, their values and its error are those of a solved problem of its layer, of a
target of like size. Going from the last layer to the first as the construction does, copies that
nobody reads are not counted, and each copy of a neuron has errors of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import RELU, Activation
from ltengine.base_set import BaseSets, build_base_sets
from ltengine.carrier import SignRule, expect_always_on
from ltengine.constant_chain import ConstantLayer, build_constants
from ltengine.errors import Canceled
from ltengine.failure import expected_unsolved
from ltengine.intercept import REMAINDER, balance
from ltengine.layout import plan_network, posed_magnitudes
from ltengine.network import DenseLayer, Network
from ltengine.plan import LayerPlan, Plan
from ltengine.posing import Problems, pose, pose_biases, row_chunks
from ltengine.problem import NO_CHOICE, UNSOLVED, Objective
from ltengine.progress import AskCancel, ReportProgress, ignore_progress, never_cancel
from ltengine.randomness import random_words
from ltengine.requirements import layer_requirements
from ltengine.role import Role
from ltengine.solvers.cascade import CascadeSolver
from ltengine.source import Distribution, Source
from ltengine.sparse_network import SparseLayer
from ltengine.specification import Specification
from ltengine.statistics.drawn_links import DrawnLinks
from ltengine.statistics.solution_bank import SolutionBank, fill_bank

DRAWING_STREAM = 16
"""Of the random words that pick solved problems; no cell of a source is on it."""
PROBLEMS_PER_CHUNK = 1 << 17


@dataclass(slots=True)
class DrawnTicket:
    """One replicate.

    Attributes:
        plan: of the source network.
        layers: a network that computes what the ticket would, if its links are kept; its carriers
            are linear.
        parameters: cells that the ticket keeps.
        problems: that a construction would pose.
        unsolved: problems drawn unsolved.
        expected_unsolved: expected number of unsolved ones by the failure statistics, from above.
        spare_used: expected number that need spares.
        histogram: (elements,) solutions by number of elements.
        largest_error: of any drawn parameter that has a solution.
        error_sum: of their |errors|.
    """

    plan: Plan
    layers: list[SparseLayer] = field(default_factory=list)
    parameters: int = 0
    problems: int = 0
    unsolved: int = 0
    expected_unsolved: float = 0.0
    spare_used: float = 0.0
    histogram: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    largest_error: float = 0.0
    error_sum: float = 0.0

    @property
    def mean_error(self) -> float:
        """Mean |error| of a solved problem."""
        return self.error_sum / max(1, self.problems - self.unsolved)

    @property
    def mean_size(self) -> float:
        """Mean number of elements of a solution."""
        elements = float((self.histogram * np.arange(self.histogram.size)).sum())
        return elements / max(1, int(self.histogram.sum()))

    def count(self, sizes: NDArray[np.int64], errors: NDArray[np.float64]) -> None:
        """Count drawn problems."""
        solved = sizes != UNSOLVED
        self.problems += sizes.size
        self.unsolved += int((~solved).sum())
        self.histogram += np.bincount(sizes[solved], minlength=self.histogram.size)
        magnitudes = np.abs(errors[solved])
        self.error_sum += float(magnitudes.sum())
        self.largest_error = max(self.largest_error, float(magnitudes.max(initial=0.0)))


class _LayerDrawing:
    """Draws the problems of one layer of copies from its bank."""

    def __init__(
        self,
        seed: int,
        layer: LayerPlan,
        below: LayerPlan,
        base_sets: BaseSets,
        bank: SolutionBank | None,
    ) -> None:
        self._seed = seed
        self._layer = layer
        self._base_sets = base_sets
        self._bank = bank
        self.needed = np.zeros(below.width, dtype=np.bool_)
        """(neuron of the layer below,) that some solution reads."""
        self.links = DrawnLinks(layer, below, base_sets)
        self._unit = layer.scale * below.unit_scale
        self._intercepts = np.zeros(layer.width)

    def draw(self, problems: Problems, ticket: DrawnTicket, *, keep_links: bool) -> None:
        """Draw these problems."""
        magnitudes, signs = np.abs(problems.targets), np.sign(problems.targets)
        beyond = magnitudes > self._layer.requirement.tolerance
        sizes = np.zeros(magnitudes.size, np.int64)
        # the empty subset is a solution where the target is within the tolerance
        sums = np.zeros(magnitudes.size)
        if self._bank is not None and beyond.any():
            drawn = self._pick(problems, self._bank)
            sizes = np.where(beyond, self._bank.sizes[drawn], 0).astype(np.int64)
            reached = magnitudes + self._bank.errors[drawn]
            sums = np.where(sizes > 0, reached * signs, 0.0)
            chosen = (self._bank.choices[drawn] != NO_CHOICE) & beyond[:, None]
            problem, element = np.nonzero(chosen)
            candidate = self._bank.choices[drawn][problem, element].astype(np.int64)
            columns = self._base_sets.columns[problems.base_sets[problem], candidate]
            self.needed[columns.reshape(-1)] = True
            ticket.parameters += columns.size
            values = self._bank.values[drawn][problem, element]
            if self._base_sets.intercepts is not None:
                self._add_intercepts(
                    problems.rows[problem],
                    self._bank.base_sets[drawn[0][problem]],
                    candidate,
                    values * signs[problem],
                )
            if keep_links:
                # the first link makes up for the sample's target being another one
                off = magnitudes - self._bank.targets[drawn[1:]]
                values = (values + np.where(element == 0, off[problem], 0.0)) * signs[problem]
                self.links.add(problems, sums, problem, columns, values)
        ticket.count(sizes, sums - problems.targets)

    def _add_intercepts(
        self,
        rows: NDArray[np.int64],
        sampled: NDArray[np.int64],
        candidate: NDArray[np.int64],
        values: NDArray[np.float64],
    ) -> None:
        """A link of a sampled base set that adds w2 w to a weight adds w2 b to its row's bias."""
        assert self._base_sets.intercepts is not None
        weights = self._base_sets.factors[sampled, candidate]
        biases = self._base_sets.intercepts.carriers[self._base_sets.columns[sampled, candidate, 0]]
        np.add.at(self._intercepts, rows, values * biases / weights)

    def draw_biases(
        self,
        source: Source,
        rows: NDArray[np.int64],
        biases: NDArray[np.float64],
        ticket: DrawnTicket,
        *,
        keep_links: bool,
    ) -> None:
        """Above always-on carriers: counterweights as they are, remainders drawn."""
        intercepts = self._base_sets.intercepts
        assert intercepts is not None
        wanted = (biases - self._intercepts[rows]) / self._unit
        balanced = balance(source, self._layer.layer, rows, wanted, intercepts)
        self.needed[balanced.cell_columns] = True
        ticket.parameters += balanced.cell_rows.size
        remainders = balanced.remainders * self._unit
        self.draw(pose_biases(rows, remainders, self._base_sets), ticket, keep_links=keep_links)
        # carriers and counterweights make up the rest, exactly
        self.links.add_to_biases(rows, biases - remainders)

    def _pick(
        self, problems: Problems, bank: SolutionBank
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The place in the bank of the solved problem that stands for each problem."""
        words = random_words(
            self._seed, DRAWING_STREAM, self._layer.layer, problems.rows, problems.base_sets
        )
        return (
            bank.sampled_set(problems.base_sets, self._base_sets.bias, self._base_sets.per_unit),
            bank.target_class(np.abs(problems.targets)),
            (words % np.uint32(bank.samples)).astype(np.int64),
        )


class _Walk:
    """From the last source layer to the first, as the construction goes."""

    def __init__(
        self,
        network: Network,
        plan: Plan,
        source: Source,
        objective: Objective,
        progress: ReportProgress,
        cancel: AskCancel,
        *,
        keep_links: bool,
    ) -> None:
        self._network = network
        self._plan = plan
        self._source = source
        self._objective = objective
        self._solver = CascadeSolver()
        self._chain: tuple[ConstantLayer, ...] = build_constants(source, plan, self._solver)
        self._progress = progress
        self._cancel = cancel
        self._keep_links = keep_links
        self._ticket = DrawnTicket(plan)

    def run(self) -> DrawnTicket:
        """Draw every layer."""
        depth = len(self._plan.layers)
        needed = np.arange(self._plan.layers[-1].units)
        for layer in reversed(self._plan.layers):
            self._progress("estimate", depth - layer.layer, depth)
            rows = needed[needed < layer.first_constant]
            if layer.role is Role.UNIVARIATE:
                with_biases = layer.sign_rule is SignRule.ALWAYS_ON
                self._ticket.parameters += rows.size * (2 if with_biases else 1)
                below = rows // layer.block_size
            else:
                below = self._draw(layer, rows)
            constants = self._keep_constants(layer, needed[needed >= layer.first_constant])
            needed = np.union1d(below, constants)
        self._ticket.layers.reverse()
        return self._ticket

    def _keep_constants(self, layer: LayerPlan, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the cells that make these constants; the neurons below that they read."""
        constant = self._chain[layer.layer - 1]
        if constant.from_biases:
            self._ticket.parameters += rows.size
            return rows[:0]
        wanted = np.isin(constant.cell_rows, rows)
        self._ticket.parameters += int(wanted.sum())
        return np.unique(constant.cell_columns[wanted])

    def _draw(self, layer: LayerPlan, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The neurons below that these copies read."""
        ticket, target = self._ticket, self._network.layers[layer.target_layer - 1]
        below = self._plan.layers[layer.layer - 2]
        constants = self._chain[layer.layer - 2].constants
        base_sets = build_base_sets(self._source, layer, below, constants)
        bank = self._fill_bank(layer, target, base_sets, below)
        drawing = _LayerDrawing(self._source.seed, layer, below, base_sets, bank)
        before = ticket.problems
        for chunk in row_chunks(rows, layer, target, base_sets, PROBLEMS_PER_CHUNK):
            if self._cancel():
                raise Canceled
            problems = pose(chunk, layer, target, base_sets)
            drawing.draw(problems, ticket, keep_links=self._keep_links)
        if base_sets.intercepts is not None:
            biases = target.biases[rows // layer.block_size]
            drawing.draw_biases(self._source, rows, biases, ticket, keep_links=self._keep_links)
        if bank is not None:
            ticket.spare_used += bank.spare_share * (ticket.problems - before)
        copies = np.bincount(rows // layer.block_size, minlength=target.outputs)
        ticket.expected_unsolved += self._expected_unsolved(layer, below, target, copies)
        if self._keep_links:
            ticket.layers.append(drawing.links.layer())
            if below.sign_rule is SignRule.BOTH:
                ticket.layers.append(split_signs(below.units))
        return np.flatnonzero(drawing.needed)

    def _fill_bank(
        self, layer: LayerPlan, target: DenseLayer, base_sets: BaseSets, below: LayerPlan
    ) -> SolutionBank | None:
        """None where every parameter is within the tolerance."""
        magnitudes = posed_magnitudes(target, 1.0)
        if base_sets.intercepts is not None:
            remainders = (np.arange(target.outputs) + 0.5) / target.outputs * REMAINDER
            unit = layer.scale * below.unit_scale
            magnitudes = np.concatenate((magnitudes, remainders * unit))
        magnitudes = magnitudes[magnitudes > layer.requirement.tolerance]
        if magnitudes.size == 0:
            return None
        return fill_bank(
            self._source,
            layer,
            base_sets,
            below.unit_scale,
            magnitudes,
            self._solver,
            self._objective,
            self._cancel,
        )

    def _expected_unsolved(
        self, layer: LayerPlan, below: LayerPlan, target: DenseLayer, copies: NDArray[np.int64]
    ) -> float:
        product = "_product" if below.role is Role.UNIVARIATE else ""
        per_unit = 2 if below.sign_rule is SignRule.BOTH else 1
        unit = layer.scale * below.unit_scale
        if below.sign_rule is SignRule.ALWAYS_ON and below.domain is not None:
            # carriers that stay on weigh less than others: a measured failure of the same problem,
            # scaled up
            distribution = self._source.distribution.value
            unit *= expect_always_on(distribution, *below.domain).size
        needs = layer.requirement
        neurons, inputs = np.nonzero(target.weight)
        targets, problems = target.weight[neurons, inputs], copies[neurons] * per_unit
        if target.bias is not None:
            targets, problems = np.append(targets, target.bias), np.append(problems, copies)
        return expected_unsolved(
            self._source.distribution.value + product,
            needs.base_set.candidates,
            needs.tolerance / unit,
            targets / unit,
            problems.astype(np.float64),
            needs.base_set.largest_subset,
        )


def split_signs(units: int) -> SparseLayer:
    """X -> (relu(x), relu(-x)): what carriers of both signs make of an input."""
    rows = np.arange(2 * units)
    values = np.repeat([1.0, -1.0], units)
    offsets = np.arange(2 * units + 1)
    return SparseLayer(rows, rows % units, values, offsets, np.zeros(2 * units), RELU)


def draw_ticket(
    network: Network,
    activation: Activation,
    specification: Specification,
    *,
    keep_links: bool = False,
    progress: ReportProgress = ignore_progress,
    cancel: AskCancel = never_cancel,
) -> DrawnTicket:
    """One replicate, for the source of the spec's seed.

    Args:
        network: the target.
        activation: between its layers.
        specification: what would be constructed.
        keep_links: fill ``layers``, for evaluation; 24 bytes a link.
        progress: called for each layer.
        cancel: asked before each chunk of problems.

    Raises:
        SpecificationError: depth, carriers or tolerance cannot be had for this target.
        Canceled: ``cancel`` said so.
    """
    requirements = layer_requirements(network, activation, specification)
    plan = plan_network(network, activation, specification, requirements)
    given = specification.source
    source = Source(given.seed, Distribution(given.distribution))
    objective = Objective(specification.objective)
    walk = _Walk(network, plan, source, objective, progress, cancel, keep_links=keep_links)
    return walk.run()
