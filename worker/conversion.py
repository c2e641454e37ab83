"""The sandboxed child: parses one untrusted upload, once, and writes its canonical form.

It limits itself before it touches the file, has an empty environment, and answers with one JSON
object on its standard output: {"accepted": true, "summary": {...}} or
{"accepted": false, "code": ..., "detail": ...}.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

from worker.attachment import die_with

_TOO_MUCH_MEMORY = (
    "Reading the file needs more memory than a conversion may use. Store it more compactly, or "
    "raise LTFORGE_CONVERSION_MEMORY_BYTES on the workers."
)


def limit(limits: dict[str, int]) -> None:
    """Bound memory, processor time, file size and open files of this process for good."""
    bounds = {
        resource.RLIMIT_AS: limits["memory_bytes"],
        resource.RLIMIT_CPU: limits["cpu_seconds"],
        resource.RLIMIT_FSIZE: limits["file_bytes"],
        resource.RLIMIT_NOFILE: limits["open_files"],
        resource.RLIMIT_CORE: 0,
    }
    for kind, bound in bounds.items():
        # Past the soft limit on processor time comes SIGXCPU, which names the cause; past the hard
        # one SIGKILL, which does not.
        margin = 1 if kind == resource.RLIMIT_CPU else 0
        resource.setrlimit(kind, (bound, bound + margin))


def convert(kind: str, source: Path, destination: Path) -> dict[str, Any]:
    """The verdict about a file; where it is accepted, the canonical form exists."""
    from ltengine.errors import EngineError  # noqa: PLC0415 - after the limits are set

    try:
        summary = _CONVERTERS[kind](source, destination)
    except EngineError as failure:
        return {"accepted": False, "code": failure.code, "detail": failure.detail}
    except MemoryError:
        return {"accepted": False, "code": "CONVERSION_OUT_OF_MEMORY", "detail": _TOO_MUCH_MEMORY}
    return {"accepted": True, "summary": summary}


def _convert_checkpoint(source: Path, destination: Path) -> dict[str, Any]:
    from ltengine.checkpoint import convert_checkpoint  # noqa: PLC0415

    return convert_checkpoint(source, destination).to_document()


def _convert_dataset(source: Path, destination: Path) -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415

    from ltengine.dataset import read_dataset  # noqa: PLC0415

    dataset = read_dataset(source)
    with destination.open("wb") as file:
        np.savez(file, x=dataset.inputs, y=dataset.labels)
    samples, inputs = dataset.inputs.shape
    return {"samples": samples, "inputs": inputs, "classes": int(dataset.labels.max()) + 1}


_CONVERTERS = {"checkpoint": _convert_checkpoint, "dataset": _convert_dataset}


def main() -> None:
    """Run `python -m worker.conversion PARENT KIND SOURCE DESTINATION LIMITS`."""
    parent, kind, source, destination, limits = sys.argv[1:]
    die_with(int(parent))
    limit(json.loads(limits))
    json.dump(convert(kind, Path(source), Path(destination)), sys.stdout)


if __name__ == "__main__":
    main()
