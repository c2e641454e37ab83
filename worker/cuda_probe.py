"""Prints the CUDA devices that the engine can use, as JSON: a program of its own, run once."""

from __future__ import annotations

import json
import os
import sys

from numba import cuda

from ltengine.device import cuda_is_available


def main() -> None:
    """Print a list of names with sizes in bytes."""
    found = [] if not cuda_is_available() else [_describe(device) for device in cuda.list_devices()]
    sys.stdout.write(json.dumps(found))


def _describe(device: object) -> dict[str, object]:
    if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
        return {"name": "simulator", "memory_bytes": 0}
    with device:  # type: ignore[attr-defined]
        _, total = cuda.current_context().get_memory_info()
    name = device.name  # type: ignore[attr-defined]
    return {"name": name.decode() if isinstance(name, bytes) else name, "memory_bytes": total}


if __name__ == "__main__":
    main()
