"""The construction: plan, then from the last layer to the first pose, solve and keep.

Going backwards means that a copy of a target neuron is only built when some solution above it uses
that copy. Spare copies therefore cost nothing until a problem needs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation
from ltengine.base_set import BaseSets, build_base_sets
from ltengine.cell_kernel import draw_items
from ltengine.constant_chain import ConstantLayer, build_constants
from ltengine.errors import Canceled, UnsolvedProblemsError
from ltengine.layout import plan_network
from ltengine.mask import LayerMask
from ltengine.network import DenseLayer, Network
from ltengine.plan import LayerPlan, Plan, Requirement
from ltengine.problem import (
    FRACTION_BITS,
    NO_CHOICE,
    UNSOLVED,
    ProblemBatch,
    SolutionBatch,
    Solver,
    fixed_point_targets,
    fixed_point_tolerance,
)
from ltengine.progress import AskCancel, ReportProgress, ignore_progress, never_cancel
from ltengine.requirements import layer_requirements
from ltengine.role import Role
from ltengine.solvers.cascade import CascadeSolver
from ltengine.source import Distribution, Source
from ltengine.specification import Specification

PROBLEMS_PER_CHUNK = 1 << 16
LARGEST_OFFER = 32
"""More candidates at once would make the exact search of a stubborn problem too slow."""
GROWTH = 4
SLIDE = 12
SHOWN_FAILURES = 3


@dataclass(slots=True)
class ProblemCounts:
    """What was solved, and how.

    Attributes:
        total: problems posed.
        unsolved: of them, without a solution.
        spare_used: of them, solved only with spare candidates.
        histogram: solutions by number of elements.
        failures: the first few unsolved ones, in words.
    """

    total: int = 0
    unsolved: int = 0
    spare_used: int = 0
    histogram: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    failures: list[str] = field(default_factory=list)

    def add_sizes(self, sizes: NDArray[np.int8]) -> None:
        """Count a chunk of solved problems."""
        counts = np.bincount(sizes[sizes >= 0], minlength=self.histogram.size)
        counts[: self.histogram.size] += self.histogram
        self.histogram = counts

    @property
    def mean_size(self) -> float:
        """Mean number of elements of a solution."""
        solved = self.histogram.sum()
        elements = (self.histogram * np.arange(self.histogram.size)).sum()
        return float(elements / solved) if solved else 0.0


@dataclass(frozen=True, slots=True)
class Construction:
    """A finished construction: the plan, one mask for each source layer, and the counts."""

    plan: Plan
    masks: tuple[LayerMask, ...]
    counts: ProblemCounts


@dataclass(frozen=True, slots=True)
class Problems:
    """The problems of some rows of one source layer: one per nonzero parameter (and sign)."""

    rows: NDArray[np.int64]
    base_sets: NDArray[np.int64]
    targets: NDArray[np.float64]

    def take(self, places: NDArray[np.int64]) -> Problems:
        """The problems at these places."""
        return Problems(self.rows[places], self.base_sets[places], self.targets[places])


def spare_offers(size: int, available: int) -> Iterator[tuple[int, int]]:
    """What a problem that its base set [0, size) cannot solve is offered, one after the other.

    Growing windows [0, size + 4), [0, size + 8), ... up to 32 candidates, then windows of that
    width sliding over the rest of the spares by twelve.
    """
    widest = max(size, min(LARGEST_OFFER, available))
    for last in range(size + GROWTH, widest + 1, GROWTH):
        yield 0, last
    if widest > size and (widest - size) % GROWTH:
        yield 0, widest
    for first in range(SLIDE, available - widest + SLIDE, SLIDE):
        last = min(first + widest, available)
        yield last - widest, last


def pose(
    rows: NDArray[np.int64],
    layer: LayerPlan,
    target: DenseLayer,
    base_sets: BaseSets,
    problems_per_chunk: int,
) -> Iterator[Problems]:
    """Problems of the given rows, in chunks of whole rows, each row's in order of its inputs."""
    neurons = rows // layer.block_size
    weight, per_unit = target.weight, base_sets.per_unit
    bias = target.bias if base_sets.bias >= 0 else None
    per_neuron = np.count_nonzero(weight, axis=1) * per_unit
    if bias is not None:
        per_neuron = per_neuron + (bias != 0)
    chunk_of_row = np.cumsum(per_neuron[neurons]) // problems_per_chunk
    for chunk in np.unique(chunk_of_row):
        members = chunk_of_row == chunk
        yield _pose_chunk(rows[members], neurons[members], weight, bias, base_sets)


