"""The Dockerfile and what is built with it, as far as can be told unbuilt."""

from __future__ import annotations

import re
import tomllib

from tests.deployment.production_files import (
    DOCKERFILE,
    OURS,
    PROJECT,
    ROOT,
    SERVICES,
    api_port,
    instructions,
)


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
    assert set(",".join(extras).split(",")) == {"server", "mlflow", "cuda"}
    assert {"server", "mlflow", "cuda"} <= PROJECT["optional-dependencies"].keys()


def test_the_image_runs_as_nobody_in_particular_and_names_only_real_settings() -> None:
    variables = re.findall(r"\bLTFORGE_(\w+)=", DOCKERFILE)

    assert instructions("USER") == ["10001"]
    assert variables == ["DATA"]
    assert instructions("EXPOSE") == [api_port()]


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
