"""deploy/nginx.conf agrees with Compose and with the API's routes."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from service.api.application import assemble_routes
from tests.deployment.production_files import (
    ROOT,
    SERVICES,
    api_port,
)

NGINX = (ROOT / "deploy/nginx.conf").read_text()


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