def _pose_chunk(
    rows: NDArray[np.int64],
    neurons: NDArray[np.int64],
    weight: NDArray[np.float64],
    bias: NDArray[np.float64] | None,
    base_sets: BaseSets,
) -> Problems:
    place, unit = np.nonzero(weight[neurons])
    values = weight[neurons[place], unit]
    copies = base_sets.per_unit
    place, values = np.repeat(place, copies), np.repeat(values, copies)
    sets = (unit[:, None] * copies + np.arange(copies)).reshape(-1)
    if bias is not None:
        biased = np.flatnonzero(bias[neurons])
        place = np.concatenate((place, biased))
        values = np.concatenate((values, bias[neurons[biased]]))
        sets = np.concatenate((sets, np.full(biased.size, base_sets.bias)))
    return Problems(rows[place], sets, values)


class LayerSolver:
    """Solves the problems of one source layer, first with base sets, then with their spares."""

    def __init__(
        self,
        source: Source,
        layer: LayerPlan,
        base_sets: BaseSets,
        unit_scale: float,
        solver: Solver,
    ) -> None:
        self._source = source
        self._layer = layer
        self._base_sets = base_sets
        self._unit = layer.scale * unit_scale
        needs = layer.requirement
        self._size = needs.base_set.size
        self._largest = needs.base_set.largest_subset
        self._tolerance = fixed_point_tolerance(needs.tolerance / self._unit, self._largest)
        self._solver = solver

    def _attempt(self, problems: Problems, first: int, last: int) -> SolutionBatch:
        """The optimum over the candidates first ... last - 1 of each problem's base set."""
        available = np.clip(self._base_sets.available - first, 0, last - first)
        items = draw_items(
            self._source,
            self._layer.layer,
            problems.rows,
            problems.base_sets,
            self._base_sets.addresses[:, first:last],
            self._base_sets.factors[:, first:last],
            available,
            FRACTION_BITS,
        )
        targets = fixed_point_targets(problems.targets / self._unit)
        batch = ProblemBatch(
            items, available[problems.base_sets], targets, self._tolerance, self._largest
        )
        solutions = self._solver.solve(batch)
        solutions.choices[solutions.choices != NO_CHOICE] += np.uint8(first)
        return solutions

    def solve(self, problems: Problems, counts: ProblemCounts) -> SolutionBatch:
        """The optimum over the base set, else over the first offer with spares that has one."""
        solutions = self._attempt(problems, 0, self._size)
        open_problems = solutions.unsolved()
        for first, last in spare_offers(self._size, self._base_sets.addresses.shape[1]):
            if open_problems.size == 0:
                break
            found = self._attempt(problems.take(open_problems), first, last)
            solutions.sizes[open_problems] = found.sizes
            solutions.choices[open_problems] = found.choices
            counts.spare_used += int((found.sizes != UNSOLVED).sum())
            open_problems = solutions.unsolved()
        counts.total += problems.rows.size
        counts.unsolved += open_problems.size
        counts.add_sizes(solutions.sizes)
        self._describe_failures(problems, open_problems, counts)
        return solutions

    def _describe_failures(
        self, problems: Problems, open_problems: NDArray[np.int64], counts: ProblemCounts
    ) -> None:
        for p in open_problems[: SHOWN_FAILURES - len(counts.failures)]:
            neuron = problems.rows[p] // self._layer.block_size
            base_set = int(problems.base_sets[p])
            unit = "bias" if base_set == self._base_sets.bias else "input"
            place = "" if unit == "bias" else f" {base_set // self._base_sets.per_unit}"
            counts.failures.append(
                f"target layer {self._layer.target_layer}, neuron {neuron}, {unit}{place} = "
                f"{problems.targets[p]:.6g}"
            )


