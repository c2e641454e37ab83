"""Disturbances in an order that a seed decides: who dies, what gets lost, when the disk is full."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import redis

from service.errors import QueueUnavailable
from service.queue import open_queue
from service.settings import Settings
from tests.chaos.servers import OwnServer
from tests.journeys.process_table import child_running
from tests.journeys.stacks import Production

DISK_BYTES = 96 << 20
_LEFT = 64 << 10


class Victim(Protocol):
    """A running product whose parts can be killed."""

    def part(self, module: str) -> int | None:
        """The process id of a part."""

    def revive(self) -> None:
        """Start again what nobody else does."""


class ServedVictim:
    """`ltforge serve`: the supervisor starts its parts again."""

    def __init__(self, supervisor: int) -> None:
        self._supervisor = supervisor

    def part(self, module: str) -> int | None:
        return child_running(self._supervisor, module)

    def revive(self) -> None:
        """Nothing: that is what a supervisor is for."""


class ProductionVictim:
    """Separate processes: we do what an orchestrator would."""

    def __init__(self, stack: Production, arguments: dict[str, tuple[str, ...]]) -> None:
        self._stack = stack
        self._arguments = arguments

    def part(self, module: str) -> int | None:
        process = self._stack.processes[module]
        return process.pid if process.poll() is None else None

    def revive(self) -> None:
        for arguments in self._arguments.values():
            if self._stack.processes[arguments[0]].poll() is not None:
                self._stack.start(*arguments)


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Put the folder on a disk of its own that can be filled; False where we may not mount."""
    folder.mkdir(parents=True, exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    mounted = subprocess.run(["mount", *options], check=False, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Storm:
    """Disturbs a product until it may be calm."""

    def __init__(
        self,
        seed: int,
        victim: Victim,
        settings: Settings,
        servers: tuple[OwnServer, ...],
        disk: Path | None,
        pause: float,
        longest: float,
    ) -> None:
        self._random = random.Random(seed)
        self._victim = victim
        self._settings = settings
        self._servers = servers
        self._disk = disk
        self._pause = pause
        self._longest = longest
        self.done: list[str] = []

    def disturbances(self) -> dict[str, Callable[[], None]]:
        """By name; each round has all of them, in an order of its own."""
        found: dict[str, Callable[[], None]] = {
            "kill runner": self._kill_runner,
            "double messages": self._double_messages,
            "kill worker": lambda: self._kill("worker.celery_app"),
            "kill api": lambda: self._kill("uvicorn"),
            "drop messages": self._drop_messages,
            "kill housekeeper": lambda: self._kill("worker.housekeeper"),
        }
        for server in self._servers:
            found[f"restart {server.url.partition(':')[0]}"] = server.restart
        if self._disk is not None:
            found["fill disk"] = self._fill_disk
        return found

    def rage(self, calm: Callable[[], bool], rounds: int) -> None:
        """Disturb for so many rounds of everything and until it may be calm; leave it whole.

        In the thread that started the product: a part dies with the thread that revived it.
        """
        found = self.disturbances()
        deadline = time.monotonic() + self._longest
        while not (calm() and len(self.done) >= rounds * len(found)):
            assert time.monotonic() < deadline, self.done
            for name in self._random.sample(sorted(found), len(found)):
                time.sleep(self._pause * self._random.uniform(0.5, 1.5))
                found[name]()
                self.done.append(name)
                self._victim.revive()

    def _kill(self, module: str) -> None:
        _kill(self._victim.part(module))

    def _kill_runner(self) -> None:
        worker = self._victim.part("worker.celery_app")
        _kill(None if worker is None else child_running(worker, "worker.runner"))

    def _double_messages(self) -> None:
        try:
            for _ in range(3):
                open_queue(self._settings).wake("cpu")
        except QueueUnavailable:
            return

    def _drop_messages(self) -> None:
        if self._settings.broker_url:
            client = redis.Redis.from_url(self._settings.broker_url)
            client.flushdb()
            client.close()
            return
        for message in (self._settings.data / "broker" / "messages").glob("*"):
            message.unlink(missing_ok=True)

    def _fill_disk(self) -> None:
        assert self._disk is not None
        ballast = self._disk / "ballast"
        try:
            free = os.statvfs(self._disk)
            with ballast.open("wb") as file, contextlib.suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize - _LEFT))
            time.sleep(self._pause)
        finally:
            ballast.unlink(missing_ok=True)


def _kill(process: int | None) -> None:
    if process is None:
        return
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return
