"""`/models` and `/jobs` answer whatever lies in their folders."""

from __future__ import annotations

import json
import os
import struct

from medssl.core.protocol import FINISHED, JobSpec, from_json
from medssl.jobs.store import JobStore
from medssl.server.model_list import RESULT, list_models


def safetensors(header: object) -> bytes:
    data = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(data)) + data


def test_models_are_listed_beside_damaged_ones_with_their_reasons(home, client):
    folder = home / "models"
    folder.mkdir(parents=True)
    good = {"__metadata__": {}, "w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    (folder / "good.safetensors").write_bytes(safetensors(good) + bytes(4))
    (folder / "foreign.pt").write_bytes(b"PK\x03\x04")
    (folder / "linked.pt").symlink_to(folder / "gone.pt")
    (folder / "folder.pt").mkdir()
    (folder / "empty.safetensors").touch()
    (folder / "deep.safetensors").write_bytes(safetensors(b"[" * 50_000 + b"]" * 50_000))
    (folder / "later.safetensors").write_bytes(
        safetensors({"__metadata__": {"medssl": '{"version": 99, "network": {}}'}})
    )
    (folder / "odd.safetensors").write_bytes(safetensors({"__metadata__": {"medssl": "[" * 50_000 + "]" * 50_000}}))
    (folder / os.fsdecode(b"caf\xe9.pt")).touch()
    answer = client.get("/models")
    assert answer.status_code == 200
    found = {model["name"]: model for model in answer.json()}
    assert len(found) == 9
    assert {name for name, model in found.items() if not model["damaged"]} == {"good.safetensors", "foreign.pt"}
    assert all(model["can"] == [] for model in found.values() if model["damaged"])
    assert found["good.safetensors"]["can"] is None


def test_a_finished_job_whose_evaluation_or_model_is_damaged_is_still_listed(home, client, spec):
    store = JobStore(home)
    job = store.create(from_json(JobSpec, spec()))
    folder = store.folder(job)
    values = json.loads((folder / "status.json").read_text()) | {"state": FINISHED}
    (folder / "status.json").write_text(json.dumps(values))
    (folder / RESULT).write_bytes(b"")
    for text in ("[]", "", "[" * 50_000):
        (folder / "results" / "evaluation.json").write_text(text)
        (entry,) = list_models(store)
        assert entry["model"] == job and entry["damaged"]


def test_a_damaged_job_is_listed_and_deleted_over_http(home, client, spec):
    store = JobStore(home)
    good, bad = store.create(from_json(JobSpec, spec())), store.create(from_json(JobSpec, spec()))
    (store.folder(bad) / "status.json").write_text("")
    (home / "jobs" / "linked").symlink_to(home / "nowhere")
    views = {view["id"]: view for view in client.get("/jobs").json()}
    assert set(views) == {good, bad, "linked"}
    assert client.get(f"/jobs/{bad}").json()["status"]["error"]["code"] == "job-damaged"
    for job in (bad, "linked"):
        assert client.delete(f"/jobs/{job}").status_code == 204
    assert [view["id"] for view in client.get("/jobs").json()] == [good]
