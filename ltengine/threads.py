"""Threads over chunks of work, for kernels that give up Python's lock and take one thread each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

import numba

Item = TypeVar("Item")
Result = TypeVar("Result")

WORTH_THREADS = 4
"""Fewer chunks are done before threads have started."""
kernel_lock = Lock()
"""Held while a kernel with threads of its own runs: numba's plainest threading layer ends the
process where two threads enter such kernels at once."""


def in_order(task: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """What the task makes of each item, in their order; few results are made ahead of need."""
    count = numba.get_num_threads()
    if count == 1 or len(items) < WORTH_THREADS:
        yield from map(task, items)
        return
    with ThreadPoolExecutor(count) as threads:
        ahead: deque[Future[Result]] = deque()
        for item in items:
            ahead.append(threads.submit(task, item))
            if len(ahead) > count:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
