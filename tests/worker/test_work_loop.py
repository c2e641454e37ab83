"""Wake-ups become work, in few places at a time, and none is lost."""

from __future__ import annotations

import threading

import pytest

from worker.work_loop import WorkLoop


def test_one_wake_up_works_until_nothing_is_left() -> None:
    left = [1, 2, 3]
    loop = WorkLoop(lambda _: bool(left) and left.pop() > 0, "a", lambda: False)

    loop.wake()

    assert left == []


def test_a_wake_up_that_finds_all_places_taken_makes_the_worker_look_again() -> None:
    looks = []
    entered, proceed = threading.Event(), threading.Event()

    def work(_: str) -> bool:
        looks.append(1)
        entered.set()
        assert proceed.wait(10)
        return False

    loop = WorkLoop(work, "a", lambda: False)
    worker = threading.Thread(target=loop.wake)
    worker.start()
    assert entered.wait(10)

    loop.wake()
    proceed.set()
    worker.join(10)

    assert len(looks) == 2


def test_a_failure_frees_the_place() -> None:
    outcomes = [True, False]

    def work(_: str) -> bool:
        if outcomes.pop():
            return False
        raise OSError("the disk is away")

    loop = WorkLoop(work, "a", lambda: False)
    with pytest.raises(OSError, match="disk"):
        loop.wake()

    loop.wake()

    assert outcomes == []


def test_a_stopping_worker_takes_nothing_new() -> None:
    taken: list[str] = []

    def work(place: str) -> bool:
        taken.append(place)
        return True

    loop = WorkLoop(work, "a", lambda: True)

    loop.wake()

    assert taken == []


def test_each_place_is_worked_in_by_one_thread_at_a_time() -> None:
    busy: set[str] = set()
    both_busy, left = threading.Barrier(2), [1, 2]

    def work(place: str) -> bool:
        if not left:
            return False
        left.pop()
        assert place not in busy
        busy.add(place)
        both_busy.wait(10)
        busy.remove(place)
        return True

    loop = WorkLoop(work, ["first", "second"], lambda: False)
    workers = [threading.Thread(target=loop.wake) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(10)

    assert not left
    assert not busy
