from __future__ import annotations

import errno
import json
import os
import subprocess

import psutil
import pytest

from medssl.core.errors import ResourceError
from medssl.core.protocol import ResultStatus
from medssl.server.results import KEPT, ResultStore
from medssl.server.worker_process import InspectionWorker

REF = {"path": "/data/ct.nrrd"}


@pytest.fixture
def ask(client, until):
    def ask(model: str, wait: bool = True):
        answer = client.post("/inspect/restore", json={"volume": REF, "model": model})
        assert answer.status_code == 202, answer.text
        result = answer.json()["id"]
        if not wait:
            return result
        until(lambda: state(client, result) in ("finished", "failed", "cancelled"))
        return client.get(f"/results/{result}").json()

    return ask


def state(client, result):
    return client.get(f"/results/{result}").json()["state"]


def test_one_warm_worker_answers_one_after_another(ask, client, worker):
    first, second = ask("good"), ask("good")
    assert first["state"] == second["state"] == "finished"
    assert first["info"]["pid"] == second["info"]["pid"] == worker.pid()
    assert (first["info"]["seen"], second["info"]["seen"]) == (1, 2)
    assert first["files"] == ["restored.nrrd"] and first["table"] == [{"image": "restored", "psnr": None}]
    assert client.get(f"/results/{first['id']}/restored.nrrd").content == b"voxels"
    assert client.get(f"/results/{first['id']}/other.nrrd").status_code == 404


@pytest.mark.parametrize(
    "model, kind, words", [("foreign", "WeightsError", "of another method"), ("bug", "TrainingError", "RuntimeError")]
)
def test_an_error_is_told_and_the_worker_stays(ask, worker, model, kind, words):
    result = ask(model)
    assert result["state"] == "failed" and result["error"]["type"] == kind and words in result["error"]["message"]
    assert ask("good")["info"]["pid"] == worker.pid()


def test_a_crash_fails_one_result_and_the_next_gets_a_new_worker(ask):
    before = ask("good")
    crashed = ask("crash")
    assert (
        crashed["state"] == "failed" and "about to crash" in crashed["error"]["message"] and crashed["error"]["remedy"]
    )
    after = ask("good")
    assert after["state"] == "finished" and after["info"]["pid"] != before["info"]["pid"]


def test_cancel_running_queued_and_deaf(ask, client, worker, until):
    running, queued = ask("slow", wait=False), ask("good", wait=False)
    until(lambda: state(client, running) == "running")
    assert state(client, queued) == "queued"
    assert client.post(f"/results/{queued}/cancel").status_code == 200
    assert client.post(f"/results/{running}/cancel").status_code == 200
    until(lambda: state(client, running) == state(client, queued) == "cancelled")
    assert client.post(f"/results/{running}/cancel").status_code == 409
    deaf = ask("deaf", wait=False)
    until(lambda: state(client, deaf) == "running")
    pid = worker.pid()
    client.post(f"/results/{deaf}/cancel")
    until(lambda: state(client, deaf) == "cancelled")
    assert not psutil.pid_exists(pid) and ask("good")["state"] == "finished"


def test_a_waiting_inspection_is_cancelled_at_once(ask, client, worker, until):
    running, waiting = ask("slow", wait=False), ask("good", wait=False)
    until(lambda: state(client, running) == "running")
    told: list[str] = []
    worker.when_ended(waiting, lambda: told.append(waiting))
    answer = client.post(f"/results/{waiting}/cancel")
    assert answer.json()["state"] == "cancelled" and told == [waiting]
    assert state(client, running) == "running" and client.post(f"/results/{waiting}/cancel").status_code == 409
    client.post(f"/results/{running}/cancel")
    until(lambda: state(client, running) == "cancelled")
    assert ask("good")["state"] == "finished" and state(client, waiting) == "cancelled"


def test_an_inspection_that_reports_nothing_is_ended_and_the_queue_goes_on(home, until):
    worker = InspectionWorker(home, "fake_inspections:INSPECTIONS", silence_s=3.0)  # a child needs that to start
    try:
        ids = [worker.submit("restore", {"volume": REF, "model": model}).id for model in ("deaf", "good")]
        until(lambda: worker.results.status(ids[1]).state == "finished")
        silent = worker.results.status(ids[0])
        assert silent.state == "failed" and silent.error["code"] == "inspection-silent"
        assert "3 s" in silent.error["rule"] and silent.error["remedy"]
    finally:
        worker.close()


def test_an_inspection_that_reports_is_not_ended(home, until):
    worker = InspectionWorker(home, "fake_inspections:INSPECTIONS", silence_s=3.0)
    try:
        slow = worker.submit("restore", {"volume": REF, "model": "slow 200"}).id  # 200 steps of 20 ms
        until(lambda: worker.results.status(slow).state in ("finished", "failed"))
        assert worker.results.status(slow).state == "finished"
    finally:
        worker.close()


