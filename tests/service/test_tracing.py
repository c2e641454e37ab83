"""Traces are off unless asked for, and what cannot be had is refused by name."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


def started(environment: dict[str, str], before: str = "") -> subprocess.CompletedProcess[str]:
    """Start tracing in a fresh process, and print what it loaded."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    program = (
        f"import sys\n{before}\n"
        "from service.tracing import send_spans, span, start_tracing, traceparent\n"
        "start_tracing('test')\n"
        "with span('one', {}):\n"
        "    loaded = 'opentelemetry.sdk.trace' in sys.modules\n"
        "    print('sdk' if loaded else 'no sdk', traceparent())\n"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        env=own | environment | {"OTEL_EXPORTER_OTLP_TIMEOUT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "environment",
    [
        {},
        ENDPOINT | {"OTEL_SDK_DISABLED": "true"},
        ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_SERVICE_NAME": "ours"},
    ],
)
def test_nothing_is_loaded_unless_the_environment_asks_for_traces(
    environment: dict[str, str],
) -> None:
    assert started(environment).stdout == "no sdk None\n"


def test_a_span_has_a_traceparent_when_they_are_asked_for() -> None:
    answer = started(
        ENDPOINT | {"OTEL_TRACES_SAMPLER": "always_on", "OTEL_BSP_SCHEDULE_DELAY": "1"}
    )

    assert answer.stdout.startswith("sdk 00-"), answer.stderr


@pytest.mark.parametrize(
    ("environment", "before", "way_out"),
    [
        (ENDPOINT, "sys.modules['opentelemetry.sdk.trace'] = None", "ltforge[otel]"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "", "otlp and none"),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "", "http/protobuf"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(
    environment: dict[str, str], before: str, way_out: str
) -> None:
    answer = started(environment, before)

    assert answer.returncode != 0
    assert "TracingMisconfigured" in answer.stderr
    assert way_out in answer.stderr
