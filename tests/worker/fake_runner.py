"""A runner that speaks the protocol and computes nothing: for tests of the processes around it.

The specification says how it behaves: succeed (with a ticket), report (without), fail, hang
(until canceled), stubborn (hangs and ignores cancellation), talk (writes to the log),
swell (takes 300 MiB and keeps them), die.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from pathlib import Path

from worker.attachment import die_with
from worker.protocol import (
    Cancel,
    Canceled,
    Failed,
    Logged,
    Message,
    ProgressMade,
    Ready,
    Run,
    Succeeded,
    decode,
    encode,
)

canceled: set[str] = set()
runs: queue.SimpleQueue[Run] = queue.SimpleQueue()


def read() -> None:
    for line in sys.stdin.buffer:
        message = decode(line)
        if isinstance(message, Run):
            runs.put(message)
        elif isinstance(message, Cancel):
            canceled.add(message.job)
    os._exit(0)


def say(message: Message) -> None:
    sys.stdout.buffer.write(encode(message))
    sys.stdout.buffer.flush()


def behave(run: Run) -> None:
    say(ProgressMade(run.job, "construct", 1, 2))
    match run.specification["behave"]:
        case "succeed":
            Path(run.ticket).write_bytes(b"a ticket")
            devices = os.environ["CUDA_VISIBLE_DEVICES"]
            report = {"ticket": {"digest": "d"}, "runner": os.getpid(), "devices": devices}
            say(Succeeded(run.job, report))
        case "talk":
            say(Logged(run.job, "a warning\x1b[2J"))
            say(Failed(run.job, "TALKED", "it talked"))
        case "report":
            seen = {"kind": run.kind, "checkpoint": run.checkpoint, "replicates": run.replicates}
            say(Succeeded(run.job, seen))
        case "fail":
            say(Failed(run.job, "UNSOLVED_PROBLEMS", "3 problems have no solution"))
        case "hang":
            while run.job not in canceled:
                time.sleep(0.01)
            say(Canceled(run.job))
        case "stubborn":
            while True:
                time.sleep(1)
        case "swell":
            hoard = bytearray(os.urandom(1 << 20) * 300)
            while hoard:
                time.sleep(1)
        case "die":
            os._exit(3)


def main() -> None:
    die_with(int(sys.argv[1]))
    threading.Thread(target=read, daemon=True).start()
    say(Ready(os.getpid()))
    while True:
        behave(runs.get())


if __name__ == "__main__":
    main()
