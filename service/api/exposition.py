"""A census in Prometheus' text format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from service.store.census import DURATION_BOUNDS, Census, Durations

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_Samples = Iterable[tuple[Mapping[str, str], float]]


def expose(census: Census) -> str:
    """All metrics. Labels hold kinds and states only, so their number is bounded."""
    jobs = [({"kind": kind, "status": status}, n) for (kind, status), n in census.jobs.items()]
    files = [({"kind": kind, "status": status}, n) for (kind, status), n in census.uploads.items()]
    sent = [({"status": status}, n) for status, n in census.deliveries.items()]
    lines = [
        *_gauge("ltforge_jobs", "Jobs by kind and status.", jobs),
        *_single(
            "ltforge_queue_age_seconds", "Age of the oldest queued job.", census.queue_seconds
        ),
        *_histogram(census.durations),
        *_gauge("ltforge_uploads", "Uploads by kind and status.", files),
        *_single("ltforge_upload_bytes", "Bytes of all uploads.", census.upload_bytes),
        *_single("ltforge_tickets", "Tickets.", census.tickets),
        *_single("ltforge_ticket_bytes", "Bytes of all tickets.", census.ticket_bytes),
        *_gauge("ltforge_webhook_deliveries", "Webhook messages by status.", sent),
        *_single(
            "ltforge_webhook_backlog_seconds",
            "Age of the oldest webhook message still to be delivered.",
            census.delivery_seconds,
        ),
    ]
    return "\n".join(lines) + "\n"


def _single(name: str, meaning: str, value: float) -> list[str]:
    return _gauge(name, meaning, [({}, value)])


def _gauge(name: str, meaning: str, samples: _Samples) -> list[str]:
    head = [f"# HELP {name} {meaning}", f"# TYPE {name} gauge"]
    return head + [_sample(name, labels, value) for labels, value in samples]


def _histogram(durations: Iterable[Durations]) -> list[str]:
    name = "ltforge_job_duration_seconds"
    lines = [f"# HELP {name} How long finished jobs ran.", f"# TYPE {name} histogram"]
    for one in durations:
        kind = {"kind": one.kind}
        for bound, count in zip(DURATION_BOUNDS, one.up_to, strict=True):
            lines.append(_sample(f"{name}_bucket", {**kind, "le": f"{bound:g}"}, count))
        lines.append(_sample(f"{name}_bucket", {**kind, "le": "+Inf"}, one.count))
        lines.append(_sample(f"{name}_sum", kind, one.seconds))
        lines.append(_sample(f"{name}_count", kind, one.count))
    return lines


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    shown = ",".join(f'{key}="{text}"' for key, text in labels.items())
    return f"{name}{{{shown}}} {value}" if shown else f"{name} {value}"
