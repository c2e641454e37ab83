"""Workers sign on, keep saying so, and sign off."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from service.settings import Settings
from service.store import Store
from tests.waiting import wait_until
from worker.machine import cpu_cores, memory_bytes
from worker.registration import Registration
from worker.workplace import Workplace


def test_a_worker_is_known_while_it_lives(
    cuda_workplace: Workplace, store: Store, settings: Settings
) -> None:
    registration = Registration(cuda_workplace.describe(), store, settings)

    registration.begin()
    with store.read() as tx:
        (worker,) = tx.workers.alive()
    with store.begin() as tx:
        tx.workers.retire(worker.name)

    def back() -> bool:
        with store.read() as tx:
            return bool(tx.workers.alive())

    wait_until(back, what="it says so again")
    registration.end()
    with store.read() as tx:
        assert tx.workers.alive() == []
    assert worker.name == cuda_workplace.name
    assert (worker.cpu_cores, worker.memory_bytes) == (cpu_cores(), memory_bytes())
    assert [device.name for device in worker.cuda_devices] == ["one", "two"]


def test_the_engine_is_asked_for_devices_in_a_process_of_its_own() -> None:
    simulated = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}

    answer = subprocess.run(
        [sys.executable, "-m", "worker.cuda_probe"],
        env=simulated,
        check=True,
        capture_output=True,
        text=True,
    )

    assert json.loads(answer.stdout) == [{"name": "simulator", "memory_bytes": 0}]
