"""docker-compose.yml and .env.example agree with each other and with the settings."""

from __future__ import annotations

import importlib
import importlib.util
import re
from urllib.parse import urlsplit

import pytest
import yaml
from compose_pydantic import ComposeSpecification
from kombu.connection import Connection
from sqlalchemy.engine import make_url

from service.settings import Settings
from tests.deployment.production_files import (
    COMPOSE,
    DOCKERFILE,
    EXAMPLE,
    OURS,
    ROOT,
    SERVICES,
    environment_of,
    interpolated,
)


def test_every_file_folder_and_volume_named_exists() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            known = (
                (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
            )
            assert known, volume
    for service in OURS.values():
        build = service["build"]
        context = build if isinstance(build, str) else build["context"]
        assert (ROOT / context / "Dockerfile").is_file()


def test_volumes_are_mounted_where_the_image_keeps_its_data() -> None:
    places = {
        volume.split(":")[1] for service in OURS.values() for volume in service.get("volumes", [])
    }
    made = re.search(r"install --directory .* --owner \w+ (.*)", DOCKERFILE)

    assert made is not None
    assert places == set(made[1].split())
    assert re.findall(r"NUMBA_CACHE_DIR=(\S+)", DOCKERFILE)[0] in places
    for service in OURS.values():
        assert service["environment"]["LTFORGE_DATA"] in places


def test_services_wait_for_services_that_can_become_what_is_waited_for() -> None:
    for name, service in SERVICES.items():
        for other, wanted in service.get("depends_on", {}).items():
            awaited = SERVICES[other]
            match wanted["condition"]:
                case "service_healthy":
                    assert "healthcheck" in awaited, (name, other)
                case "service_completed_successfully":
                    assert awaited["restart"] == "no", (name, other)
                case condition:
                    pytest.fail(f"{name} waits for {other} to be {condition}")


def test_services_that_speak_to_each_other_share_a_network() -> None:
    for service in SERVICES.values():
        assert set(service["networks"]) <= set(COMPOSE["networks"])
    for one, other in [("api", "postgres"), ("worker", "redis"), ("proxy", "api")]:
        assert set(SERVICES[one]["networks"]) & set(SERVICES[other]["networks"])
    assert COMPOSE["networks"]["inside"]["internal"]
    for hidden in ("postgres", "redis"):
        assert SERVICES[hidden]["networks"] == ["inside"]
        assert "ports" not in SERVICES[hidden]


def test_every_setting_is_a_field_of_the_settings_and_they_accept_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for service in OURS.values():
        environment = environment_of(service)
        fields = {
            name.removeprefix("LTFORGE_").lower()
            for name in environment
            if name.startswith("LTFORGE_")
        }
        assert fields <= set(Settings.model_fields)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

        settings = Settings()

        assert {name for name in fields if name in settings.model_fields_set} == fields


def test_the_example_has_every_variable_and_no_other() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    used = {*re.findall(r"\$\{(\w+)", text), "COMPOSE_PROFILES"}

    assert used == set(EXAMPLE)
    for name, default in re.findall(r"\$\{(\w+):-([^}]*)\}", text):
        assert EXAMPLE[name] == default
    for name in re.findall(r"\$\{(\w+):\?", text):
        assert EXAMPLE[name] == ""
    for name, value in EXAMPLE.items():
        if name.startswith("LTFORGE_"):
            default = Settings.model_fields[name.removeprefix("LTFORGE_").lower()].default
            shown = default if isinstance(default, str) else str(int(default))
            assert value == shown, name


def test_the_databases_url_reaches_the_database_service() -> None:
    url = make_url(environment_of(SERVICES["api"])["LTFORGE_DATABASE_URL"])
    postgres = environment_of(SERVICES["postgres"])

    assert importlib.util.find_spec(url.get_dialect().driver) is not None
    assert url.host == "postgres"
    assert url.username == postgres["POSTGRES_USER"]
    assert url.database == postgres["POSTGRES_DB"]
    assert url.password == postgres["POSTGRES_PASSWORD"]
    asked = SERVICES["postgres"]["healthcheck"]["test"]
    assert asked[asked.index("--username") + 1] == url.username
    assert asked[asked.index("--dbname") + 1] == url.database


def test_the_brokers_url_reaches_a_redis_that_keeps_everything() -> None:
    url = environment_of(SERVICES["worker"])["LTFORGE_BROKER_URL"]
    command = SERVICES["redis"]["command"][-1]

    with Connection(url) as connection:
        assert connection.transport_cls == "redis"
    assert urlsplit(url).hostname == "redis"
    assert f"--port {urlsplit(url).port} " in command
    assert urlsplit(url).password == environment_of(SERVICES["redis"])["REDIS_PASSWORD"]
    assert "--maxmemory-policy noeviction" in command
    assert "--appendonly yes" in command


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - {"postgres"}))
def test_what_faces_clients_and_files_can_write_next_to_nothing(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"]
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_postgres_writes_to_its_volume_and_to_memory_alone() -> None:
    postgres = SERVICES["postgres"]

    assert postgres["read_only"]
    assert postgres["cap_drop"] == ["ALL"]
    assert "SYS_ADMIN" not in postgres["cap_add"]


def test_every_container_has_limits_and_runs_in_a_profile_that_is_known() -> None:
    known = {"cpu": {"worker"}, "gpu": {"gpu-worker"}, "monitoring": {"prometheus", "grafana"}}
    for name, service in SERVICES.items():
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
        assert service.get("profiles", []) == [key for key, names in known.items() if name in names]
    assert EXAMPLE["COMPOSE_PROFILES"] in known


def test_everything_that_answers_requests_has_a_health_check() -> None:
    silent = {"migrate", "worker", "gpu-worker", "housekeeper"}

    assert {name for name, item in SERVICES.items() if "healthcheck" not in item} == silent


def test_the_file_follows_the_compose_specification() -> None:
    document = yaml.safe_load(interpolated((ROOT / "docker-compose.yml").read_text()))

    parsed = ComposeSpecification.model_validate(
        {name: value for name, value in document.items() if not name.startswith("x-")}
    )

    assert parsed.services is not None
    assert set(parsed.services) == set(SERVICES)