def test_a_request_that_cannot_be_is_refused_before_anything_is_queued(client, home):
    missing = {"volume": {"sha256": "0" * 64, "name": "lung"}, "model": "m"}
    assert client.post("/inspect/restore", json=missing).status_code == 404
    for wrong, status in (("0" * 64, 404), ("0" * 64 + "*", 400)):  # of a further channel
        channels = {"volume": {**REF, "further": [{"sha256": wrong}]}, "model": "m"}
        assert client.post("/inspect/restore", json=channels).status_code == status
    assert client.post("/inspect/restore", json={"volume": REF}).status_code == 400
    assert client.post("/inspect/restore", json={"volume": REF, "model": "m", "roi": "x"}).status_code == 400
    assert client.post("/inspect/preview", json={}).status_code == 404  # not in the table
    assert not (home / "results").exists()


def test_an_inspection_that_says_nothing_is_finished(client, until):
    result = client.post("/inspect/check", json={"data": {"path": "/d"}}).json()["id"]
    until(lambda: state(client, result) == "finished")


def test_an_idle_worker_is_ended_and_comes_back(home, until):
    worker = InspectionWorker(home, "fake_inspections:INSPECTIONS", idle_s=0.2)
    request = {"volume": REF, "model": "good"}

    def done():
        result = worker.submit("restore", request).id
        until(lambda: worker.results.status(result).state == "finished")
        return worker.results.status(result).info["pid"]

    first = done()
    until(lambda: worker.pid() is None)
    assert done() != first
    until(lambda: worker.pid() is None)
    worker.close()


def test_a_new_server_fails_what_the_old_one_left(home):
    results = ResultStore(home)
    lost, done = results.create("restore", {}), results.create("restore", {})
    results.write(ResultStatus(done.id, "restore", "finished"))
    ResultStore(home).end_orphans()
    assert results.status(lost.id).state == "failed" and "server stopped" in results.status(lost.id).error["message"]
    assert results.status(done.id).state == "finished"


def test_old_results_are_removed_but_never_unfinished_ones(home):
    results = ResultStore(home)
    kept = results.create("restore", {}).id
    ended = []
    for _ in range(KEPT + 3):
        ended.append(results.create("restore", {}).id)
        results.write(ResultStatus(ended[-1], "restore", "finished"))
    left = {path.name for path in (home / "results").iterdir()}
    assert kept in left and ended[-1] in left and len(left) <= KEPT + 1
    assert json.loads((home / "results" / kept / "status.json").read_text())["state"] == "queued"


def test_a_full_disk_does_not_end_the_queue(home, worker, until, monkeypatch):
    first = worker.submit("restore", {"volume": REF, "model": "crash"}).id
    real = worker.results.write
    monkeypatch.setattr(worker.results, "write", lambda status: (_ for _ in ()).throw(ResourceError("disk", "is full")))
    until(lambda: worker.results.status(first).state == "failed")
    monkeypatch.setattr(worker.results, "write", real)
    second = worker.submit("restore", {"volume": REF, "model": "good"}).id
    until(lambda: worker.results.status(second).state == "finished")


def test_a_system_without_room_for_a_child_fails_one_inspection_and_not_the_queue(worker, until, monkeypatch):
    def refuse(*_, **__):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    with monkeypatch.context() as full:
        full.setattr(subprocess, "Popen", refuse)
        first = worker.submit("restore", {"volume": REF, "model": "good"}).id
        until(lambda: worker.results.status(first).state == "failed")
    error = worker.results.status(first).error
    assert error["type"] == "TrainingError" and "BlockingIOError" in error["value"]
    second = worker.submit("restore", {"volume": REF, "model": "good"}).id
    until(lambda: worker.results.status(second).state == "finished")


@pytest.mark.skipif(os.name == "nt", reason="Windows deletes no file that is being written")
def test_a_crash_is_told_where_the_log_was_cleared_away(ask, client, worker, until, home):
    slow = ask("slow", wait=False)
    until(lambda: state(client, slow) == "running")
    (home / "worker.log").unlink()
    psutil.Process(worker.pid()).kill()
    until(lambda: state(client, slow) == "failed")
    assert "exit status" in worker.results.status(slow).error["rule"] and ask("good")["state"] == "finished"


def test_a_result_of_a_later_version_does_not_keep_the_server_from_starting(home):
    results = ResultStore(home)
    strange = results.create("restore", {})
    path = home / "results" / strange.id / "status.json"
    path.write_text('{"id": "x", "kind": "restore", "state": "queued", "of a later version": 1}')
    ResultStore(home).end_orphans()
    assert "later version" in path.read_text()
