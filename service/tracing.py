"""Traces (OpenTelemetry): off unless the standard OTEL_* variables say where spans go.

Spans are begun in any case: without a provider they are nothing and cost next to nothing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HEADER = "traceparent"
_QUERY = "url.query"

_tracer = trace.get_tracer("ltforge")
_propagator = TraceContextTextMapPropagator()


class TracingMisconfigured(ValueError):  # noqa: N818 - reads as the outcome it is
    """The OTEL_* variables ask for what cannot be had."""


def start_tracing(part: str) -> None:
    """Export this process's spans, if the environment says where to; once per process.

    Args:
        part: of the product, "api" for example; the service is called "ltforge-api" then, unless
            OTEL_SERVICE_NAME has another name for it.

    Raises:
        TracingMisconfigured: the extra `otel` is not installed, or the exporter is none of ours.
    """
    if not _wanted(os.environ):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import (  # noqa: PLC0415
            Span as RecordedSpan,
        )
        from opentelemetry.sdk.trace import (  # noqa: PLC0415
            SpanProcessor,
            TracerProvider,
        )
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as missing:
        raise TracingMisconfigured(
            "The OTEL_* variables ask for traces, but OpenTelemetry's SDK is not installed: "
            "pip install 'ltforge[otel]', or unset them."
        ) from missing

    class WithoutQuery(SpanProcessor):
        """Queries hold what users name, so no span shows them, as no log does."""

        def on_start(self, span: RecordedSpan, parent_context: object = None) -> None:  # noqa: ARG002
            if _QUERY in (span.attributes or {}):
                span.set_attribute(_QUERY, "[redacted]")

    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": f"ltforge-{part}"}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(WithoutQuery())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def _wanted(environment: Mapping[str, str]) -> bool:
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter == "none" or not (exporter or any(map(environment.get, _ENDPOINTS))):
        return False
    if exporter not in ("", "otlp"):
        raise TracingMisconfigured(
            f"OTEL_TRACES_EXPORTER is {exporter!r}; otlp and none are supported."
        )
    protocol = next(filter(None, map(environment.get, _PROTOCOLS)), "http/protobuf")
    if protocol != "http/protobuf":
        raise TracingMisconfigured(
            f"The OTLP protocol is {protocol!r}; http/protobuf is supported: collectors take it on "
            "port 4318."
        )
    return True


@contextmanager
def span(
    name: str,
    attributes: Mapping[str, str | int],
    parent: str | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
) -> Iterator[Span]:
    """A span around the block; `parent` is a traceparent (W3C) from elsewhere, else the current."""
    context = _propagator.extract({_HEADER: parent}) if parent else None
    with _tracer.start_as_current_span(
        name, context, kind=kind, attributes=attributes, record_exception=False
    ) as begun:
        yield begun


class Stages:
    """Spans that follow each other within the one that is current when this is made."""

    def __init__(self) -> None:
        # Kept: stages may be announced by another thread, which has no current span.
        self._within = trace.set_span_in_context(trace.get_current_span())
        self._name: str | None = None
        self._span: Span | None = None

    def enter(self, name: str) -> None:
        """Begin a stage, unless it is the one that goes on; the one before ends."""
        if name != self._name:
            self.end()
            self._name, self._span = name, _tracer.start_span(name, self._within)

    def end(self) -> None:
        """End the last stage."""
        if self._span is not None:
            self._span.end()
        self._name = self._span = None


def mark_failed(failed: Span, code: str) -> None:
    """Let a span say that what it stands for failed, and with which code."""
    failed.set_attribute("error.type", code)
    failed.set_status(Status(StatusCode.ERROR))


def traceparent() -> str | None:
    """The current span as W3C's header has it, for its children elsewhere; None without one."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get(_HEADER)


def send_spans(*, wait: bool) -> None:
    """Export what was gathered: now, or with `wait` False on the side."""
    flush = getattr(trace.get_tracer_provider(), "force_flush", None)
    if flush is None:
        return
    if wait:
        flush()
    else:
        threading.Thread(target=flush, daemon=True).start()
