"""The solver that construction uses: enumeration first, then meeting in the middle."""

from __future__ import annotations

from ltengine.problem import ProblemBatch, SolutionBatch
from ltengine.solvers.enumeration import LARGEST_ENUMERATED, EnumerationSolver
from ltengine.solvers.meet_in_the_middle import MeetInTheMiddleSolver


class CascadeSolver:
    """Exact for every subset size and fast where most solutions are small."""

    def __init__(self) -> None:
        self._enumeration = EnumerationSolver()
        self._meet_in_the_middle = MeetInTheMiddleSolver()

    def solve(self, batch: ProblemBatch) -> SolutionBatch:
        """Enumerate up to four elements, then meet in the middle for what is left."""
        solutions = self._enumeration.solve(batch)
        open_problems = solutions.unsolved()
        if batch.largest_subset <= LARGEST_ENUMERATED or open_problems.size == 0:
            return solutions
        rest = self._meet_in_the_middle.solve(batch.take(open_problems))
        solutions.sizes[open_problems] = rest.sizes
        solutions.choices[open_problems] = rest.choices
        return solutions
