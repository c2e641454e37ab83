"""What the log lines and spans of a job's attempt are marked with, here and in the runner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.trace import Span, SpanKind
from structlog.contextvars import bound_contextvars

from service.domain import ClaimedJob
from service.tracing import span, traceparent
from worker.protocol import Run

_TRACEPARENT = "traceparent"


@contextmanager
def marked_attempt(claimed: ClaimedJob) -> Iterator[Span]:
    """Mark what is logged in the block; a span that continues the submitting request's trace."""
    marks = _marks(claimed) | {"job_id": claimed.job.id, "kind": claimed.job.kind.value}
    name = f"attempt {claimed.job.kind}"
    with bound_contextvars(**marks), _span(name, marks, claimed.traceparent) as begun:
        yield begun


def origin(claimed: ClaimedJob) -> dict[str, str]:
    """The marks for the runner, which goes on from the current span."""
    here = traceparent()
    return _marks(claimed) | ({} if here is None else {_TRACEPARENT: here})


@contextmanager
def marked_run(request: Run) -> Iterator[Span]:
    """The same in the runner, with the marks that came with the request."""
    marks = {name: value for name, value in request.origin.items() if name != _TRACEPARENT}
    marks |= {"job_id": request.job, "kind": request.kind}
    parent = request.origin.get(_TRACEPARENT)
    with bound_contextvars(**marks), _span(f"run {request.kind}", marks, parent) as begun:
        yield begun


def _marks(claimed: ClaimedJob) -> dict[str, str]:
    marks = {"tenant_id": claimed.job.tenant_id, "attempt": str(claimed.job.attempt)}
    return marks if claimed.request_id is None else marks | {"request_id": claimed.request_id}


@contextmanager
def _span(name: str, marks: dict[str, str], parent: str | None) -> Iterator[Span]:
    named = {f"ltforge.{mark}": value for mark, value in marks.items()}
    with span(name, named, parent, SpanKind.CONSUMER) as begun:
        yield begun
