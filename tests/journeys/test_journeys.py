"""What customers rely on, on both stacks: real processes, databases, brokers and engine."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltengine.pipeline import PipelineRequest, run_pipeline
from ltengine.specification import parse_specification
from ltengine.verification import verify_files
from tests.journeys.conftest import network, saved
from tests.journeys.customer import Customer
from tests.journeys.stacks import Embedded, Production, runner
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

SPEC: dict[str, Any] = {
    "construction": "L+1",
    "activation": {"name": "relu"},
    "input": {"mean": 0.0, "std": 1.0, "low": 0.0, "high": 1.0},
}
# Needs large subsets of large base sets, so that constructing the large network takes seconds.
SLOW_SPEC: dict[str, Any] = SPEC | {
    "construction": "2L",
    "base_set": {"size": 24},
    "tolerance": {"parameter": 1e-6},
}

Stack = Embedded | Production


@pytest.fixture(scope="session")
def undisturbed_digest(large_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the slow job's ticket, constructed here and in peace."""
    report = run_pipeline(
        PipelineRequest(
            checkpoint=large_checkpoint,
            specification=parse_specification(SLOW_SPEC),
            ticket=tmp_path_factory.mktemp("peace") / "ticket",
        ),
        clock=time.perf_counter,
        progress=lambda stage, done, total: None,
        cancel=lambda: False,
    )
    return str(report["ticket"]["digest"])


def test_a_checkpoint_goes_in_and_a_true_ticket_comes_out(
    customer: Customer, small_checkpoint: Path, tmp_path: Path
) -> None:
    job = customer.finished(customer.submit(small_checkpoint, SPEC))

    assert job["status"] == "succeeded", job
    assert job["metrics"]["problems"]["unsolved"] == 0
    assert job["progress"]["fraction"] == 1.0
    ticket = customer.http.get(f"/v1/tickets/{job['ticket_id']}").json()
    mask = customer.http.get(f"/v1/tickets/{job['ticket_id']}/mask")
    assert mask.headers["etag"] == f'"sha256-{hashlib.sha256(mask.content).hexdigest()}"'
    assert ticket["digest"] == job["metrics"]["ticket"]["digest"]
    path = tmp_path / "ticket.safetensors"
    path.write_bytes(mask.content)
    assert verify_files(path, small_checkpoint).valid


def test_a_data_set_brings_accuracies(
    customer: Customer, small_checkpoint: Path, tmp_path: Path
) -> None:
    generator = np.random.default_rng(3)
    path = tmp_path / "data.npz"
    np.savez(path, x=generator.random((50, 12), np.float32), y=generator.integers(0, 3, 50))
    dataset = customer.upload("datasets", path)

    job = customer.finished(customer.submit(small_checkpoint, SPEC, dataset_id=dataset["id"]))

    assert job["status"] == "succeeded", job
    assert 0 <= job["metrics"]["accuracy"]["agreement"] <= 1


def test_a_canceled_job_stops_within_two_seconds(
    customer: Customer, large_checkpoint: Path
) -> None:
    job = customer.submit(large_checkpoint, SLOW_SPEC)
    customer.constructing(job)

    asked = time.monotonic()
    answer = customer.http.post(f"/v1/jobs/{job['id']}/cancel")
    canceled = customer.finished(job)
    took = time.monotonic() - asked

    assert answer.status_code == 202
    assert canceled["status"] == "canceled"
    assert canceled["ticket_id"] is None
    assert took < 2


def test_a_killed_runner_does_not_change_the_ticket(
    customer: Customer, stack: Stack, large_checkpoint: Path, undisturbed_digest: str
) -> None:
    job = customer.submit(large_checkpoint, SLOW_SPEC)
    customer.constructing(job)
    victim = runner(stack)
    assert victim is not None

    os.kill(victim, signal.SIGKILL)
    done = customer.finished(job)

    assert done["status"] == "succeeded", done
    assert done["attempt"] == 2
    assert done["metrics"]["ticket"]["digest"] == undisturbed_digest


def test_a_killed_worker_loses_its_lease_and_the_job_is_done_by_another(
    customer: Customer, stack: Stack, large_checkpoint: Path, undisturbed_digest: str
) -> None:
    job = customer.submit(large_checkpoint, SLOW_SPEC)
    customer.constructing(job)
    orphan = runner(stack)
    assert orphan is not None

    stack.kill_worker()
    wait_until(lambda: not Path(f"/proc/{orphan}").exists(), 5, "the runner dies with its worker")
    done = customer.finished(job)

    assert done["status"] == "succeeded", done
    assert done["attempt"] == 2
    assert done["metrics"]["ticket"]["digest"] == undisturbed_digest


def test_a_failed_job_says_why(customer: Customer, small_checkpoint: Path) -> None:
    hopeless = SPEC | {
        "base_set": {"size": 1, "largest_subset": 1},
        "tolerance": {"parameter": 1e-6},
    }

    job = customer.finished(customer.submit(small_checkpoint, hopeless))

    assert job["status"] == "failed"
    assert job["error"]["code"] == "UNSOLVED_PROBLEMS"
    assert job["error"]["detail"]
    assert job["attempt"] == 1


def test_bad_checkpoints_are_rejected_by_name(customer: Customer, tmp_path: Path) -> None:
    poisoned = network((12, 8, 3), seed=1)
    poisoned["fc1.weight"][2, 3] = np.nan
    text = tmp_path / "text"
    text.write_text("this is no checkpoint")

    not_finite = customer.upload("checkpoints", saved(poisoned, tmp_path / "poisoned"))
    not_a_file = customer.upload("checkpoints", text)

    for verdict in (not_finite, not_a_file):
        assert verdict["status"] == "rejected"
        assert verdict["rejection"]["code"].isupper()
        assert verdict["rejection"]["detail"]
    assert "fc1" in not_finite["rejection"]["detail"]


def test_many_jobs_at_a_time_all_come_to_their_end(
    customer: Customer, small_checkpoint: Path
) -> None:
    jobs = [
        customer.submit(small_checkpoint, SPEC | {"source": {"seed": seed}}) for seed in range(8)
    ]

    finished = [customer.finished(job) for job in jobs]

    assert {job["status"] for job in finished} == {"succeeded"}
    assert len({job["metrics"]["ticket"]["digest"] for job in finished}) == len(jobs)
