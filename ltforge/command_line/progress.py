"""Progress on stderr: a bar where somebody watches, one line a stage where nobody does."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class StageProgress:
    """Shows which stage runs and how far it is. Use it in a ``with`` block."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> StageProgress:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, stage: str, done: int, total: int) -> None:
        """Note that ``done`` of ``total`` parts of ``stage`` are finished."""
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total)
            if not self._console.is_terminal:
                self._console.print(f"{stage} ...", highlight=False)
        self._progress.update(self._tasks[stage], completed=done, total=total)


class Interruption:
    """Whether Ctrl-C was pressed; a call asks."""

    def __init__(self) -> None:
        self._wanted = False

    def __call__(self) -> bool:
        """Whether the work should stop."""
        return self._wanted

    def note(self, _number: int, _frame: FrameType | None) -> None:
        """Handle SIGINT: ask the engine to stop, and let a second Ctrl-C stop at once."""
        self._wanted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def ctrl_c_cancels() -> Iterator[Interruption]:
    """Within the block, Ctrl-C asks for a clean end instead of breaking off anywhere."""
    interruption = Interruption()
    previous = signal.signal(signal.SIGINT, interruption.note)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGINT, previous)
