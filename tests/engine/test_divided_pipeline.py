"""A construction in steps: what travels between them is documents and files."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltengine.checkpoint.safetensors_file import write_network
from ltengine.divided_checks import DividedWork, FinishedShard
from ltengine.divided_pipeline import Division, do_shard, forget_divided, go_on, plan_division
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


FREE = {"verify", "evaluate", "search"}


class Workshop:
    """Takes the steps one after the other, with nothing between them but JSON and files.

    What nothing waits for is done at the last moment where it is `lazy`, else at once.
    """

    def __init__(self, checkpoint: Path, spec: Specification, folder: Path, problems: int) -> None:
        self.request = PipelineRequest(checkpoint, spec, folder / "divided")
        self.problems = problems
        self.finished: list[FinishedShard] = []
        self.free: list[dict[str, Any]] = []
        self.steps: list[Counter[str]] = []
        self.forgetful = self.lazy = False

    def run(self) -> dict[str, Any]:
        work: DividedWork | dict[str, Any] | None = plan_division(
            load_material(self.request), Division(0, self.problems)
        )
        while isinstance(work, DividedWork):
            if work.left is not None:
                self.keep(work.left)
            documents = json.loads(json.dumps(work.shards))
            self.steps.append(Counter(document["task"] for document in documents))
            self.free += [document for document in documents if document["task"] in FREE]
            due = [document for document in documents if document["task"] not in FREE]
            if work.concludes or not self.lazy:
                due, self.free = due + self.free, []
            for document in self.shuffled(due):
                self.do(document)
            work = go_on(self.request, self.finished, self.problems, clock=clock())
        assert work is not None
        return work

    def keep(self, left: dict[str, Any]) -> None:
        file = self.request.ticket.rename(self.next_file())
        self.finished.append(FinishedShard(json.loads(json.dumps(left)), file, 1.0))

    def do(self, document: dict[str, Any]) -> None:
        if self.forgetful:
            forget_divided()
        left = [shard for shard in self.finished if "left" in shard.document]
        own = replace(self.request, ticket=self.next_file())
        json.dumps(do_shard(own, document, left))
        self.finished.append(FinishedShard(document, own.ticket, 2.0))

    def shuffled(self, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return random.Random(self.problems).sample(documents, len(documents))

    def next_file(self) -> Path:
        return self.request.ticket.with_name(f"file{len(self.finished)}")


def same_report(divided: dict[str, Any], whole: dict[str, Any]) -> None:
    """The same but for times, and for the order in which bounds were added up."""
    assert divided | {"seconds": 0, "error": 0} == whole | {"seconds": 0, "error": 0}
    assert divided["error"].keys() == whole["error"].keys()
    for name, value in whole["error"].items():
        exact = value is None or name in {"histogram", "largest_parameter"}
        assert divided["error"][name] == (value if exact else pytest.approx(value, rel=1e-9))


@pytest.mark.parametrize("awkward", [False, True])
@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_the_steps_write_the_same_file_and_the_same_report(
    construction: str, awkward: bool, checkpoint: Path, tmp_path: Path
) -> None:
    spec = make_spec(construction)
    workshop = Workshop(checkpoint, spec, tmp_path, 1 if construction == "2L" else 100)
    workshop.forgetful = workshop.lazy = awkward

    divided = workshop.run()
    whole = run_pipeline(PipelineRequest(checkpoint, spec, tmp_path / "whole"), clock=clock())

    waves = 1 if construction == "2L" else 3
    building, checking = workshop.steps[:waves], workshop.steps[waves:]
    assert [set(step) for step in building] == [{"build"}] * waves
    assert [set(step) for step in checking] == [
        {"bound", "verify", "search"},
        {"bound"},
        {"pass_on"},
        {"pass_on"},
        set(),
    ]
    checks = [shard.document for shard in workshop.finished if "stage" in shard.document]
    layers = {document["layer"] for document in checks if document.get("task") == "verify"}
    assert layers == ({2, 4, 6} if construction == "2L" else {2, 3, 4})
    assert checking[0]["verify"] > 3
    assert checking[0]["bound"] > 1
    assert (tmp_path / "divided").read_bytes() == (tmp_path / "whole").read_bytes()
    same_report(divided, whole)
    spent, made = divided["seconds"], sum(map(sum, (step.values() for step in workshop.steps)))
    assert spent["total"] >= 2.0 * made
    assert spent["construct"] >= 2.0 * sum(step["build"] for step in building)


@pytest.mark.parametrize("activation", ["tanh", "leaky_relu"])
def test_a_data_set_and_other_activations_are_checked_in_parts_too(
    activation: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(4)
    checkpoint, data = tmp_path / "checkpoint.safetensors", tmp_path / "data.npz"
    write_network(NETWORK, checkpoint, activation)
    np.savez(data, x=rng.uniform(0, 1, (200, 7)).astype(np.float32), y=rng.integers(0, 3, 200))
    spec = make_spec("L+1", activation, input={"mean": 0.4, "std": 0.5, "low": 0.0, "high": 1.0})
    workshop = Workshop(checkpoint, spec, tmp_path, 100)
    workshop.request = replace(workshop.request, dataset=data)
    workshop.lazy = activation == "tanh"

    divided = workshop.run()
    request = PipelineRequest(checkpoint, spec, tmp_path / "whole", dataset=data)
    whole = run_pipeline(request, clock=clock())

    assert workshop.steps[3]["evaluate"] > 1
    assert [step["search"] for step in workshop.steps[3:]] == [2, 0, 0, 0, 0, 1]
    assert divided["accuracy"]["samples"] == 200
    same_report(divided, whole)


def test_a_target_of_one_layer_is_checked_in_parts_too(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.safetensors"
    write_network(random_network([7, 4], seed=5), checkpoint, "relu")
    workshop = Workshop(checkpoint, make_spec("2L"), tmp_path, 10)

    divided = workshop.run()
    request = PipelineRequest(checkpoint, make_spec("2L"), tmp_path / "whole")

    assert [set(step) for step in workshop.steps] == [{"build"}, {"verify", "search"}]
    same_report(divided, run_pipeline(request, clock=clock()))


def test_bounds_by_intervals_alone_need_nothing_passed_on(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ltengine.enclosure.MOST_PRODUCTS", 0)
    workshop = Workshop(checkpoint, make_spec("2L"), tmp_path, 30)

    divided = workshop.run()
    request = PipelineRequest(checkpoint, make_spec("2L"), tmp_path / "whole")

    assert not any("pass_on" in step for step in workshop.steps)
    same_report(divided, run_pipeline(request, clock=clock()))


def test_an_output_tolerance_takes_as_many_attempts_as_undivided(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ltengine.certified_construction.FIRST_TIGHTENING", 64.0)
    spec = make_spec("2L", tolerance={"output": 0.02})
    workshop = Workshop(checkpoint, spec, tmp_path, 30)

    divided = workshop.run()
    whole = run_pipeline(PipelineRequest(checkpoint, spec, tmp_path / "whole"), clock=clock())

    assert divided["attempts"] == whole["attempts"]
    assert sum("build" in step for step in workshop.steps) == whole["attempts"] > 1
    assert [set(step) for step in workshop.steps if "verify" in step] == [{"verify", "search"}]
    assert divided["ticket"] == whole["ticket"]
    same_report(divided, whole)


def test_a_small_construction_stays_whole(checkpoint: Path, tmp_path: Path) -> None:
    material = load_material(PipelineRequest(checkpoint, make_spec("2L"), tmp_path / "t"))

    assert plan_division(material, Division(NETWORK.parameters * 3, 10)) is None


def test_the_first_wave_says_about_how_many_shards_follow(checkpoint: Path, tmp_path: Path) -> None:
    workshop = Workshop(checkpoint, make_spec("L+1"), tmp_path, 100)
    planned = plan_division(load_material(workshop.request), Division(0, 100))
    assert planned is not None

    workshop.run()

    shards, done = len(planned.shards) + planned.expected, sum(map(Counter.total, workshop.steps))
    built = sum(step["build"] for step in workshop.steps)
    assert built <= shards <= 2 * done


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


def test_shards_that_the_version_before_has_planned_are_built(
    checkpoint: Path, tmp_path: Path
) -> None:
    """It knew no other task, so it named none."""
    workshop = Workshop(checkpoint, make_spec("2L"), tmp_path, 30)
    planned = plan_division(load_material(workshop.request), Division(0, 30))
    assert planned is not None
    for document in planned.shards:
        workshop.do({name: value for name, value in document.items() if name != "task"})

    work = go_on(workshop.request, workshop.finished, 30, clock=clock())

    assert isinstance(work, DividedWork)
    assert work.left is not None
    assert work.left["left"] == ["ticket"]
