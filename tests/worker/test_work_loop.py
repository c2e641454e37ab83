"""Wake-ups become work, in few places at a time, and none is lost."""

from __future__ import annotations

import threading

import pytest

from worker.work_loop import WorkLoop


def test_one_wake_up_works_until_nothing_is_left() -> None:
    left = [1, 2, 3]
    loop = WorkLoop(lambda: bool(left) and left.pop() > 0, 1, lambda: False)

    loop.wake()

    assert left == []


def test_a_wake_up_that_finds_all_places_taken_makes_the_worker_look_again() -> None:
    looks = []
    entered, proceed = threading.Event(), threading.Event()

    def work() -> bool:
        looks.append(1)
        entered.set()
        assert proceed.wait(10)
        return False

    loop = WorkLoop(work, 1, lambda: False)
    worker = threading.Thread(target=loop.wake)
    worker.start()
    assert entered.wait(10)

    loop.wake()
    proceed.set()
    worker.join(10)

    assert len(looks) == 2


def test_a_failure_frees_the_place() -> None:
    outcomes = [True, False]

    def work() -> bool:
        if outcomes.pop():
            return False
        raise OSError("the disk is away")

    loop = WorkLoop(work, 1, lambda: False)
    with pytest.raises(OSError, match="disk"):
        loop.wake()

    loop.wake()

    assert outcomes == []


def test_a_stopping_worker_takes_nothing_new() -> None:
    taken = []
    loop = WorkLoop(lambda: taken.append(1) is None, 1, lambda: True)

    loop.wake()

    assert taken == []
