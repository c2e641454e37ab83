"""The conversation between a worker and its runner."""

from __future__ import annotations

import io

import pytest

from worker.protocol import (
    Cancel,
    Canceled,
    Failed,
    Message,
    ProgressMade,
    ProtocolError,
    Ready,
    Run,
    Succeeded,
    decode,
    encode,
)
from worker.reporter import Reporter

MESSAGES: list[Message] = [
    Run("job_1", "construct", "/c", None, {"construction": "2L"}, None, [], "/t"),
    Run("job_2", "statistics", None, None, {"candidates": 3}, None, ["/a"], "/t"),
    Cancel("job_1"),
    Ready(7),
    ProgressMade("job_1", "construct", 1, 2),
    Succeeded("job_1", {"a": [1, 2.5, None]}),
    Failed("job_1", "CODE", "two\nlines, and ü"),
    Canceled("job_1"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_is_one_line_and_comes_back_equal(message: Message) -> None:
    line = encode(message)

    assert line.count(b"\n") == 1
    assert decode(line) == message


@pytest.mark.parametrize(
    "line", [b"", b"hello\n", b"[]\n", b'{"type": "dance"}\n', b'{"type": "cancel"}\n', b"3\n"]
)
def test_anything_else_is_a_protocol_error(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(line)


def test_progress_is_thinned_but_stages_and_their_ends_are_told() -> None:
    stream = io.BytesIO()
    reporter = Reporter(stream)

    for done in range(1000):
        reporter.progress("job_1", "construct", done + 1, 1000)
    reporter.progress("job_1", "verify", 0, 1)

    told = [decode(line) for line in stream.getvalue().splitlines()]
    assert told[0] == ProgressMade("job_1", "construct", 1, 1000)
    assert told[-2] == ProgressMade("job_1", "construct", 1000, 1000)
    assert told[-1] == ProgressMade("job_1", "verify", 0, 1)
    assert len(told) < 20
