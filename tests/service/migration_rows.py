"""Rows of databases in use: for each revision, what its new tables and columns hold.

Together they give every column of every table a value somewhere.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

MOMENT = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
LATER = datetime(2026, 1, 2, 12, 30, tzinfo=UTC)

Rows = list[tuple[str, dict[str, Any]]]


def _upload(number: int, **fields: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": f"upl_{number}",
        "tenant_id": "ten_1",
        "name": "naïve ✓",
        "status": "ready",
        "sha256": f"{number:064x}",
        "bytes": 2**40 + number,
        "canonical_sha256": "c" * 64,
        "summary": {"layers": [[784, 300], [300, 10]]},
        "rejection_code": None,
        "rejection_detail": None,
        "created_at": MOMENT,
        "attempt": 1,
        "lease_token": None,
        "lease_expires_at": None,
    }
    return row | fields


_REJECTED = {
    "status": "rejected",
    "canonical_sha256": None,
    "rejection_code": "NOT_A_STATE_DICT",
    "rejection_detail": "It's no state_dict.",
}
_VALIDATED = {"status": "validating", "lease_token": "t", "lease_expires_at": LATER}


def _job(number: int, **fields: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": f"job_{number}",
        "tenant_id": "ten_1",
        "kind": "construct",
        "checkpoint_id": "upl_1",
        "dataset_id": None,
        "spec": {"construction": "2L", "source": {"seed": 2**53}},
        "replicates": None,
        "status": "queued",
        "attempt": 0,
        "max_attempts": 3,
        "stage": "queued",
        "done": 0,
        "total": 2**40,
        "error_code": None,
        "error_detail": None,
        "ticket_id": None,
        "report": None,
        "labels": {"team": "ours"},
        "created_at": MOMENT,
        "queued_at": MOMENT,
        "started_at": None,
        "finished_at": None,
        "worker": None,
        "lease_token": None,
        "lease_expires_at": None,
    }
    return row | fields


_DONE = {"status": "succeeded", "stage": "done", "started_at": MOMENT, "finished_at": LATER}

_SHARD = {
    "index": 0,
    "status": "done",
    "layer": 2,
    "first_row": 2**33,
    "last_row": 2**34,
    "document": {"layer": 2, "first": 2**33, "last": 2**34},
    "sha256": "d" * 64,
    "report": {"problems": 2**40},
    "attempt": 1,
    "worker": "w",
    "lease_token": "t",
    "lease_expires_at": LATER,
    "queued_at": MOMENT,
    "started_at": MOMENT,
    "finished_at": LATER,
}

ROWS: dict[str, Rows] = {
    "0001": [
        ("tenants", {"id": "ten_1", "name": "ours", "created_at": MOMENT, "last_served_at": LATER}),
        ("tenants", {"id": "ten_2", "name": "theirs", "created_at": MOMENT}),
        (
            "api_keys",
            {
                "id": "key_1",
                "tenant_id": "ten_1",
                "name": "laptop",
                "secret_hash": "a" * 64,
                "created_at": MOMENT,
                "revoked_at": LATER,
            },
        ),
        *((table, _upload(1)) for table in ("checkpoints", "datasets")),
        *((table, _upload(2, **_REJECTED)) for table in ("checkpoints", "datasets")),
        *((table, _upload(3, **_VALIDATED)) for table in ("checkpoints", "datasets")),
        ("jobs", _job(1, dataset_id="upl_1", ticket_id="tkt_1", report={"device": "cpu"}, **_DONE)),
        ("jobs", _job(2, status="failed", error_code="TIMEOUT", error_detail="Too long.")),
        ("jobs", _job(3, status="running", worker="w", lease_token="t", lease_expires_at=LATER)),
        ("jobs", _job(4, kind="statistics", checkpoint_id=None)),
        ("jobs", _job(5, kind="estimate", replicates=100)),
        (
            "tickets",
            {
                "id": "tkt_1",
                "tenant_id": "ten_1",
                "job_id": "job_1",
                "checkpoint_id": "upl_1",
                "digest": "d" * 64,
                "sha256": "e" * 64,
                "bytes": 6,
                "report": {"device": "cpu"},
                "created_at": LATER,
            },
        ),
        *(
            ("ticket_chunks", {"ticket_id": "tkt_1", "index": n, "data": b"\0\xff" * 3})
            for n in (0, 1)
        ),
        *(
            (
                "events",
                {
                    "subject_id": "job_1",
                    "seq": seq,
                    "tenant_id": "ten_1",
                    "type": "job.queued",
                    "data": {"attempt": seq},
                    "created_at": MOMENT,
                },
            )
            for seq in (1, 2)
        ),
        ("outbox", {"id": "out_1", "kind": "job", "available_at": MOMENT, "sent_at": LATER}),
        ("outbox", {"id": "out_2", "kind": "validate", "available_at": MOMENT}),
        ("leaders", {"role": "housekeeper", "holder": "host:1", "lease_expires_at": LATER}),
    ],
    "0002": [
        (
            "api_keys",
            {
                "id": "key_2",
                "tenant_id": "ten_1",
                "name": "reader",
                "secret_hash": "b" * 64,
                "previous_hash": "c" * 64,
                "previous_until": LATER,
                "scopes": "read",
                "created_at": MOMENT,
                "expires_at": LATER,
                "last_used_at": LATER,
            },
        ),
        (
            "audit_log",
            {
                "id": "aud_1",
                "tenant_id": "ten_1",
                "key_id": "key_2",
                "request_id": "trace-1",
                "action": "api_key.created",
                "subject_id": "key_2",
                "data": {"scopes": ["read"]},
                "created_at": MOMENT,
            },
        ),
    ],
    "0003": [
        (
            "webhook_endpoints",
            {
                "id": "whk_1",
                "tenant_id": "ten_1",
                "url": "https://hooks.example.com/",
                "description": "ours",
                "events": ["job.succeeded"],
                "secret": "whsec_1",
                "previous_secret": "whsec_0",
                "previous_until": LATER,
                "enabled": False,
                "disabled_reason": "GONE",
                "failing_since": MOMENT,
                "created_at": MOMENT,
            },
        ),
        (
            "webhook_deliveries",
            {
                "id": "whd_1",
                "tenant_id": "ten_1",
                "endpoint_id": "whk_1",
                "event_type": "job.succeeded",
                "body": '{"type": "job.succeeded"}',
                "status": "pending",
                "tries": 1,
                "attempts": [{"status": 503}],
                "due_at": LATER,
                "lease_token": "t",
                "lease_expires_at": LATER,
                "created_at": MOMENT,
                "finished_at": LATER,
            },
        ),
    ],
    "0004": [
        (
            "jobs",
            _job(
                6,
                priority=10,
                timeout_s=1.5,
                queue_timeout_s=60.0,
                queue_deadline=LATER,
                cancel_reason="enough",
                retry_of="job_2",
                batch_id="bat_1",
                parts=2,
            ),
        ),
        ("jobs", _job(7, parent_id="job_6")),
        ("job_logs", {"job_id": "job_1", "index": 0, "data": b"attempt 1 of 3 started\n"}),
    ],
    "0005": [
        (
            "tenants",
            {
                "id": "ten_3",
                "name": "limited",
                "created_at": MOMENT,
                "max_requests": 1,
                "max_queued_jobs": 2,
                "max_running_jobs": 3,
                "max_stored_bytes": 2**40,
                "max_uploads": 4,
            },
        ),
        ("request_windows", {"tenant_id": "ten_1", "window": 2**35, "used": 7}),
        ("upload_slots", {"id": "slt_1", "tenant_id": "ten_1", "expires_at": LATER}),
    ],
    "0006": [
        (
            "batches",
            {
                "id": "bat_1",
                "tenant_id": "ten_1",
                "name": "sweep",
                "request": {"sweep": {"source.seed": [1, 2]}},
                "total": 2,
                "created_at": MOMENT,
            },
        ),
        (
            "idempotency_keys",
            {
                "tenant_id": "ten_1",
                "key": "one",
                "request_sha256": "f" * 64,
                "body": b"{}",
                "location": "/v1/jobs/job_1",
                "expires_at": LATER,
            },
        ),
    ],
    "0007": [
        ("jobs", _job(8, kind="export", checkpoint_id=None, spec={"ticket_id": "tkt_1"})),
        ("jobs", _job(9, kind="compare", checkpoint_id=None)),
        ("jobs", _job(10, kind="verify")),
        ("job_logs", {"job_id": "job_8", "index": 0, "data": b"attempt 1 of 3 started\n"}),
        (
            "ticket_exports",
            {
                "ticket_id": "tkt_1",
                "format": "npz",
                "job_id": "job_8",
                "sha256": "9" * 64,
                "bytes": 2**33,
                "created_at": LATER,
            },
        ),
    ],
    "0008": [
        (
            "resumable_uploads",
            {
                "id": "upl_1",
                "tenant_id": "ten_1",
                "kind": "checkpoint",
                "name": "naïve ✓",
                "upload_metadata": "kind Y2hlY2twb2ludA==",
                "length": 2**41,
                "offset": 2**40,
                "resource_id": "ckp_1",
                "created_at": MOMENT,
                "expires_at": LATER,
            },
        ),
    ],
    "0009": [("jobs", _job(11, request_id="trace-1", traceparent=f"00-{1:032x}-{1:016x}-01"))],
    "0010": [
        ("jobs", _job(12, device="cuda")),
        (
            "workers",
            {
                "name": "host:7",
                "cpu_cores": 8,
                "memory_bytes": 2**36,
                "job_slots": 2,
                "cuda_count": 1,
                "cuda_devices": [{"name": "a device", "memory_bytes": 2**37}],
                "started_at": MOMENT,
                "expires_at": LATER,
            },
        ),
    ],
    "0011": [
        ("jobs", _job(13, shards=2, shards_done=1, **_DONE)),
        (
            "job_shards",
            _SHARD | {"id": "shd_1", "job_id": "job_13", "kind": "build"},
        ),
    ],
    "0012": [
        ("checkpoints", _upload(8, **_REJECTED, deleted_at=LATER)),
        ("datasets", _upload(8, **_REJECTED, deleted_at=LATER)),
    ],
    "0013": [
        (
            "mlflow_deliveries",
            {
                "job_id": "job_1",
                "status": "pending",
                "tries": 1,
                "due_at": LATER,
                "run_id": "0123456789abcdef0123456789abcdef",
                "error": "INVALID_PARAMETER_VALUE",
                "lease_token": "t",
                "lease_expires_at": LATER,
            },
        ),
    ],
    "0014": [
        (
            "webhook_endpoints",
            {
                "id": "whk_2",
                "tenant_id": "ten_1",
                "url": "https://hooks.example.com/",
                "description": "to a broker",
                "events": ["*"],
                "format": "cloudevents",
                "secret": "whsec_2",
                "enabled": True,
                "created_at": MOMENT,
            },
        ),
        (
            "webhook_deliveries",
            {
                "id": "whd_2",
                "tenant_id": "ten_1",
                "endpoint_id": "whk_2",
                "event_type": "job.succeeded",
                "body": '{"specversion": "1.0"}',
                "format": "cloudevents",
                "status": "delivered",
                "tries": 1,
                "attempts": [],
                "due_at": MOMENT,
                "created_at": MOMENT,
                "finished_at": LATER,
            },
        ),
    ],
    "0015": [
        ("jobs", _job(14, shards=2, shards_done=1, **_DONE)),
        ("job_shards", _SHARD | {"id": "shd_2", "job_id": "job_14", "kind": "check"}),
    ],
}

NEW_VALUES: dict[tuple[str, str], Any] = {
    ("api_keys", "scopes"): "read write admin",
    ("jobs", "priority"): 0,
    ("jobs", "device"): "cpu",
    ("webhook_endpoints", "format"): "standard",
    ("webhook_deliveries", "format"): "standard",
}
"""What older rows get in columns that a revision adds; null in all others."""

UNKNOWN_BEFORE: dict[str, set[tuple[str, str]]] = {
    "0007": {("jobs", f"job_{number}") for number in (8, 9, 10)} | {("job_logs", "job_8")},
    "0015": {("job_shards", "shd_2")},
}
"""Table and first key of rows that the schema before a revision cannot hold."""
