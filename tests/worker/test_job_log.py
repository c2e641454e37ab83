"""Logs of jobs: plain, timed and bounded."""

from __future__ import annotations

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from worker.job_log import JobLog


@given(st.lists(st.text(max_size=50)))
def test_every_line_is_one_line_with_its_time(lines: list[str]) -> None:
    log = JobLog(1 << 20)
    for line in lines:
        log.write(line)

    written = log.take().decode().split("\n")

    assert written.pop() == ""
    assert len(written) == len(lines)
    for line in written:
        assert datetime.fromisoformat(line.partition(" ")[0]).tzinfo is not None
    assert log.take() == b""


@given(st.integers(1, 5000), st.lists(st.text(max_size=3000), max_size=20))
def test_a_log_stays_near_its_largest_size_and_says_so(largest: int, lines: list[str]) -> None:
    log = JobLog(largest)
    for line in lines:
        log.write(line)

    written = log.take()

    assert len(written) <= largest + 100
    assert written.count(b"is cut here") <= 1
