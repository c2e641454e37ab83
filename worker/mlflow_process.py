"""Tells an MLflow server of finished jobs: one JSON object in, one out, a line each, until the end.

A process of its own, started by `mlflow_sender`: it loads MLflow, torch and the engine, and where
a server hangs it can be killed.
"""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from datetime import datetime
from pathlib import Path
from typing import Any

from ltforge.platforms.finished_job import FinishedJob
from ltforge.platforms.mlflow import MlflowPlace, is_reachable, log_job

_MOMENTS = ("started", "finished")


def tell(request: dict[str, Any]) -> dict[str, Any]:
    """The `run` that was made; or the `error`, and whether the server is `away`."""
    place = MlflowPlace(**request["place"])
    try:
        return {"run": log_job(_finished_job(request["job"]), place)}
    except Exception as failure:
        return {"error": f"{type(failure).__name__}: {failure}", "away": not is_reachable(place)}


def _finished_job(fields: dict[str, Any]) -> FinishedJob:
    moments = {name: fields[name] and datetime.fromisoformat(fields[name]) for name in _MOMENTS}
    ticket = fields["ticket"] and Path(fields["ticket"])
    error = fields["error"] and tuple(fields["error"])
    return FinishedJob(**{**fields, **moments, "ticket": ticket, "error": error})


def main() -> None:
    """Answer until the standard input ends."""
    answers = sys.stdout
    for line in sys.stdin:
        # MLflow prints where runs can be seen.
        with redirect_stdout(sys.stderr):
            answer = tell(json.loads(line))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
