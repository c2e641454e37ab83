"""The records' own rules: which state follows which, how far a job is, what ids look like."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from service.domain import JobStatus, Progress, statuses_before
from service.identifiers import is_id, new_id
from service.settings import Settings

TERMINAL = {JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED, JobStatus.EXPIRED}


def test_nothing_follows_a_terminal_state() -> None:
    assert {status for status in JobStatus if status.terminal} == TERMINAL
    for status in JobStatus:
        assert not statuses_before(status) & TERMINAL


@given(st.sampled_from(["load", "construct", "verify", "evaluate"]), st.integers(0, 10), st.just(9))
def test_progress_is_a_share_of_the_whole(stage: str, done: int, total: int) -> None:
    assert 0 <= Progress.at(stage, done, total).fraction <= 1


def test_progress_grows_from_stage_to_stage() -> None:
    ends = [Progress.at(stage, 1, 1).fraction for stage in ("load", "construct", "verify")]

    assert ends == sorted(set(ends))
    assert Progress.at("evaluate", 1, 1).fraction == 1.0
    assert Progress.at("construct", 0, 0).fraction == Progress.at("load", 1, 1).fraction


def test_identifiers_are_distinct_ordered_by_time_and_recognisable() -> None:
    made = [new_id("job") for _ in range(1000)]

    assert len(set(made)) == 1000
    assert made[0] < made[-1]
    assert all(is_id(identifier) for identifier in made)
    assert not is_id("job_../../etc/passwd")


def test_settings_pass_unchanged_to_child_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data=tmp_path, broker_url="redis://h/1", job_slots=3, runner_threads=2)

    for name, value in settings.to_environment().items():
        monkeypatch.setenv(name, value)

    assert Settings() == settings


def test_the_embedded_database_lies_in_the_data_folder(tmp_path: Path) -> None:
    assert Settings(data=tmp_path).database_url == f"sqlite:///{tmp_path}/ltforge.sqlite"


def test_a_lease_without_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        Settings(data=tmp_path, lease_seconds=0)
