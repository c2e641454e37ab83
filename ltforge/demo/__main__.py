"""Serve the embedded default, build an L+1 and a 2L ticket over HTTP, print both reports."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from rich.console import Console

from ltengine.errors import EngineError
from ltforge.client import Client
from ltforge.command_line.reports import report_table
from ltforge.demo.embedded import EmbeddedService, ServiceNotStartedError, embedded_service
from ltforge.demo.journey import (
    CONSTRUCTIONS,
    DemoFailedError,
    construct,
    download_and_verify,
    report_of,
    require_same_ticket,
    spec_for,
    upload,
)
from ltforge.demo.material import Material, prepare
from ltforge.errors import LTForgeError

TICKETS = Path(".demo")
"""All that the demo leaves behind: the two tickets."""

_INTERRUPTED = 130
_TERMINATED = 143


def main() -> int:
    """Run the demo; the exit status."""
    signal.signal(signal.SIGTERM, _leave)
    # A log file has no width of its own; the reports need this much.
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 110)
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="ltforge-demo-") as folder:
            material = prepare(Path(folder))
            console.print(f"target    {material.name}")
            with embedded_service(Path(folder)) as service:
                console.print(f"serving   {service.url}")
                _show(service, material, console)
    except (DemoFailedError, EngineError, LTForgeError, ServiceNotStartedError) as error:
        notes = getattr(error, "__notes__", [])
        console.print("\n".join([f"the demo failed: {error}", *notes]), style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; nothing is left running")
        return _INTERRUPTED
    console.print(f"{time.monotonic() - started:.1f} s in all; the tickets are in {TICKETS}/")
    return 0


def _show(service: EmbeddedService, material: Material, console: Console) -> None:
    with Client(service.url, service.api_key) as client:
        uploads = upload(client, material, console)
        jobs = {
            construction: construct(client, uploads, spec_for(construction, material), console)
            for construction in CONSTRUCTIONS
        }
        console.print(report_table("Reports", {name: report_of(job) for name, job in jobs.items()}))
        TICKETS.mkdir(exist_ok=True)
        for construction, name in CONSTRUCTIONS.items():
            download_and_verify(client, jobs[construction], TICKETS / name, material, console)
        again = construct(client, uploads, spec_for("L+1", material), console)
        require_same_ticket(jobs["L+1"], again, console)


def _leave(_number: int, _frame: FrameType | None) -> None:
    """Let SIGTERM unwind the stack, so that everything started is stopped."""
    sys.exit(_TERMINATED)


if __name__ == "__main__":
    sys.exit(main())
