"""What the runner does with each kind of job, with the real engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from ltengine.errors import Canceled, SpecificationError
from ltengine.progress import ReportProgress, ignore_progress, never_cancel
from worker.engine_jobs import work
from worker.protocol import Run

SPEC: dict[str, Any] = {"construction": "L+1", "activation": {"name": "relu"}}
Request = Callable[..., Run]


@pytest.fixture
def request_for(tmp_path: Path) -> Request:
    """A request of some kind on a small network."""
    generator = np.random.default_rng(5)
    tensors = {
        name: generator.uniform(-1, 1, shape).astype(np.float32)
        for name, shape in {"0.weight": (3, 4), "0.bias": (3,), "1.weight": (2, 3)}.items()
    }
    save_file(tensors, tmp_path / "net")

    def make(kind: str, specification: dict[str, Any] = SPEC, replicates: int | None = None) -> Run:
        checkpoint = None if kind == "statistics" else str(tmp_path / "net")
        ticket = str(tmp_path / "ticket")
        return Run("job_1", kind, checkpoint, None, specification, replicates, [], ticket)

    return make


def report_of(request: Run, progress: ReportProgress = ignore_progress) -> dict[str, Any]:
    """What a job ends with that is not divided."""
    report = work(request, progress, never_cancel)
    assert isinstance(report, dict)
    return report


def test_a_construction_leaves_its_ticket(request_for: Request) -> None:
    request = request_for("construct")

    report = report_of(request)

    assert Path(request.ticket).stat().st_size == report["ticket"]["file_bytes"]


def test_an_estimate_reports_as_many_replicates_as_asked_for(request_for: Request) -> None:
    report = report_of(request_for("estimate", replicates=2))

    assert report["replicates"] == 2
    assert report["ticket"]["parameters"]["interval"] is not None


def test_statistics_answer_their_question(request_for: Request) -> None:
    stages: list[tuple[str, int, int]] = []
    question = {"candidates": 8, "trials": 500, "target": 0.5}

    report = report_of(
        request_for("statistics", question),
        lambda stage, done, total: stages.append((stage, done, total)),
    )

    assert (report["candidates"], report["trials"], report["target"]) == (8, 500, 0.5)
    assert report["failures"] + sum(report["histogram"].values()) == 500
    assert stages[-1] == ("statistics", 500, 500)


def test_a_plan_leaves_nothing_and_foretells_the_construction(request_for: Request) -> None:
    request = request_for("plan")

    plan = report_of(request)

    assert not Path(request.ticket).exists()
    built = report_of(request_for("construct"))
    assert plan["source"]["widths"] == built["source"]["widths"]


@pytest.mark.parametrize("kind", ["construct", "estimate", "statistics", "plan"])
def test_what_takes_long_can_be_stopped(request_for: Request, kind: str) -> None:
    specification = {"trials": 500} if kind == "statistics" else SPEC
    request = request_for(kind, specification, 1 if kind == "estimate" else None)

    with pytest.raises(Canceled):
        work(request, ignore_progress, lambda: True)


@pytest.mark.parametrize("kind", ["construct", "estimate", "statistics", "plan"])
def test_a_wrong_spec_is_refused_by_name(request_for: Request, kind: str) -> None:
    with pytest.raises(SpecificationError):
        work(request_for(kind, {"surprise": 1}, 1), ignore_progress, never_cancel)
