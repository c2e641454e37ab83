"""The production files agree with each other and with the code, as far as can be told unbuilt."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from compose_pydantic import ComposeSpecification
from kombu import Connection
from sqlalchemy.engine import make_url

from service.api.application import assemble_routes
from service.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: item for name, item in SERVICES.items() if "build" in item}
DOCKERFILE = (ROOT / "Dockerfile").read_text()
NGINX = (ROOT / "deploy/nginx.conf").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXAMPLE = dict(
    line.split("=", 1)
    for line in (ROOT / ".env.example").read_text().splitlines()
    if line and not line.startswith("#")
)


def instructions(name: str) -> list[str]:
    """The arguments of every Dockerfile instruction of this name, continued lines joined."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return [
        line.removeprefix(name).strip()
        for line in joined.splitlines()
        if line.startswith(f"{name} ")
    ]


def interpolated(text: str) -> str:
    """A compose value with the variables of .env.example filled in, passwords invented."""

    def value(match: re.Match[str]) -> str:
        return EXAMPLE[match[1]] or "0a1b2c"

    return re.sub(r"\$\{(\w+)(?::[-?][^}]*)?\}", value, text)


def environment_of(service: dict[str, Any]) -> dict[str, str]:
    """A service's variables as its process sees them."""
    return {name: interpolated(str(value)) for name, value in service["environment"].items()}


def api_port() -> str:
    command = SERVICES["api"]["command"]
    port: str = command[command.index("--port") + 1]
    return port


# The Dockerfile


def test_everything_the_image_copies_exists_and_reaches_the_build() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
    copied = [
        source
        for line in instructions("COPY")
        if not line.startswith("--from")
        for source in line.split()[:-1]
    ]

    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert set(copied) == sent


def test_every_package_of_ours_is_in_the_image() -> None:
    included = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = {name.rstrip("*") for name in included["packages"]["find"]["include"]}

    assert packages <= {line.split()[0] for line in instructions("COPY")}


def test_the_image_has_a_python_that_the_project_takes_and_extras_that_exist() -> None:
    version = re.match(r"PYTHON=(\d+)\.(\d+)", instructions("ARG")[0])
    extras = re.findall(r"^ARG EXTRAS=([\w,]+)$", DOCKERFILE, re.M)
    for service in OURS.values():
        build = service["build"]
        extras += [] if isinstance(build, str) else [build["args"]["EXTRAS"]]

    assert version is not None
    assert PROJECT["requires-python"] == f">={version[1]}.{version[2]}"
    assert '".[${EXTRAS}]"' in DOCKERFILE
    assert set(",".join(extras).split(",")) == {"server", "cuda"}
    assert {"server", "cuda"} <= PROJECT["optional-dependencies"].keys()


def test_the_image_runs_as_nobody_in_particular_and_names_only_real_settings() -> None:
    variables = re.findall(r"\bLTFORGE_(\w+)=", DOCKERFILE)

    assert instructions("USER") == ["10001"]
    assert variables == ["DATA"]
    assert instructions("EXPOSE") == [api_port()]


