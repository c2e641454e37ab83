"""Every operation of the contract as a request that could succeed, for tests that try them all."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from service.store.blobs import LocalBlobStore
from tests.service.running_api import SPEC, RunningApi, make_ticket
from tests.service.tus_client import begun

# Operations whose requests need headers that the contract leaves to their protocol.
PROTOCOL_HEADERS: dict[str, dict[str, str]] = {}


@dataclass(frozen=True)
class Operation:
    """One verb on one path template, with a body that the contract gives as an example."""

    method: str
    path: str
    name: str
    document: Any = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> list[str]:
        """The names of the path's parameters."""
        return re.findall(r"{(\w+)}", self.path)

    def call(self, client: httpx.Client, ids: Mapping[str, str]) -> httpx.Response:
        """Send the request with these ids in the path."""
        body = {"json": self.document} if self.document is not None else {"content": self.content}
        return client.request(
            self.method,
            self.path.format(**ids),
            headers=dict(self.headers),
            params=dict(self.query),
            **body,
        )


def operations_under_v1(api: RunningApi) -> list[Operation]:
    """All operations that need a key, as the running service publishes them."""
    contract = api.client.get("/openapi.json").json()
    return [
        _operation(contract, verb, path, described)
        for path, verbs in contract["paths"].items()
        if path.startswith("/v1/")
        for verb, described in verbs.items()
        if verb != "parameters"
    ]


def _operation(
    contract: dict[str, Any], verb: str, path: str, described: dict[str, Any]
) -> Operation:
    name = described["operationId"]
    media = described.get("requestBody", {}).get("content", {})
    headers = {
        parameter["name"]: str(parameter["schema"].get("default", _example(parameter)))
        for parameter in described.get("parameters", [])
        if parameter["in"] == "header" and parameter.get("required")
    } | PROTOCOL_HEADERS.get(name, {})
    query = {
        parameter["name"]: _choice(contract, parameter)
        for parameter in described.get("parameters", [])
        if parameter["in"] == "query" and parameter.get("required")
    }
    document = content = None
    if "application/json" in media:
        document = _document(contract, media["application/json"])
    elif media:
        content = b"bytes"
        headers.setdefault("Content-Type", next(iter(media)))
    return Operation(verb.upper(), path, name, document, content, headers, query)


def _choice(contract: dict[str, Any], parameter: dict[str, Any]) -> str:
    name = parameter["schema"]["$ref"].rpartition("/")[2]
    return str(contract["components"]["schemas"][name]["enum"][0])


def _example(parameter: dict[str, Any]) -> str:
    examples = parameter["schema"].get("examples") or [parameter.get("example", "1")]
    return str(examples[0])


def _document(contract: dict[str, Any], media: dict[str, Any]) -> Any:
    if "example" in media:
        return media["example"]
    schema = media["schema"]
    choices = [schema, *schema.get("anyOf", [])]
    reference = next(choice["$ref"] for choice in choices if "$ref" in choice)
    named = contract["components"]["schemas"][reference.rpartition("/")[2]]
    return named["examples"][0]


def own_ids(api: RunningApi) -> dict[str, str]:
    """One id of ours for each path parameter of the contract."""
    ticket_id = make_ticket(api, [b"file"])
    _keep_canonical(api)
    ticket = api.client.get(f"/v1/tickets/{ticket_id}").json()
    ids = {
        "ticket_id": ticket_id,
        "job_id": ticket["job_id"],
        "checkpoint_id": ticket["checkpoint_id"],
        "batch_id": _batch(api, ticket["checkpoint_id"]),
    }
    return ids | {name: make(api) for name, make in MAKERS.items()}


def _keep_canonical(api: RunningApi) -> None:
    """The file that `accept_checkpoint` speaks of."""
    header = b'{"layer.0.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}'
    path = LocalBlobStore(api.settings.blobs).path("c" * 64)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))


def _batch(api: RunningApi, checkpoint_id: str) -> str:
    document = {"checkpoint_id": checkpoint_id, "spec": SPEC, "sweep": {"source.seed": [1]}}
    return _made("/v1/batches", json=document)(api)


def _made(path: str, **request: Any) -> Callable[[RunningApi], str]:
    def make(api: RunningApi) -> str:
        answer = api.client.post(path, **request)
        assert answer.is_success, answer.text
        return str(answer.json()["id"])

    return make


ENDPOINT = {"url": "https://hooks.example.com/here"}


def _make_delivery(api: RunningApi) -> str:
    endpoint_id = _made("/v1/webhook-endpoints", json=ENDPOINT)(api)
    return _made(f"/v1/webhook-endpoints/{endpoint_id}/test")(api)


def _make_upload(api: RunningApi) -> str:
    return begun(api.client, 10).rpartition("/")[2]


MAKERS: dict[str, Callable[[RunningApi], str]] = {
    "dataset_id": _made("/v1/datasets", content=b"numbers"),
    "upload_id": _make_upload,
    "key_id": _made("/v1/api-keys", json={"name": "another"}),
    "endpoint_id": _made("/v1/webhook-endpoints", json=ENDPOINT),
    "delivery_id": _make_delivery,
}
"""How to make one resource of ours for the path parameter of each name."""
