"""The Kubernetes manifests hold together and with the code; no cluster is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from sqlalchemy import create_engine, text

from service.api.application import assemble_routes
from service.domain import CudaDevice, JobKind, JobRequest, Worker
from service.settings import Settings
from service.store import open_store
from tests.conftest import empty_database
from tests.deployment.programs import assert_program_of_ours

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy/kubernetes"
OVERLAYS = {"cpu": {"worker-cpu"}, "gpu": {"worker-cpu", "worker-gpu"}}
CUSTOM = {"ScaledObject", "TriggerAuthentication"}
Object = dict[str, Any]


def objects(folder: Path) -> Iterator[Object]:
    """What a kustomization and those that it builds on consist of, with its images put in."""
    customization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    images = {
        image["name"]: f"{image['newName']}:{image['newTag']}"
        for image in customization.get("images", [])
    }
    for name in customization["resources"]:
        path = (folder / name).resolve()
        found = objects(path) if path.is_dir() else yaml.safe_load_all(path.read_text())
        for item in found:
            for container in pod_of(item).get("containers", []):
                container["image"] = images.get(container["image"], container["image"])
            yield item


def pod_of(item: Object) -> Object:
    template: Object = item.get("spec", {}).get("template", {}).get("spec", {})
    return template


ALL = {name: list(objects(FOLDER / "overlays" / name)) for name in OVERLAYS}
PODS = {item["metadata"]["name"]: item for item in ALL["gpu"] if pod_of(item)}
CONFIGURATION = next(item for item in ALL["gpu"] if item["kind"] == "ConfigMap")
STORED_IN_SECRET = {
    line.split()[1]
    for line in (FOLDER / "base/kustomization.yaml").read_text().splitlines()
    if re.match(r"#   \S+  +\S", line)
}


def kinds(kind: str) -> list[Object]:
    return [item for item in ALL["gpu"] if item["kind"] == kind]


def container(name: str) -> Object:
    (only,) = pod_of(PODS[name])["containers"]
    return dict(only)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_one_of_kubernetes(overlay: str) -> None:
    unknown = set()
    for item in ALL[overlay]:
        try:
            kubernetes_validate.validate(item, "1.31", strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            unknown.add(item["kind"])

    assert unknown == CUSTOM
    names = [(item["kind"], item["metadata"]["name"]) for item in ALL[overlay]]
    assert len(set(names)) == len(names)


def test_every_file_belongs_to_a_kustomization() -> None:
    named = {
        (file.parent / name).resolve()
        for file in FOLDER.rglob("kustomization.yaml")
        for name in yaml.safe_load(file.read_text())["resources"]
    }

    files = {file for file in FOLDER.rglob("*.yaml") if file.name != "kustomization.yaml"}
    assert files <= named


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_has_its_workers_and_pins_every_image(overlay: str) -> None:
    pods = {item["metadata"]["name"]: item for item in ALL[overlay] if pod_of(item)}
    images = [one["image"] for item in pods.values() for one in pod_of(item)["containers"]]

    assert pods.keys() == {"api", "housekeeper", "migrate"} | OVERLAYS[overlay]
    assert [name for name in images if not re.search(r":\d+\.\d+\.\d+(-gpu)?$", name)] == []


def test_selectors_select_and_labels_agree() -> None:
    for name, item in PODS.items():
        label = {"app.kubernetes.io/name": name}
        assert item["metadata"]["labels"] == item["spec"]["template"]["metadata"]["labels"] == label
        if item["kind"] == "Deployment":
            assert item["spec"]["selector"]["matchLabels"] == label
    for kind in ("Service", "PodDisruptionBudget"):
        for item in kinds(kind):
            selector = item["spec"]["selector"]
            assert selector.get("matchLabels", selector)["app.kubernetes.io/name"] in PODS
    for kind in ("HorizontalPodAutoscaler", "ScaledObject"):
        for item in kinds(kind):
            assert item["spec"]["scaleTargetRef"]["name"] in PODS
            assert "replicas" not in PODS[item["spec"]["scaleTargetRef"]["name"]]["spec"]
    for policy in kinds("NetworkPolicy"):
        for rule in policy["spec"]["podSelector"].get("matchExpressions", []):
            assert set(rule["values"]) <= PODS.keys()


def test_every_deployment_survives_a_drained_node() -> None:
    guarded = {item["metadata"]["name"] for item in kinds("PodDisruptionBudget")}

    assert guarded == {item["metadata"]["name"] for item in kinds("Deployment")}


@pytest.mark.parametrize("name", sorted(PODS))
def test_containers_may_do_next_to_nothing(name: str) -> None:
    pod, one = pod_of(PODS[name]), container(name)

    assert pod["securityContext"]["runAsNonRoot"]
    assert f"USER {pod['securityContext']['runAsUser']}\n" in (ROOT / "Dockerfile").read_text()
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    assert one["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert one["resources"]["limits"]["memory"]
    assert one["resources"]["requests"].keys() == {"cpu", "memory"}
    mounted = {mount["mountPath"] for mount in one["volumeMounts"]}
    assert {"/tmp", CONFIGURATION["data"]["LTFORGE_DATA"]} <= mounted
    assert {mount["name"] for mount in one["volumeMounts"]} == {
        volume["name"] for volume in pod["volumes"]
    }


@pytest.mark.parametrize("name", sorted(PODS))
def test_variables_are_settings_and_secrets_are_the_documented_ones(name: str) -> None:
    secret = {
        variable["name"]: variable["valueFrom"]["secretKeyRef"]["key"]
        for variable in container(name)["env"]
        if "valueFrom" in variable
    }
    plain = {item["name"] for item in container(name)["env"] if "value" in item}

    known = {f"LTFORGE_{field.upper()}" for field in Settings.model_fields}
    assert secret.keys() | plain | CONFIGURATION["data"].keys() <= known
    assert list(secret) == list(secret.values())
    assert secret.keys() <= STORED_IN_SECRET
    assert not plain & STORED_IN_SECRET


def test_plain_values_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = dict(CONFIGURATION["data"])
    for name in PODS:
        plain |= {item["name"]: item["value"] for item in container(name)["env"] if "value" in item}
    for name, value in plain.items():
        monkeypatch.setenv(name, value)

    assert Settings().data == Path(plain["LTFORGE_DATA"])


@pytest.mark.parametrize("name", sorted(PODS))
def test_every_command_is_a_program_of_ours(name: str) -> None:
    assert_program_of_ours(container(name)["command"])


def test_probes_ask_routes_that_exist_at_the_port_that_is_served() -> None:
    api = container("api")
    paths = assemble_routes().openapi()["paths"]
    command = api["command"]

    (port,) = api["ports"]
    assert str(port["containerPort"]) == command[command.index("--port") + 1]
    probes = {name: api[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startup": "/startupz",
        "liveness": "/livez",
        "readiness": "/readyz",
    }
    assert {probe["port"] for probe in probes.values()} == {port["name"]}
    assert {probe["path"] for probe in probes.values()} <= paths.keys()


def test_the_api_has_time_to_finish_its_requests() -> None:
    api = container("api")
    graceful = api["command"][api["command"].index("--timeout-graceful-shutdown") + 1]
    waits = api["lifecycle"]["preStop"]["exec"]["command"][1]

    assert pod_of(PODS["api"])["terminationGracePeriodSeconds"] > int(graceful) + int(waits)


@pytest.mark.slow
def test_scalers_count_the_work_in_the_real_database(migrated_postgres_url: str) -> None:
    empty_database(migrated_postgres_url)
    store = open_store(migrated_postgres_url)
    with store.begin() as tx:
        tenant = tx.keys.ensure_default_tenant()
        checkpoint = tx.checkpoints.add(tenant, "net", "a" * 64, 10)
        task = tx.checkpoints.claim_validation("validator", 60)
        assert task is not None
        tx.checkpoints.accept(task.id, task.lease_token, "c" * 64, {})
        tx.checkpoints.add(tenant, "still validating", "b" * 64, 10)
        devices = (CudaDevice("a device", 2**37),)
        tx.workers.announce(Worker("host:1", 4, 2**34, 1, devices), 60)
        for device in ("cpu", "cpu", "auto", "cuda"):
            tx.jobs.add(tenant, JobRequest(JobKind.CONSTRUCT, {"device": device}, checkpoint.id))
        tx.jobs.add(tenant, JobRequest(JobKind.STATISTICS, {}, None))

    store.dispose()

    counted = {}
    engine = create_engine(migrated_postgres_url)
    with engine.connect() as connection:
        for scaler in kinds("ScaledObject"):
            (trigger,) = scaler["spec"]["triggers"]
            query = text(trigger["metadata"]["query"])
            counted[scaler["metadata"]["name"]] = connection.execute(query).scalar_one()
    engine.dispose()

    # The validation, the jobs for the device, for any device, and without a device.
    assert counted == {"worker-cpu": 1 + 2 + 1 + 1, "worker-gpu": 1 + 1 + 1 + 1}


def test_scalers_are_let_into_the_database_by_the_documented_secret() -> None:
    (authentication,) = kinds("TriggerAuthentication")
    (parameter,) = authentication["spec"]["secretTargetRef"]

    assert parameter == {"parameter": "connection", "name": "ltforge", "key": "scaler-connection"}
    assert parameter["key"] in STORED_IN_SECRET
    for scaler in kinds("ScaledObject"):
        (trigger,) = scaler["spec"]["triggers"]
        assert trigger["type"] == "postgresql"
        assert trigger["authenticationRef"]["name"] == authentication["metadata"]["name"]