def test_the_images_own_command_is_a_command_of_ours() -> None:
    program, command, *options = json.loads(instructions("CMD")[0])

    module, _, function = PROJECT["scripts"][program].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
    usage = subprocess.run(
        [sys.executable, "-m", "ltforge", command, "--help"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [name for name in options if name.startswith("--") and name not in usage.stdout] == []


# docker-compose.yml


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
            assert int(value) == int(default), name


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


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_command_is_a_program_of_ours(name: str) -> None:
    program, *arguments = OURS[name]["command"]

    if program == "uvicorn":
        module, _, factory = arguments[0].partition(":")
        assert "--factory" in arguments
        assert callable(getattr(importlib.import_module(module), factory))
        return
    assert [program, arguments[0]] == ["python", "-m"]
    spec = importlib.util.find_spec(arguments[1])
    assert spec is not None
    assert spec.origin is not None
    assert 'if __name__ == "__main__":' in Path(spec.origin).read_text()


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
    text = re.sub(
        r"\$\{(\w+)(?::[-?][^}]*)?\}",
        lambda match: EXAMPLE[match[1]] or "0a1b2c",
        (ROOT / "docker-compose.yml").read_text(),
    )
    document = yaml.safe_load(text)

    parsed = ComposeSpecification.model_validate(
        {name: value for name, value in document.items() if not name.startswith("x-")}
    )

    assert parsed.services is not None
    assert set(parsed.services) == set(SERVICES)


def test_the_gpu_image_differs_in_what_is_installed_and_nothing_else() -> None:
    build = SERVICES["gpu-worker"]["build"]

    assert SERVICES["gpu-worker"]["profiles"] == ["gpu"]
    assert list(build["args"]) == ["TORCH_OPTIONS", "EXTRAS"]
    assert "ARG TORCH_OPTIONS=" in DOCKERFILE
    assert SERVICES["gpu-worker"]["image"] != SERVICES["worker"]["image"]


def test_l1_images_are_pinned_to_a_version() -> None:
    for name, service in SERVICES.items():
        image, _, tag = service["image"].partition(":")
        assert image
        assert tag not in ("", "latest"), name


# The commands really work, as far as they do without containers


def test_the_migrate_and_api_commands_and_the_health_check_run(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    own = {name: value for name, value in os.environ.items() if not name.startswith("LTFORGE_")}
    environment = {
        **own,
        "LTFORGE_DATA": str(tmp_path),
        "LTFORGE_DATABASE_URL": f"sqlite:///{tmp_path}/ltforge.sqlite",
    }
    migrate = [sys.executable, *SERVICES["migrate"]["command"][1:]]
    api = [sys.executable, "-m", *SERVICES["api"]["command"]]
    api[api.index("--host") + 1] = "127.0.0.1"
    api[api.index("--port") + 1] = port
    _, program, *check = SERVICES["api"]["healthcheck"]["test"]
    healthy = [sys.executable, *(text.replace(f":{api_port()}/", f":{port}/") for text in check)]

    subprocess.run(migrate, cwd=ROOT, env=environment, check=True, capture_output=True)
    with subprocess.Popen(
        api, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            deadline = time.monotonic() + 60
            while subprocess.run(healthy, capture_output=True, check=False).returncode != 0:
                assert time.monotonic() < deadline, "the health check never passed"
                assert server.poll() is None
        finally:
            server.terminate()

    assert program == "python"
    assert server.returncode in (0, -15)


# deploy/nginx.conf


def directives(name: str) -> list[str]:
    """The arguments of every directive of this name."""
    return re.findall(rf"^\s*{name}\s+([^;]+);", NGINX, re.MULTILINE)


def test_the_proxy_listens_where_compose_publishes_and_finds_the_api() -> None:
    _, _, published = SERVICES["proxy"]["ports"][0].rpartition(":")
    check = SERVICES["proxy"]["healthcheck"]["test"][-1]

    assert directives("listen") == [published]
    assert directives("set") == [f"$api http://api:{api_port()}"]
    assert directives("proxy_pass") == ["$api", "$api"]
    assert f":{published}/" in check
    assert urlsplit(check).path in assemble_routes().openapi()["paths"]


def test_the_proxy_streams_the_uploads_that_the_api_has() -> None:
    location = re.search(r"location ~ (\S+) \{(.*?)\}", NGINX, re.DOTALL)
    paths = assemble_routes().openapi()["paths"]
    uploads = {
        path
        for path, item in paths.items()
        for verb in ("post", "patch")
        for media in item.get(verb, {}).get("requestBody", {}).get("content", {})
        if media.endswith("octet-stream")
    }

    assert location is not None
    assert "proxy_request_buffering off;" in location[2]
    assert "client_max_body_size 0;" in location[2]
    assert {path for path in paths if re.search(location[1], path)} == uploads
    assert directives("proxy_buffering") == ["off"]


def test_the_proxy_writes_only_where_it_may() -> None:
    written = [value for name in ("pid", r"\w+_temp_path") for value in directives(name)]

    assert written
    assert [path for path in written if not path.startswith("/tmp/")] == []
    assert NGINX.count("{") == NGINX.count("}")
