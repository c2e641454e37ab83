"""How much memory a process group occupies, from /proc."""

from __future__ import annotations

import os
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def group_memory(group: int) -> int:
    """Resident bytes of all processes of a group; 0 where there are none, or no /proc.

    Pages that several of them share are counted for each.
    """
    return sum(
        _resident(process) for process in Path("/proc").glob("[0-9]*") if _in(process, group)
    )


def _in(process: Path, group: int) -> bool:
    """The command may hold spaces and parentheses; the group is the third field after it."""
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[2]) == group
    except (OSError, IndexError, ValueError):
        return False


def _resident(process: Path) -> int:
    try:
        return int((process / "statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0
