"""The commands that ask the engine how often and how cheaply problems are solved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltforge.command_line.arguments import existing_file, read_spec, writable_place
from ltforge.command_line.progress import StageProgress, ctrl_c_cancels
from ltforge.extras import needing


@dataclass(frozen=True, slots=True)
class Estimation:
    """What ``ltforge estimate`` was asked for."""

    checkpoint: Path
    spec: str
    dataset: Path | None
    replicates: int


def estimate(asked: Estimation) -> dict[str, Any]:
    """A ticket's parameters, errors and accuracy, estimated without constructing it."""
    existing_file(asked.checkpoint, "checkpoint")
    if asked.dataset is not None:
        existing_file(asked.dataset, "dataset")
    document = read_spec(asked.spec)
    with needing("estimate"):
        from ltengine.specification import parse_specification  # noqa: PLC0415

        specification = parse_specification(document)
        from ltengine.estimation import estimate_files  # noqa: PLC0415
    with ctrl_c_cancels() as interrupted, StageProgress() as progress:
        return estimate_files(
            asked.checkpoint,
            specification,
            asked.dataset,
            replicates=asked.replicates,
            progress=progress.show,
            cancel=interrupted,
        )


def _number_or_name(target: str) -> float | str:
    try:
        return float(target)
    except ValueError:
        return target


def measure(question: dict[str, Any]) -> dict[str, Any]:
    """The answer to one question."""
    with needing("statistics"):
        from ltengine.statistics.question import parse_question  # noqa: PLC0415

        parsed = parse_question({**question, "target": _number_or_name(question["target"])})
        from ltengine.statistics import measurement  # noqa: PLC0415
    with ctrl_c_cancels() as interrupted, StageProgress() as progress:
        row = measurement.measure(parsed, progress=progress.show, cancel=interrupted)
    return row.to_document()


def measure_table(place: Path) -> dict[str, Any]:
    """Measure the table that plans are made from; minutes."""
    writable_place(place, inputs=[])
    with needing("statistics"):
        from ltengine.statistics import table  # noqa: PLC0415
    with ctrl_c_cancels() as interrupted, StageProgress() as progress:
        rows = tuple(table.measure_table(progress=progress.show, cancel=interrupted))
    place.write_text(table.write_table(rows), encoding="utf-8")
    return {"table": str(place), "rows": len(rows), "problems": sum(row.trials for row in rows)}
