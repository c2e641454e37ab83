"""A small HTTP server with the documented routes, for tests of the client over a real socket.

It keeps everything in memory and does what it is scripted to: jobs step through the states a test
gives them, and a fault can be queued for the next request to a route.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

API_KEY = "ltf_contract_secret"
LARGEST_UPLOAD = 4_000_000
NEW_KEY = {"id": "key_1", "name": "ours", "scopes": ["read"], "secret": "ltf_new"}
PLAN = {"source": {"widths": [4, 60, 3]}}
TICKET_FILE = bytes(range(256)) * 9000


@dataclass
class Fault:
    """What the next request to ``method path`` gets instead of its answer.

    ``kind``: "status" answers ``status``; "drop" closes the connection without a word; "truncate"
    sends half of the body; "corrupt" flips one bit of the body.
    """

    method: str
    path: str
    kind: str
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    code: str = "SCRIPTED"


@dataclass
class State:
    """What the server knows."""

    uploads: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    scripts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    """The Idempotency-Key of every POST, in the order of their arrival."""
    job_script: list[dict[str, Any]] = field(default_factory=list)
    upload_script: list[dict[str, Any]] = field(default_factory=list)
    submissions: list[dict[str, Any]] = field(default_factory=list)
    seconds_of_a_plan: float = 0.0
    etag: str | None = f'"sha256-{hashlib.sha256(TICKET_FILE).hexdigest()}"'

    ticket_file: bytes = TICKET_FILE

    def serve_ticket(self, content: bytes) -> None:
        """Make this the file of the one ticket."""
        self.ticket_file = content
        self.etag = f'"sha256-{hashlib.sha256(content).hexdigest()}"'

    def count(self, method: str, path: str) -> int:
        """How many requests of this kind arrived."""
        return self.requests.count((method, path))


class ContractServer(ThreadingHTTPServer):
    """The server; ``state`` is shared with the test."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = State()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up in the middle is part of the tests."""


