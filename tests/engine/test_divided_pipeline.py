"""A construction in steps: what travels between them is documents and files."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from ltengine.checkpoint.safetensors_file import write_network
from ltengine.divided_pipeline import (
    DividedWork,
    Division,
    FinishedShard,
    build_shard_file,
    go_on,
    plan_division,
)
from ltengine.errors import UnsolvedProblemsError
from ltengine.pipeline import PipelineRequest, load_material, run_pipeline
from ltengine.specification import Specification
from tests.engine.networks import CONSTRUCTIONS, make_spec, random_network

NETWORK = random_network([7, 6, 4, 3], seed=2)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.safetensors"
    write_network(NETWORK, path, "relu")
    return path


def clock() -> Any:
    ticks = itertools.count()
    return lambda: float(next(ticks))


class Workshop:
    """Takes the steps one after the other, with nothing between them but JSON and files."""

    def __init__(self, checkpoint: Path, spec: Specification, folder: Path, problems: int) -> None:
        self.request = PipelineRequest(checkpoint, spec, folder / "divided")
        self.problems = problems
        self.finished: list[FinishedShard] = []
        self.steps: list[int] = []

    def run(self) -> dict[str, Any]:
        work: DividedWork | dict[str, Any] | None = plan_division(
            load_material(self.request), Division(0, self.problems)
        )
        while isinstance(work, DividedWork):
            self.steps.append(len(work.shards))
            for document in json.loads(json.dumps(work.shards)):
                self.build(document)
            work = go_on(self.request, self.finished, self.problems, clock=clock())
        assert work is not None
        return work

    def build(self, document: dict[str, Any]) -> None:
        file = self.request.ticket.with_name(f"piece{len(self.finished)}")
        own = PipelineRequest(self.request.checkpoint, self.request.specification, file)
        json.dumps(build_shard_file(own, document))
        self.finished.append(FinishedShard(document, file))


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_the_steps_write_the_same_file_and_the_same_report(
    construction: str, checkpoint: Path, tmp_path: Path
) -> None:
    spec = make_spec(construction)
    workshop = Workshop(checkpoint, spec, tmp_path, 100)

    divided = workshop.run()
    whole = run_pipeline(PipelineRequest(checkpoint, spec, tmp_path / "whole"), clock=clock())

    assert len(workshop.steps) == (1 if construction == "2L" else 3)
    assert (tmp_path / "divided").read_bytes() == (tmp_path / "whole").read_bytes()
    assert divided | {"seconds": 0} == whole | {"seconds": 0}


def test_an_output_tolerance_takes_as_many_attempts_as_undivided(
    checkpoint: Path, tmp_path: Path
) -> None:
    spec = make_spec("2L", tolerance={"output": 0.02})
    workshop = Workshop(checkpoint, spec, tmp_path, 30)

    divided = workshop.run()
    whole = run_pipeline(PipelineRequest(checkpoint, spec, tmp_path / "whole"), clock=clock())

    assert divided["attempts"] == whole["attempts"] == len(workshop.steps)
    assert divided["ticket"] == whole["ticket"]
    assert divided["error"] == whole["error"]


def test_a_small_construction_stays_whole(checkpoint: Path, tmp_path: Path) -> None:
    material = load_material(PipelineRequest(checkpoint, make_spec("2L"), tmp_path / "t"))

    assert plan_division(material, Division(NETWORK.parameters * 3, 10)) is None


def test_the_first_wave_says_about_how_many_shards_follow(checkpoint: Path, tmp_path: Path) -> None:
    workshop = Workshop(checkpoint, make_spec("L+1"), tmp_path, 100)
    planned = plan_division(load_material(workshop.request), Division(0, 100))
    assert planned is not None

    workshop.run()

    shards = len(planned.shards) + planned.expected
    assert sum(workshop.steps) <= shards <= 2 * sum(workshop.steps)


def test_unsolved_problems_of_shards_fail_in_the_words_of_the_whole(
    checkpoint: Path, tmp_path: Path
) -> None:
    base_set = {"size": 2, "largest_subset": 1}
    spec = make_spec("L+1", base_set=base_set, tolerance={"parameter": 1e-4})
    request = PipelineRequest(checkpoint, spec, tmp_path / "whole")

    with pytest.raises(UnsolvedProblemsError) as whole:
        run_pipeline(request, clock=clock())
    with pytest.raises(UnsolvedProblemsError) as divided:
        Workshop(checkpoint, spec, tmp_path, 10).run()

    assert divided.value.detail == whole.value.detail