def _chosen_cells(
    problems: Problems, solutions: SolutionBatch, base_sets: BaseSets
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(rows, columns) of every cell that a solution keeps."""
    sizes = np.maximum(solutions.sizes, 0).astype(np.int64)
    used = np.arange(solutions.choices.shape[1]) < sizes[:, None]
    picks = solutions.choices[used].astype(np.int64)
    columns = base_sets.columns[np.repeat(problems.base_sets, sizes), picks]
    rows = np.repeat(np.repeat(problems.rows, sizes), columns.shape[1])
    return rows, columns.reshape(-1)


class _Backwards:
    """The walk from the last source layer to the first."""

    def __init__(
        self,
        network: Network,
        plan: Plan,
        specification: Specification,
        solver: Solver,
        problems_per_chunk: int,
        progress: ReportProgress,
        cancel: AskCancel,
    ) -> None:
        self._network = network
        self._plan = plan
        self._solver = solver
        self._problems_per_chunk = problems_per_chunk
        self._progress = progress
        self._cancel = cancel
        self._source = Source(
            specification.source.seed, Distribution(specification.source.distribution)
        )
        self._chain = build_constants(self._source, plan, solver)
        self.counts = ProblemCounts()
        self._expected = sum(
            network.layers[layer.target_layer - 1].nonzero * layer.block_size
            for layer in plan.layers
            if layer.role is Role.COPIES
        )
        self._done = 0

    def _copies_cells(
        self, layer: LayerPlan, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        target = self._network.layers[layer.target_layer - 1]
        below = self._plan.layers[layer.layer - 2]
        constants = self._chain[layer.layer - 2].constants
        base_sets = build_base_sets(self._source, layer, below, constants)
        layer_solver = LayerSolver(self._source, layer, base_sets, below.unit_scale, self._solver)
        kept_rows, kept_columns = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for problems in pose(rows, layer, target, base_sets, self._problems_per_chunk):
            if self._cancel():
                raise Canceled
            solutions = layer_solver.solve(problems, self.counts)
            chosen_rows, chosen_columns = _chosen_cells(problems, solutions, base_sets)
            kept_rows.append(chosen_rows)
            kept_columns.append(chosen_columns)
            self._done += problems.rows.size // base_sets.per_unit
            self._progress("construct", min(self._done, self._expected), self._expected)
        return np.concatenate(kept_rows), np.concatenate(kept_columns)

    def mask(self, layer: LayerPlan, needed: NDArray[np.int64]) -> LayerMask:
        """The cells that make the needed neurons (ascending rows) what the plan says."""
        inputs = self._plan.widths[layer.layer - 1]
        rows = needed[needed < layer.first_constant]
        if layer.role is Role.COPIES:
            cell_rows, cell_columns = self._copies_cells(layer, rows)
        else:
            own_row = layer.carriers_below > 0
            cell_rows, cell_columns = rows, rows if own_row else rows // layer.block_size
        constant: ConstantLayer = self._chain[layer.layer - 1]
        wanted = np.isin(constant.cell_rows, needed)
        bias_rows = needed[needed >= layer.first_constant] if constant.from_biases else needed[:0]
        return LayerMask.from_cells(
            layer.width,
            inputs,
            np.concatenate((cell_rows, constant.cell_rows[wanted])),
            np.concatenate((cell_columns, constant.cell_columns[wanted])),
            bias_rows,
        )


def construct(
    network: Network,
    activation: Activation,
    specification: Specification,
    *,
    solver: Solver | None = None,
    problems_per_chunk: int = PROBLEMS_PER_CHUNK,
    tightening: float = 1.0,
    requirements: Sequence[Requirement] | None = None,
    progress: ReportProgress = ignore_progress,
    cancel: AskCancel = never_cancel,
) -> Construction:
    """Prune the source network of ``specification`` until what remains computes ``network``.

    Args:
        network: the target.
        activation: between its layers.
        specification: construction, tolerance, base set and source.
        solver: any solver of the protocol; all give the same masks.
        problems_per_chunk: bounds the memory in use; does not change the result.
        tightening: multiplies an output tolerance, where a looser one could not be certified.
        requirements: of each target layer, where they are not to be those of the spec.
        progress: called after each chunk of problems.
        cancel: asked before each chunk.

    Raises:
        SpecificationError: depth, carriers or tolerance cannot be had for this target.
        UnsolvedProblemsError: a problem has no solution in its base set with all spares.
        Canceled: ``cancel`` said so.

    The constructions are those of Theorems 2.5, 2.7 and 2.9.
    """
    if requirements is None:
        requirements = layer_requirements(network, activation, specification, tightening=tightening)
    plan = plan_network(network, activation, specification, requirements)
    walk = _Backwards(
        network,
        plan,
        specification,
        solver or CascadeSolver(),
        problems_per_chunk,
        progress,
        cancel,
    )
    masks: list[LayerMask] = []
    needed = np.arange(plan.layers[-1].units)
    for layer in reversed(plan.layers):
        mask = walk.mask(layer, needed)
        masks.append(mask)
        needed = mask.used_columns()
    counts = walk.counts
    if counts.unsolved:
        raise UnsolvedProblemsError(
            f"{counts.unsolved} of {counts.total} subset-sum problems have no solution within "
            f"tolerance ({'; '.join(counts.failures)}); raise "
            "base_set.size or base_set.largest_subset, raise the tolerance, or take another seed"
        )
    return Construction(plan, tuple(reversed(masks)), counts)