@contextmanager
def running_contract_server() -> Iterator[ContractServer]:
    """The server on a free port, stopped at the end."""
    server = ContractServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ContractServer

    def log_message(self, *arguments: object) -> None:
        """Tests read answers, not logs."""

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def _handle(self, method: str) -> None:
        parts = urlsplit(self.path)
        state = self.server.state
        state.requests.append((method, parts.path))
        if method == "POST":
            state.keys.append(self.headers.get("Idempotency-Key"))
        fault = next(
            (item for item in state.faults if (item.method, item.path) == (method, parts.path)),
            None,
        )
        if fault is not None:
            state.faults.remove(fault)
        if fault is not None and fault.kind == "drop":
            self.close_connection = True
            return
        if fault is not None and fault.kind == "status":
            self._read_body()
            self._problem(fault.status, fault.code, "scripted fault", fault.headers)
            return
        if self.headers.get("Authorization") != f"Bearer {API_KEY}":
            self._read_body()
            self._problem(401, "INVALID_API_KEY", "send a valid API key")
            return
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self._route(method, parts.path, query, fault)

    def _route(self, method: str, path: str, query: dict[str, str], fault: Fault | None) -> None:
        state = self.server.state
        if method == "POST" and path in ("/v1/checkpoints", "/v1/datasets"):
            self._upload(path, query)
        elif method == "POST" and path == "/v1/jobs":
            self._submit()
        elif method == "POST" and path == "/v1/api-keys":
            self._read_body()
            self._json(201, NEW_KEY)
        elif method == "POST" and path == "/v1/plans":
            self._plan()
        elif match := re.fullmatch(r"/v1/jobs/(\w+)/cancel", path):
            self._read_body()
            state.jobs[match[1]].update(status="canceled", terminal=True)
            self._json(200, state.jobs[match[1]])
        elif path == "/v1/jobs":
            self._page(list(state.jobs.values()), query)
        elif match := re.fullmatch(r"/v1/(?:jobs|checkpoints|datasets)/(\w+)", path):
            self._resource(match[1])
        elif path == "/v1/tickets/tkt_1":
            self._json(200, ticket_document())
        elif path == "/v1/tickets/tkt_1/metrics":
            self._json(200, {"ticket": {"digest": "d" * 64}})
        elif path == "/v1/tickets/tkt_1/mask":
            self._mask(fault)
        else:
            self._read_body()
            self._problem(404, "NOT_FOUND", f"there is no {path}")

    def _upload(self, path: str, query: dict[str, str]) -> None:
        length = int(self.headers["Content-Length"])
        if length > LARGEST_UPLOAD:
            self.close_connection = True
            self._problem(413, "TOO_LARGE", f"uploads may have {LARGEST_UPLOAD} bytes")
            return
        digest = hashlib.sha256(self.rfile.read(length)).hexdigest()
        state = self.server.state
        known = next((item for item in state.uploads.values() if item["sha256"] == digest), None)
        if known is not None:
            self._json(200, known)
            return
        prefix = "ckp" if path.endswith("checkpoints") else "dst"
        document: dict[str, Any] = {
            "id": f"{prefix}_{len(state.uploads) + 1}",
            "name": query["name"],
            "status": "validating",
            "sha256": digest,
            "bytes": length,
            "summary": None,
            "rejection": None,
            "created_at": "2026-11-23T10:00:00Z",
        }
        state.uploads[document["id"]] = document
        state.scripts[document["id"]] = [dict(step) for step in state.upload_script]
        self._json(202, document)

    def _submit(self) -> None:
        state = self.server.state
        given = json.loads(self._read_body())
        state.submissions.append(given)
        if given["kind"] != "statistics" and "construction" not in given["spec"]:
            errors = [
                {
                    "pointer": "/spec/construction",
                    "code": "MISSING",
                    "detail": "this field is required",
                }
            ]
            self._problem(422, "INVALID_SPECIFICATION", "the spec is wrong", {}, errors)
            return
        document = job_document(f"job_{len(state.jobs) + 1}", given)
        state.jobs[document["id"]] = document
        state.scripts[document["id"]] = [dict(step) for step in state.job_script]
        self._json(202, document)

    def _plan(self) -> None:
        """The plan if the client would wait for it, else a job."""
        given = json.loads(self._read_body())
        state = self.server.state
        wait = float(self.headers["Prefer"].removeprefix("wait="))
        if wait >= state.seconds_of_a_plan:
            self._json(200, PLAN)
            return
        document = job_document(f"job_{len(state.jobs) + 1}", {**given, "kind": "plan"})
        state.jobs[document["id"]] = document
        state.scripts[document["id"]] = [dict(step) for step in state.job_script]
        self._json(202, document)

    def _resource(self, identifier: str) -> None:
        state = self.server.state
        document = state.jobs.get(identifier) or state.uploads.get(identifier)
        if document is None:
            self._problem(404, "NOT_FOUND", f"there is no {identifier}")
            return
        if script := state.scripts[identifier]:
            document.update(script.pop(0))
        self._json(200, document)

    def _page(self, items: list[dict[str, Any]], query: dict[str, str]) -> None:
        chosen = [
            item
            for item in items
            if query.get("status") in (None, item["status"])
            and query.get("kind") in (None, item["kind"])
        ]
        start = int(query.get("cursor", "0"))
        end = start + int(query["limit"])
        following = str(end) if end < len(chosen) else None
        self._json(200, {"data": chosen[start:end], "next_cursor": following})

    def _mask(self, fault: Fault | None) -> None:
        body = bytearray(self.server.state.ticket_file)
        kind = fault.kind if fault else ""
        if kind == "corrupt":
            body[1000] ^= 1
        etag = self.server.state.etag
        headers = {"ETag": etag} if etag else {}
        self._send(200, "application/octet-stream", bytes(body), headers, cut=kind == "truncate")

    def _read_body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _json(self, status: int, document: object) -> None:
        self._send(status, "application/json", json.dumps(document).encode(), {})

    def _problem(
        self,
        status: int,
        code: str,
        detail: str,
        headers: dict[str, str] | None = None,
        errors: list[dict[str, str]] | None = None,
    ) -> None:
        document = {
            "type": f"/problems/{code}",
            "title": code.title(),
            "status": status,
            "detail": detail,
            "code": code,
            "request_id": "req_1",
        }
        if errors:
            document["errors"] = errors
        body = json.dumps(document).encode()
        self._send(status, "application/problem+json", body, headers or {})

    def _send(
        self, status: int, kind: str, body: bytes, headers: dict[str, str], *, cut: bool = False
    ) -> None:
        self.send_response(status)
        every = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "X-Request-ID": "req_1",
            **headers,
        }
        for name, value in every.items():
            self.send_header(name, value)
        if self.close_connection or cut:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut


def job_document(identifier: str, given: dict[str, Any]) -> dict[str, Any]:
    """A queued job as the service describes it."""
    return {
        "id": identifier,
        "kind": given["kind"],
        "status": "queued",
        "terminal": False,
        "checkpoint_id": given.get("checkpoint_id"),
        "dataset_id": given.get("dataset_id"),
        "spec": given["spec"],
        "replicates": given.get("replicates"),
        "labels": given.get("labels", {}),
        "attempt": 0,
        "progress": {"stage": None, "done": 0, "total": 0, "fraction": 0.0},
        "error": None,
        "ticket_id": None,
        "metrics": None,
        "created_at": "2026-11-23T10:00:00.25Z",
        "started_at": None,
        "finished_at": None,
        "links": {"self": f"/v1/jobs/{identifier}"},
    }


def ticket_document() -> dict[str, Any]:
    """The one ticket of this server."""
    return {
        "id": "tkt_1",
        "job_id": "job_1",
        "checkpoint_id": "ckp_1",
        "digest": "d" * 64,
        "sha256": hashlib.sha256(TICKET_FILE).hexdigest(),
        "bytes": len(TICKET_FILE),
        "metrics": {},
        "created_at": "2026-11-23T10:00:00Z",
        "a_field_of_the_future": 1,
    }
