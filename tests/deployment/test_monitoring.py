"""Rules and dashboard ask for what the service tells, and for nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.api.exposition import expose
from service.domain import CheckpointStatus, DeliveryStatus, JobKind, JobStatus
from service.store import Store

ROOT = Path(__file__).resolve().parents[2]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
PROMETHEUS = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/ltforge.json").read_text())
PROVISIONING = ROOT / "deploy/grafana/provisioning"
ASKED = {
    **{rule["alert"]: rule["expr"] for rule in RULES},
    **{
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    },
}
LABELS = {
    "kind": {kind.value for kind in JobKind} | {"checkpoint", "dataset"},
    "status": {
        status.value for kinds in (JobStatus, CheckpointStatus, DeliveryStatus) for status in kinds
    },
    "job": {"ltforge"},
}


@pytest.fixture
def told(store: Store) -> set[str]:
    """The names of the samples and the families of a real exposition."""
    with store.read() as tx:
        text = expose(tx.census.take(None))
    families = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    parts = {
        f"{name}_{part}"
        for name, kind in families.items()
        if kind == "histogram"
        for part in ("bucket", "sum", "count")
    }
    return {name for name, kind in families.items() if kind != "histogram"} | parts


def test_every_metric_asked_for_is_told(told: set[str]) -> None:
    for name, query in ASKED.items():
        asked = set(re.findall(r"\b(?:ltforge_\w+|up)\b(?=[{\[) ]|$)", query))
        assert asked, name
        assert asked - {"up"} <= told, name


def test_every_metric_told_is_shown_on_the_dashboard(told: set[str]) -> None:
    shown = " ".join(panel["targets"][0]["expr"] for panel in DASHBOARD["panels"])

    assert {name for name in told if name not in shown} <= {"ltforge_job_duration_seconds_sum"}


def test_labels_are_compared_with_values_that_they_take() -> None:
    for name, query in ASKED.items():
        for label, values in re.findall(r"(\w+)=~?\"([^\"]*)\"", query):
            assert set(values.split("|")) <= LABELS[label], name


def test_every_alert_says_what_it_is_and_what_to_do() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
        assert re.fullmatch(r"\d+m", rule["for"])
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


def test_the_same_numbers_from_every_api_process_are_not_added_up() -> None:
    for name, query in ASKED.items():
        for before in re.findall(r"(\w+)(?: by \([\w, ]+\))? ?\(ltforge_", query):
            assert before in {"max", "rate", "delta"}, name


def test_prometheus_scrapes_the_api_and_grafana_finds_prometheus_and_the_dashboard() -> None:
    (scrape,) = PROMETHEUS["scrape_configs"]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    (source,) = yaml.safe_load((PROVISIONING / "datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards/ltforge.yml").read_text())["providers"]
    mounted = {item.split(":")[1]: item.split(":")[0] for item in compose["grafana"]["volumes"]}
    rules = {item.split(":")[1] for item in compose["prometheus"]["volumes"]}

    assert scrape["job_name"] == "ltforge"
    assert scrape["dns_sd_configs"][0]["names"] == ["api"]
    assert str(scrape["dns_sd_configs"][0]["port"]) in compose["api"]["command"]
    assert scrape["authorization"]["credentials_file"] in compose["prometheus"]["command"][-1]
    assert source["url"] == "http://prometheus:9090"
    assert (ROOT / mounted[provider["options"]["path"]] / "ltforge.json").is_file()
    assert set(PROMETHEUS["rule_files"]) <= rules
