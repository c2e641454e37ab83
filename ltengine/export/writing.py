"""From a ticket file to a file of one of the formats."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ltengine.evaluation import CompactLayer, compact
from ltengine.export.dense_file import write_dense_safetensors
from ltengine.export.description import describe_export
from ltengine.export.formats import ExportFormat
from ltengine.export.onnx_file import write_onnx
from ltengine.export.sparse_file import write_npz, write_sparse_safetensors
from ltengine.export.state_dict import write_state_dict
from ltengine.progress import AskCancel, ReportProgress, ignore_progress, never_cancel, step
from ltengine.sparse_network import SparseLayer, rebuild
from ltengine.ticket_file import read_ticket

_SPARSE = {
    ExportFormat.SPARSE_SAFETENSORS: write_sparse_safetensors,
    ExportFormat.NPZ: write_npz,
}
_COMPACT = {
    ExportFormat.STATE_DICT: write_state_dict,
    ExportFormat.SAFETENSORS: write_dense_safetensors,
    ExportFormat.ONNX: write_onnx,
}


def export_ticket(
    ticket: Path,
    format: ExportFormat,  # noqa: A002 - the word of command line and API
    out: Path,
    *,
    progress: ReportProgress = ignore_progress,
    cancel: AskCancel = never_cancel,
) -> dict[str, Any]:
    """Write the ticket's network to ``out``; what was written, as JSON data.

    Raises:
        TicketFormatError: the file is no ticket.
        ExportError: the network does not fit the format.
    """
    step("export", 0, 2, progress, cancel)
    read, digest = read_ticket(ticket)
    layers: tuple[SparseLayer, ...] = rebuild(read)
    step("export", 1, 2, progress, cancel)
    description = describe_export(read, digest)
    if format in _SPARSE:
        _SPARSE[format](out, layers, description)
    else:
        used: tuple[CompactLayer, ...] = compact(layers)
        _COMPACT[format](out, used, read.inputs, description)
    return {
        "ticket_digest": digest,
        "format": format.value,
        "bytes": out.stat().st_size,
        "sha256": _sha256(out),
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
