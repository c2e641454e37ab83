"""One example of each main body, as the contract shows it."""

from __future__ import annotations

from typing import Any

_CHECKPOINT, _DATASET = "ckp_06f9z0mj8kqx3v5n2c7r4w1yte", "dst_06f9z0nq2hbd7x4m8s1k5v3jwr"
_JOB, _TICKET = "job_06f9z0p41c8m5y2t7d3q6n9xkv", "tkt_06f9z0q7n3v6b1x9w4k2h8mcyd"
_UPLOAD = "upl_06f9z0nt6c1r9w4x8m2k7v5hqd"
_BATCH = "bat_06f9z0p1s8c4m2y7t5d9q3n6xk"
_DIGEST = "4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a"

_TENANT, _KEY = "ten_06f9z0kkn5r8w2c4x7d1m6t3qv", "key_06f9z0kmh1y6b9v3s5n8x2w4pz"

_API_KEY: dict[str, Any] = {
    "id": _KEY,
    "name": "nightly sweeps",
    "scopes": ["read", "write"],
    "created_at": "2026-11-23T11:58:00Z",
    "expires_at": "2027-11-23T00:00:00Z",
    "last_used_at": "2026-11-23T12:00:00Z",
    "previous_secret_until": None,
    "revoked_at": None,
}
_API_KEY_REQUEST: dict[str, Any] = {
    name: _API_KEY[name] for name in ("name", "scopes", "expires_at")
}
_TENANT_EXAMPLE = {"id": _TENANT, "name": "default", "created_at": "2026-11-23T11:57:00Z"}

_WEBHOOK_REQUEST: dict[str, Any] = {
    "url": "https://hooks.example.com/ltforge",
    "events": ["job.succeeded", "job.failed"],
    "format": "standard",
    "description": "tells the experiment tracker",
}
_WEBHOOK: dict[str, Any] = {
    "id": "whk_06f9z0kr1m8v4x2c7n5d9t3bqy",
    **_WEBHOOK_REQUEST,
    "enabled": True,
    "disabled_reason": None,
    "failing_since": None,
    "previous_secret_until": None,
    "created_at": "2026-11-23T11:59:00Z",
}

_REPORT: dict[str, Any] = {
    "target": {"parameters": 266610, "layers": 3},
    "ticket": {"digest": _DIGEST, "parameters": 1146208, "file_bytes": 1830912},
    "error": {"largest_parameter": 0.00999},
    "problems": {"total": 566000, "unsolved": 0},
    "accuracy": {"target": 0.9809, "ticket": 0.9807, "agreement": 0.9989},
}

_SUBMISSION: dict[str, Any] = {
    "checkpoint_id": _CHECKPOINT,
    "dataset_id": _DATASET,
    "spec": {
        "construction": "L+1",
        "tolerance": {"parameter": 0.01},
        "base_set": {"size": 20, "largest_subset": 10},
        "source": {"seed": 0},
        "activation": {"name": "relu"},
        "input": {"mean": 0.1307, "std": 0.3081, "low": 0.0, "high": 1.0},
    },
    "labels": {"experiment": "lenet-300-100"},
}

_ESTIMATION: dict[str, Any] = {
    "kind": "estimate",
    "checkpoint_id": _CHECKPOINT,
    "spec": {"construction": "L+1", "activation": {"name": "relu"}},
    "replicates": 5,
}

_QUESTION: dict[str, Any] = {
    "kind": "statistics",
    "spec": {"candidates": 15, "tolerance": 0.01, "target": 0.5, "trials": 100000},
}

