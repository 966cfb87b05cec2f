"""Every call of the server as a value: what to send and how to read the answer. No I/O; standard library only.

A transport sends a `Call` and hands status and body to `Call.parse`, which returns the answer or raises the
`MedSSLError` that the server reported:

    call = api.job("20261123-004501-genesis-x7k2")
    view = call.parse(200, body)
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from medssl.core.errors import AccessError, MedSSLError, from_dict
from medssl.core.protocol import JobSpec, JobView, ResultStatus, from_json, to_json, token_id, token_key, token_proof
from medssl.handlers import INSPECTIONS

BINARY = "application/octet-stream"
QUICK_WAIT_S = 2.0  # how long a quick inspection is waited for before the answer is "later"


@dataclass(frozen=True)
class Call:
    """One HTTP request without address and token, which the transport knows."""

    method: str
    path: str  # with query, percent-encoded
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    read: Callable[[int, bytes], Any] = lambda status, body: json.loads(body)
    open: bool = False  # needs no token, so none is sent

    def parse(self, status: int, body: bytes) -> Any:
        """The answer.

        Args:
            status: HTTP status.
            body: HTTP body.

        Raises:
            MedSSLError: what the server reported.
        """
        if status >= 400 and not (self.method == "HEAD" and status == 404):
            raise error_of(status, body)
        return self.read(status, body)


def error_of(status: int, body: bytes) -> MedSSLError:
    """The error that an answer carries."""
    try:
        parts = json.loads(body)["error"]
        known = {name: str(parts[name]) for name in ("type", "value", "rule", "remedy")}
        return from_dict({**known, "code": str(parts.get("code", ""))})  # earlier servers send none
    except (ValueError, TypeError, KeyError):  # not from our server: a proxy, or another program on that port
        return MedSSLError(
            f"HTTP status {status}", "is not an answer of MedSSL", "Check the backend's address", code="foreign-answer"
        )


def health() -> Call:
    """App, version and API number; needs no token."""
    return Call("GET", "/health", open=True)


def proof(token: str) -> Call:
    """Have the server show that it knows a token, which is not sent: True, or an AccessError.

    A transport makes this call before it sends a token: another program may have taken the port of a server that died.
    """
    nonce = secrets.token_hex(32)
    wanted = token_proof(token_key(token), nonce)

    def read(status: int, body: bytes) -> bool:
        try:
            given = json.loads(body)["proof"]
        except (ValueError, TypeError, KeyError, RecursionError):  # another program answers as it likes
            given = None
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), wanted.encode()):
            raise unproven()
        return True

    return Call("GET", f"/proof?nonce={nonce}&token={token_id(token)}", read=read, open=True)


def unproven() -> AccessError:
    """The refusal to send a token to a server that does not know it."""
    return AccessError(
        "server at this address", "does not know the token, which was not sent",
        "Check address and token; a server of an earlier version must be updated", code="server-unproven",
    )  # fmt: skip


def devices() -> Call:
    """List of dicts: name, description, memory_bytes, free_bytes, available, note."""
    return Call("GET", "/devices")


def methods() -> Call:
    """List of dicts: name, title, description, fields, presets."""
    return Call("GET", "/methods")


def tasks() -> Call:
    """List of dicts, as `methods`: the downstream tasks."""
    return Call("GET", "/tasks")


def dataset_specs() -> Call:
    """Ready-made dataset specs of public sets, list of dicts: name, title, spec."""
    return Call("GET", "/dataset-specs")


def read_dataset_spec(path: str = "", text: str = "") -> Call:
    """A dataset spec as a dict, from a file on the backend's machine or from the text of one on the asker's."""
    return _post("/dataset-specs/read", {"path": path} if path else {"text": text}, _json)


def dataset_spec_text(dataset_spec: dict[str, Any]) -> Call:
    """`{"text": ...}`: a dataset spec as YAML."""
    return _post("/dataset-specs/text", {"spec": dataset_spec}, _json)


def models() -> Call:
    """List of dicts: model, name, method, plan, created."""
    return Call("GET", "/models")


def shutdown() -> Call:
    """End the server; jobs go on."""
    return Call("POST", "/shutdown")


def submit(spec: JobSpec) -> Call:
    """Start a job: `JobView`."""
    return _post("/jobs", spec, _view)


def jobs() -> Call:
    """All jobs, newest first: list of `JobView`."""
    return Call("GET", "/jobs", read=lambda status, body: [from_json(JobView, view) for view in json.loads(body)])


def job(job_id: str) -> Call:
    """One job: `JobView`."""
    return Call("GET", f"/jobs/{_quoted(job_id)}", read=_view)


def events(job_id: str, after: int = 0) -> Call:
    """`{"events": [...], "next": n}`: pass `next` as `after` of the next call."""
    return Call("GET", f"/jobs/{_quoted(job_id)}/events?after={after}")


def rounds(job_id: str) -> Call:
    """Rounds of labelling and training up to a fine-tuning, list of dicts: see `medssl.jobs.rounds.Round`."""
    return Call("GET", f"/jobs/{_quoted(job_id)}/rounds")


def cancel(job_id: str) -> Call:
    """Ask a job to stop: `JobView`."""
    return Call("POST", f"/jobs/{_quoted(job_id)}/cancel", read=_view)


def resume(job_id: str) -> Call:
    """Go on with a job: `JobView`."""
    return Call("POST", f"/jobs/{_quoted(job_id)}/resume", read=_view)


def remove(job_id: str) -> Call:
    """Delete a job: None."""
    return Call("DELETE", f"/jobs/{_quoted(job_id)}", read=_nothing)


def job_file(job_id: str, name: str) -> Call:
    """A file of a job, e.g. `log.txt`: bytes."""
    return Call("GET", f"/jobs/{_quoted(job_id)}/files/{quote(name)}", read=_bytes)


def has_volume(sha256: str) -> Call:
    """Whether the server has the volume: bool."""
    return Call("HEAD", f"/volumes/{sha256}", read=lambda status, body: status == 200)


def put_piece(sha256: str, data: bytes, start: int, total: int) -> Call:
    """Upload the bytes from `start` on of a volume of `total` bytes: True when complete."""
    where = f"bytes {start}-{start + len(data) - 1}/{total}"
    return Call("PUT", f"/volumes/{sha256}", {"Content-Type": BINARY, "Content-Range": where}, data, _complete)


def inspect(name: str, request: Any, wait: float = 0.0) -> Call:
    """Ask for an inspection: `ResultStatus`, queued, or ended where that takes less than `wait` seconds (10 at most).

    Each inspection is a function of this module too, `api.restore(request)`, `api.similarity(request, wait=2.0)`.

    Args:
        name: a key of `medssl.handlers.INSPECTIONS`.
        request: its request, see `medssl.core.requests`.
        wait: seconds that the server may keep the question.
    """
    return _post(f"/inspect/{name}?wait={wait:g}" if wait else f"/inspect/{name}", request, _result)


def __getattr__(name: str) -> Callable[..., Call]:
    """The call of an inspection."""
    if name not in INSPECTIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    inspection = INSPECTIONS[name]

    def ask(request: Any, wait: float = QUICK_WAIT_S if inspection.quick else 0.0) -> Call:
        return inspect(name, request, wait)

    ask.__name__, ask.__doc__ = name, f"{inspection.summary} `ResultStatus`, see `inspect`."
    return ask


def __dir__() -> list[str]:
    return sorted({*globals(), *INSPECTIONS})


def result(result_id: str) -> Call:
    """How far an inspection is, or what it found: `ResultStatus`."""
    return Call("GET", f"/results/{_quoted(result_id)}", read=_result)


def cancel_result(result_id: str) -> Call:
    """Ask an inspection to stop: `ResultStatus`."""
    return Call("POST", f"/results/{_quoted(result_id)}/cancel", read=_result)


def result_file(result_id: str, name: str) -> Call:
    """A file of a result, e.g. `restored.nrrd`: bytes."""
    return Call("GET", f"/results/{_quoted(result_id)}/{quote(name)}", read=_bytes)


def _post(path: str, value: Any, read: Callable[[int, bytes], Any]) -> Call:
    return Call("POST", path, {"Content-Type": "application/json"}, json.dumps(to_json(value)).encode(), read)


def _json(status: int, body: bytes) -> Any:
    return json.loads(body)


def _view(status: int, body: bytes) -> JobView:
    return from_json(JobView, json.loads(body))


def _result(status: int, body: bytes) -> ResultStatus:
    return from_json(ResultStatus, json.loads(body))


def _bytes(status: int, body: bytes) -> bytes:
    return body


def _nothing(status: int, body: bytes) -> None:
    return None


def _complete(status: int, body: bytes) -> bool:
    return status in (200, 201)


def _quoted(part: str) -> str:
    return quote(part, safe="")
