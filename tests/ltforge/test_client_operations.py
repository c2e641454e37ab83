"""The clients against the contract: every operation a method, every record a schema."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from ltforge import account_records, resources
from ltforge.async_client import AsyncClient
from ltforge.client import Client

CONTRACT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).resolve().parents[2] / "openapi.yaml").read_text()
)
OPERATIONS = {
    operation["operationId"]: (verb, path, operation)
    for path, item in CONTRACT["paths"].items()
    for verb, operation in item.items()
    if "operationId" in operation
}
SCHEMAS = {
    "CheckpointResource": resources.UploadRecord,
    "DatasetResource": resources.UploadRecord,
    "CheckpointTensors": resources.CheckpointTensors,
    "TensorResource": resources.Tensor,
    "ResumableUploadResource": resources.ResumableUpload,
    "JobResource": resources.JobRecord,
    "ShardCountsResource": resources.ShardCounts,
    "ShardResource": resources.Shard,
    "ShardPage": resources.ShardPage,
    "ProgressResource": resources.Progress,
    "Reason": resources.Problem,
    "TicketResource": resources.TicketRecord,
    "MaskPieceResource": resources.MaskPiece,
    "EventPage": resources.EventPage,
    "EventResource": resources.Event,
    "BatchResource": resources.BatchRecord,
    "BatchDryRun": resources.BatchDryRun,
    "BatchResults": resources.BatchResults,
    "ResultRow": resources.ResultRow,
    "ResultGroup": resources.ResultGroup,
    "TenantResource": account_records.Tenant,
    "ApiKeyResource": account_records.ApiKey,
    "NewApiKeyResource": account_records.NewApiKey,
    "AccountResource": account_records.Account,
    "AuditEntryResource": account_records.AuditEntry,
    "LimitsResource": account_records.Limits,
    "StandingResource": account_records.Standing,
    "UsageLineResource": account_records.UsageLine,
    "UsageResource": account_records.Usage,
    "WebhookEndpointResource": account_records.WebhookEndpoint,
    "NewWebhookEndpointResource": account_records.NewWebhookEndpoint,
    "AttemptResource": account_records.DeliveryAttempt,
    "WebhookDeliveryResource": account_records.WebhookDelivery,
    "Health": account_records.Health,
    "ProblemTypeDocument": account_records.ProblemType,
}


def methods(client: type) -> set[str]:
    return {name for name in vars(client) if not name.startswith("_")}


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_every_operation_is_a_method_of_its_name(client: type) -> None:
    assert set(OPERATIONS) - methods(client) == set()


def test_both_clients_have_the_same_methods_made_of_the_same_flows() -> None:
    blocking, asynchronous = vars(Client), vars(AsyncClient)

    assert methods(Client) == methods(AsyncClient)
    for name in methods(Client) - {"close", "from_environment"}:
        assert blocking[name]._flow is asynchronous[name]._flow, name


def test_every_method_says_what_it_does_and_takes_what_its_flow_takes() -> None:
    with Client("http://127.0.0.1:9", "ltf_key") as client:
        for name in methods(Client) - {"from_environment"}:
            assert getattr(client, name).__doc__, name
        signature = inspect.signature(client.submit)

    assert list(signature.parameters)[:3] == ["checkpoint", "spec", "dataset"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_record_has_the_fields_of_its_schema(name: str) -> None:
    properties = set(CONTRACT["components"]["schemas"][name]["properties"])

    assert {field.name for field in fields(SCHEMAS[name])} == properties - {"links"}


def test_every_resource_of_the_contract_has_a_record() -> None:
    answers = {
        name
        for name in CONTRACT["components"]["schemas"]
        if name.endswith("Resource") or name.startswith("PageOf_")
    }

    items = {name.removeprefix("PageOf_").removesuffix("_") for name in answers}
    assert items - set(SCHEMAS) == set()


def test_what_creates_something_is_known_to_keep_keys_or_is_sent_once() -> None:
    """The flows that trust the service with their Idempotency-Key are those where it keeps it."""
    keeping = {
        name
        for name, (_, _, operation) in OPERATIONS.items()
        if any(item.get("name") == "idempotency-key" for item in operation.get("parameters", ()))
    }

    assert keeping == {
        name
        for name in OPERATIONS
        if "idempotency_key" in inspect.signature(vars(Client)[name]._flow).parameters
    }
