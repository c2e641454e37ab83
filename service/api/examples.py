"""One example of each main body, as the contract shows it."""

from __future__ import annotations

from typing import Any

_CHECKPOINT, _DATASET = "ckp_06f9z0mj8kqx3v5n2c7r4w1yte", "dst_06f9z0nq2hbd7x4m8s1k5v3jwr"
_JOB, _TICKET = "job_06f9z0p41c8m5y2t7d3q6n9xkv", "tkt_06f9z0q7n3v6b1x9w4k2h8mcyd"
_DIGEST = "4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a"

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
    "JobSubmission": _SUBMISSION,
    "ConstructSubmission": _SUBMISSION,
    "EstimateSubmission": _ESTIMATION,
    "StatisticsSubmission": _QUESTION,
    "PlanRequest": {"checkpoint_id": _CHECKPOINT, "spec": _ESTIMATION["spec"]},
    "JobResource": {
        "id": _JOB,
        "kind": "construct",
        "status": "running",
        "terminal": False,
        **_SUBMISSION,
        "replicates": None,
        "attempt": 1,
        "max_attempts": 3,
        "progress": {"stage": "construct", "done": 1, "total": 4, "fraction": 0.2125},
        "error": None,
        "ticket_id": None,
        "metrics": None,
        "created_at": "2026-11-23T12:00:02Z",
        "started_at": "2026-11-23T12:00:03Z",
        "finished_at": None,
        "links": {
            "self": f"/v1/jobs/{_JOB}",
            "cancel": f"/v1/jobs/{_JOB}/cancel",
            "ticket": None,
            "mask": None,
            "metrics": None,
        },
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
            "job": f"/v1/jobs/{_JOB}",
            "checkpoint": f"/v1/checkpoints/{_CHECKPOINT}",
        },
    },
    "Health": {"status": "not_ready", "reasons": ["the database does not answer"]},
}