EXAMPLES: dict[str, dict[str, Any]] = {
    "CheckpointResource": {
        "id": _CHECKPOINT,
        "name": "lenet300-100-relu.safetensors",
        "status": "validating",
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "bytes": 1066840,
        "summary": None,
        "rejection": None,
        "created_at": "2026-11-23T12:00:00Z",
        "links": {"self": f"/v1/checkpoints/{_CHECKPOINT}"},
    },
    "DatasetResource": {
        "id": _DATASET,
        "name": "scan.npz",
        "status": "rejected",
        "sha256": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
        "bytes": 31480512,
        "summary": None,
        "rejection": {
            "code": "INVALID_DATASET",
            "detail": "the archive holds no array named y; save it with numpy.savez(file, x=, y=)",
        },
        "created_at": "2026-11-23T12:00:00Z",
        "links": {"self": f"/v1/datasets/{_DATASET}"},
    },
    "CheckpointTensors": {
        "data": [
            {"name": "layer.0.weight", "dtype": "F32", "shape": [300, 784]},
            {"name": "layer.0.bias", "dtype": "F32", "shape": [300]},
        ]
    },
    "ResumableUploadResource": {
        "id": _UPLOAD,
        "kind": "checkpoint",
        "name": "lenet300-100-relu.safetensors",
        "length": 1066840,
        "offset": 524288,
        "resource_id": None,
        "created_at": "2026-11-23T12:00:00Z",
        "expires_at": "2026-11-24T12:00:00Z",
        "links": {
            "self": f"/v1/uploads/{_UPLOAD}",
            "finalize": f"/v1/uploads/{_UPLOAD}/finalize",
            "resource": None,
        },
    },
    "JobSubmission": _SUBMISSION,
    "ConstructSubmission": _SUBMISSION,
    "EstimateSubmission": _ESTIMATION,
    "StatisticsSubmission": _QUESTION,
    "BatchSubmission": {
        "name": "tolerances of LeNet-300-100",
        "checkpoint_id": _CHECKPOINT,
        "spec": {
            "construction": "L+1",
            "activation": {"name": "relu"},
            "source": {"seed": 0},
            "replicates": 5,
        },
        "sweep": {"tolerance.parameter": [0.01, 0.02], "construction": ["2L", "L+1"]},
    },
    "BatchResource": {
        "id": _BATCH,
        "name": "tolerances of LeNet-300-100",
        "request": {
            "checkpoint_id": _CHECKPOINT,
            "dataset_id": None,
            "spec": {"construction": "L+1", "replicates": 5},
            "sweep": {"tolerance.parameter": [0.01, 0.02]},
        },
        "total": 10,
        "counts": {"queued": 7, "running": 1, "succeeded": 2},
        "terminal": False,
        "created_at": "2026-11-23T12:00:02Z",
        "links": {
            "self": f"/v1/batches/{_BATCH}",
            "jobs": f"/v1/jobs?batch_id={_BATCH}",
            "cancel": f"/v1/batches/{_BATCH}/cancel",
            "results": f"/v1/batches/{_BATCH}/results",
        },
    },
    "EventPage": {
        "data": [
            {
                "seq": 2,
                "type": "job.started",
                "data": {"worker": "worker-1:77", "attempt": 1},
                "created_at": "2026-11-23T12:00:03Z",
            }
        ],
        "next_after": 2,
        "has_more": False,
        "terminal": False,
    },
    "JobChanges": {"labels": {"experiment": "second"}, "priority": 5},
    "Cancellation": {"reason": "the tolerance was a mistake"},
    "PlanRequest": {"checkpoint_id": _CHECKPOINT, "spec": _ESTIMATION["spec"]},
    "ShardPage": {
        "data": [
            {
                "index": 0,
                "kind": "build",
                "status": "done",
                "layer": 4,
                "first_row": 0,
                "last_row": 1474,
                "attempt": 1,
                "worker": "worker-7:31",
                "report": {
                    "rows": 1474,
                    "problems": 4194302,
                    "unsolved": 0,
                    "cells": 9311350,
                    "seconds": 4.812,
                    "device": "cpu",
                },
                "started_at": "2026-11-23T12:00:03Z",
                "finished_at": "2026-11-23T12:00:08Z",
            }
        ],
        "next_after": None,
    },
    "JobResource": {
        "id": _JOB,
        "kind": "construct",
        "status": "running",
        "terminal": False,
        **_SUBMISSION,
        "replicates": None,
        "priority": 0,
        "timeout_s": 3600.0,
        "queue_timeout_s": None,
        "attempt": 1,
        "max_attempts": 3,
        "progress": {"stage": "construct", "done": 1, "total": 4, "fraction": 0.2125},
        "waiting_for": None,
        "shards": None,
        "error": None,
        "cancel_reason": None,
        "retry_of": None,
        "parent_id": None,
        "batch_id": None,
        "ticket_id": None,
        "metrics": None,
        "created_at": "2026-11-23T12:00:02Z",
        "started_at": "2026-11-23T12:00:03Z",
        "finished_at": None,
        "links": {
            "self": f"/v1/jobs/{_JOB}",
            "cancel": f"/v1/jobs/{_JOB}/cancel",
            "retry": None,
            "events": f"/v1/jobs/{_JOB}/events",
            "logs": f"/v1/jobs/{_JOB}/logs",
            "shards": None,
            "ticket": None,
            "mask": None,
            "metrics": None,
        },
    },
    "ComparisonRequest": {
        "ticket_id": _TICKET,
        "other_ticket_id": "tkt_06f9z0s2b7k4t8w1m5x9r3vqhn",
    },
    "MaskPieceResource": {
        "layer": 2,
        "width": 304,
        "inputs": 105190,
        "first_row": 0,
        "end_row": 2,
        "next_row": None,
        "columns": [[17, 40312], []],
        "biases": [False, False],
    },
    "TicketResource": {
        "id": _TICKET,
        "job_id": _JOB,
        "checkpoint_id": _CHECKPOINT,
        "digest": _DIGEST,
        "sha256": "ef2d127de37b942baad06145e54b0c619a1f22327b2ebbcfbec78f5564afe39d",
        "bytes": 1830912,
        "metrics": _REPORT,
        "created_at": "2026-11-23T12:00:05Z",
        "links": {
            "self": f"/v1/tickets/{_TICKET}",
            "mask": f"/v1/tickets/{_TICKET}/mask",
            "metrics": f"/v1/tickets/{_TICKET}/metrics",
            "export": f"/v1/tickets/{_TICKET}/export",
            "verify": f"/v1/tickets/{_TICKET}/verify",
            "job": f"/v1/jobs/{_JOB}",
            "checkpoint": f"/v1/checkpoints/{_CHECKPOINT}",
        },
    },
    "ApiKeyRequest": _API_KEY_REQUEST,
    "ApiKeyChange": {"scopes": ["read"]},
    "ApiKeyRotation": {"grace_seconds": 3600},
    "ApiKeyResource": _API_KEY,
    "NewApiKeyResource": {
        **_API_KEY,
        "secret": "ltf_06f9z0kmh1y6b9v3s5n8x2w4pz_0123456789abcdef0123456789abcdef01234567",
    },
    "TenantResource": _TENANT_EXAMPLE,
    "AccountResource": {"tenant": _TENANT_EXAMPLE, "key": _API_KEY},
    "AuditEntryResource": {
        "id": "aud_06f9z0p42d9n6z3v8f4r7p1ymw",
        "key_id": _KEY,
        "request_id": "5f2b8c1d9e7a4f60b3c2d1e0f9a8b7c6",
        "action": "job.queued",
        "subject_id": _JOB,
        "data": {"kind": "construct"},
        "created_at": "2026-11-23T12:00:02Z",
    },
    "WebhookEndpointRequest": _WEBHOOK_REQUEST,
    "WebhookEndpointChange": {"events": ["job.succeeded"], "enabled": True},
    "SecretRotation": {"grace_seconds": 3600},
    "WebhookEndpointResource": _WEBHOOK,
    "NewWebhookEndpointResource": {
        **_WEBHOOK,
        "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw8q1vTn0hVxE=",
    },
    "WebhookDeliveryResource": {
        "id": "whd_06f9z0p5c3h7q2x9v6r4n8k1jw",
        "endpoint_id": _WEBHOOK["id"],
        "event_type": "job.succeeded",
        "status": "delivered",
        "payload": {
            "type": "job.succeeded",
            "timestamp": "2026-11-23T12:00:05.000000Z",
            "data": {"id": _JOB, "ticket_id": _TICKET},
        },
        "attempts": [
            {"at": "2026-11-23T12:00:05Z", "code": 503, "seconds": 0.021, "error": None},
            {"at": "2026-11-23T12:00:10Z", "code": 204, "seconds": 0.018, "error": None},
        ],
        "next_attempt_at": None,
        "created_at": "2026-11-23T12:00:05Z",
        "finished_at": "2026-11-23T12:00:10Z",
    },
    "UsageResource": {
        "limits": {
            "requests": 60000,
            "window_seconds": 60,
            "queued_jobs": 10000,
            "running_jobs": 64,
            "stored_bytes": 214748364800,
            "uploads": 16,
        },
        "now": {"queued_jobs": 3, "running_jobs": 1, "stored_bytes": 1830912, "exported_bytes": 0},
        "start": "2026-11-01",
        "end": "2026-11-23",
        "data": [
            {
                "day": "2026-11-23",
                "kind": "construct",
                "jobs": 14,
                "succeeded": 12,
                "failed": 1,
                "seconds": 9.4,
            }
        ],
    },
    "Health": {"status": "not_ready", "reasons": ["the database does not answer"]},
}
