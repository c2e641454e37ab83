"""The service itself: probes, figures, and what its error codes mean."""

from __future__ import annotations

from ltforge.account_records import Health, ProblemType
from ltforge.calls import address, get, get_text
from ltforge.errors import ServiceFailureError
from ltforge.exchange import Flow, Reply, Request, Send, document_of, response_error
from ltforge.records import read_record

_UNAVAILABLE = 503


def get_liveness() -> Flow[Health]:
    """Whether the process answers at all."""
    return (yield from _probe("/livez"))


def get_readiness() -> Flow[Health]:
    """Whether the service can work; if not, ``reasons`` say what it lacks."""
    return (yield from _probe("/readyz"))


def get_startup() -> Flow[Health]:
    """Whether the process has ever been ready."""
    return (yield from _probe("/startupz"))


def _probe(path: str) -> Flow[Health]:
    """A probe's answer; "no" is one too, and is not asked for again."""
    reply: Reply = yield Send(Request("GET", path))
    if reply.refused and reply.status != _UNAVAILABLE:
        raise response_error(reply)
    document = document_of(reply)
    if "reasons" not in document:
        # Not ours: a proxy's own 503, for example.
        raise ServiceFailureError(
            f"HTTP_{reply.status}", f"{path} did not answer as a probe", status=reply.status
        )
    return read_record(Health, document)


def get_service_metrics() -> Flow[str]:
    """The service's figures in Prometheus' text format."""
    return (yield from get_text("/metrics"))


def get_problem_type(slug: str) -> Flow[ProblemType]:
    """What an error's ``type`` means."""
    return (yield from get(ProblemType, address("/problems", slug)))
