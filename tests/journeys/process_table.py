"""Who started whom, from /proc."""

from __future__ import annotations

from pathlib import Path


def children_of(parent: int) -> list[int]:
    """The living children of a process."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            found.append(int(status.parent.name))
    return found


def child_running(parent: int, module: str) -> int | None:
    """The child that runs a Python module, if there is one."""
    for process in children_of(parent):
        try:
            command = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if module.encode() in command:
            return process
    return None
