"""Two tickets beside each other: what was asked for, what each keeps, and what both keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltengine.mask import LayerMask
from ltengine.progress import AskCancel, ReportProgress, ignore_progress, never_cancel, step
from ltengine.ticket import Ticket, TicketLayer
from ltengine.ticket_file import read_ticket

_ABSENT = object()
_DESCRIPTIONS = {"specification", "histogram"}


def compare_files(
    first: Path,
    second: Path,
    *,
    progress: ReportProgress = ignore_progress,
    cancel: AskCancel = never_cancel,
) -> dict[str, Any]:
    """As ``compare_tickets``, from ticket files.

    Raises:
        TicketFormatError: one of them is no ticket file.
    """
    step("compare", 0, 2, progress, cancel)
    (one, one_digest), (other, other_digest) = read_ticket(first), read_ticket(second)
    step("compare", 1, 2, progress, cancel)
    return {
        "digest": {"first": one_digest, "second": other_digest},
        **compare_tickets(one, other),
    }


def compare_tickets(first: Ticket, second: Ticket) -> dict[str, Any]:
    """Differences of the specs, and each layer's kept cells; JSON data.

    A layer's ``overlap`` counts cells by address. It is null where the two layers are not layers of
    one random network, and ``not_comparable`` says why: NO_SUCH_LAYER, DIFFERENT_SEED,
    DIFFERENT_DISTRIBUTION, DIFFERENT_SHAPE or DIFFERENT_PAIRING.
    """
    sources = _source_difference(first, second)
    layers = [
        {"layer": number, **_compare_layers(one, other, sources)}
        for number, (one, other) in enumerate(zip_longest(first.layers, second.layers), start=1)
    ]
    return {
        "same_target": first.target_digest == second.target_digest,
        "specification": list(differences(first.specification, second.specification)),
        "parameters": {"first": first.parameters, "second": second.parameters},
        "layers": layers,
        "overlap": _sum([layer["overlap"] for layer in layers]),
    }


def differences(first: Any, second: Any, pointer: str = "") -> Iterator[dict[str, Any]]:
    """Where two JSON documents differ: pointer, and both values (null where one has none)."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        for name in sorted({*first, *second}):
            below = f"{pointer}/{name}"
            yield from differences(first.get(name, _ABSENT), second.get(name, _ABSENT), below)
    elif first != second:
        shown = [None if value is _ABSENT else value for value in (first, second)]
        yield {"pointer": pointer, "first": shown[0], "second": shown[1]}


def compare_figures(first: Any, second: Any) -> dict[str, Any]:
    """The numbers of two reports by dotted name, as ``{"first": ..., "second": ...}``.

    Lists and what only describes are left out; a number that only one report has is null in the
    other.
    """
    one, other = dict(_figures(first)), dict(_figures(second))
    return {
        name: {"first": one.get(name), "second": other.get(name)} for name in sorted({*one, *other})
    }


def _figures(document: Any, name: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(document, Mapping):
        for key, value in document.items():
            if key not in _DESCRIPTIONS:
                yield from _figures(value, f"{name}.{key}" if name else key)
    elif isinstance(document, int | float) and not isinstance(document, bool):
        yield name, document


def _source_difference(first: Ticket, second: Ticket) -> str | None:
    if first.source.distribution is not second.source.distribution:
        return "DIFFERENT_DISTRIBUTION"
    return "DIFFERENT_SEED" if first.source.seed != second.source.seed else None


def _compare_layers(
    first: TicketLayer | None, second: TicketLayer | None, sources: str | None
) -> dict[str, Any]:
    reason, overlap = sources, None
    if first is None or second is None:
        reason = "NO_SUCH_LAYER"
    elif reason is None:
        reason = _layer_difference(first, second)
        overlap = None if reason else _overlap(first.mask, second.mask)
    return {
        "first": _describe(first),
        "second": _describe(second),
        "overlap": overlap,
        "not_comparable": reason,
    }


def _layer_difference(first: TicketLayer, second: TicketLayer) -> str | None:
    one, other = first.mask, second.mask
    if (one.width, one.inputs) != (other.width, other.inputs):
        return "DIFFERENT_SHAPE"
    return "DIFFERENT_PAIRING" if first.pairing is not second.pairing else None


def _describe(layer: TicketLayer | None) -> dict[str, Any] | None:
    if layer is None:
        return None
    mask = layer.mask
    return {
        "width": mask.width,
        "inputs": mask.inputs,
        "parameters": mask.cells,
        "density": mask.cells / (mask.width * (mask.inputs + 1)),
    }


def _overlap(first: LayerMask, second: LayerMask) -> dict[str, Any]:
    common = np.intersect1d(_addresses(first), _addresses(second), assume_unique=True).size
    both = int(common) + int(np.count_nonzero(first.biases & second.biases))
    return _share(both, first.cells + second.cells - both)


def _addresses(mask: LayerMask) -> NDArray[np.int64]:
    return mask.rows() * mask.inputs + mask.columns


def _sum(overlaps: list[dict[str, Any] | None]) -> dict[str, Any] | None:
    """The overlap of whole tickets; None unless every layer has one."""
    known = [overlap for overlap in overlaps if overlap is not None]
    if len(known) < len(overlaps):
        return None
    return _share(sum(o["intersection"] for o in known), sum(o["union"] for o in known))


def _share(intersection: int, union: int) -> dict[str, Any]:
    share = intersection / union if union else 1.0
    return {"intersection": intersection, "union": union, "share": share}
