from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path

import pytest
from refusals import refused

from medssl.core.errors import NotFoundError
from medssl.core.files import write_json
from medssl.core.protocol import JobStatus, to_json
from medssl.jobs.liveness import SILENT_S, STARTING_S, alive_lock
from medssl.jobs.record import EventLog, StatusFile
from medssl.jobs.store import EVENTS_AT_ONCE, JobStore, model_of_job


def test_ids_sort_by_time_and_name_the_method(home, spec):
    now = [1_700_000_000.0]
    store = JobStore(home, clock=lambda: now[0])
    first = store.create(spec())
    now[0] += 5
    second = store.create(spec())
    assert first.startswith("20231114-221320-genesis-") and first < second
    assert [view.id for view in store.list()] == [second, first]


def test_spec_comes_back_as_given(store, spec):
    wanted = spec(name="größer")
    assert store.spec(store.create(wanted)) == wanted


def test_a_new_job_reads_as_queued_then_as_interrupted_when_no_child_ever_comes(home, spec):
    now = [time.time()]
    store = JobStore(home, clock=lambda: now[0])
    job = store.create(spec())
    assert store.status(job).state == "queued"
    now[0] += STARTING_S + 1
    assert store.status(job).state == "interrupted"


def test_a_running_job_with_a_free_lock_is_interrupted_at_once(store, spec):
    job = store.create(spec())
    status = StatusFile(store.folder(job))
    status.own()
    with alive_lock(store.folder(job)):
        status.change(state="running")
        assert store.status(job).state == "running"
    assert store.status(job).state == "interrupted"


def test_on_another_host_the_heartbeat_decides(store, spec):
    job = store.create(spec())
    for age, state in ((0.0, "running"), (SILENT_S + 5, "interrupted")):
        status = JobStatus("running", host="some-other-host", pid=1, heartbeat=time.time() - age)
        write_json(store.folder(job) / "status.json", to_json(status))
        assert store.status(job).state == state


@pytest.mark.parametrize("reason", ["ENOLCK", "EOPNOTSUPP", "ENOSYS"])
def test_without_locks_the_heartbeat_decides_and_no_job_is_damaged(home, spec, without_locks, reason):
    now = [time.time()]
    store = JobStore(home, clock=lambda: now[0])
    job = store.create(spec())
    (store.folder(job) / "alive.lock").touch()
    StatusFile(store.folder(job), store.clock).change(state="running", pid=1)
    without_locks(getattr(errno, reason))
    (view,) = store.list()
    assert view.status.state == "running" and view.status.error is None
    now[0] += SILENT_S + 5
    (view,) = store.list()
    assert view.status.state == "interrupted" and view.status.error is None


def test_events_are_read_from_a_cursor(store, spec):
    job = store.create(spec())
    log = EventLog(store.folder(job) / "events.jsonl")
    for step in range(3):
        log.append("loss", {"step": step})
    events, following = store.events(job, 1)
    assert [event["n"] for event in events] == [1, 2] and following == 3
    log.append("loss", {"step": 3})
    assert [event["n"] for event in store.events(job, following)[0]] == [3]
    assert [event["n"] for event in store.events(job, 0)[0]] == [0, 1, 2, 3]
    assert store.view(job).events == 4
    assert store.events(job, 4) == ([], 4)


def test_many_events_come_in_portions(store, spec):
    job = store.create(spec())
    lines = "".join(json.dumps({"n": n}) + "\n" for n in range(EVENTS_AT_ONCE + 10))
    (store.folder(job) / "events.jsonl").write_text(lines)
    first, following = store.events(job)
    rest, end = store.events(job, following)
    assert [event["n"] for event in first + rest] == list(range(end)) == list(range(EVENTS_AT_ONCE + 10))


def test_a_torn_last_line_is_not_an_event_and_the_next_writer_cuts_it_off(store, spec):
    job = store.create(spec())
    path = store.folder(job) / "events.jsonl"
    log = EventLog(path)
    log.append("loss", {"step": 0})
    log.close()
    with path.open("ab") as file:
        file.write(b'{"n": 1, "type": "lo')
    assert [event["n"] for event in store.events(job)[0]] == [0]
    log = EventLog(path)
    log.append("loss", {"step": 1})
    assert [(event["n"], event["step"]) for event in store.events(job)[0]] == [(0, 0), (1, 1)]


def test_not_a_number_is_strict_json(store, spec):
    job = store.create(spec())
    EventLog(store.folder(job) / "events.jsonl").append("loss", {"loss": float("nan"), "values": (float("inf"), 1.0)})
    assert b"NaN" not in (store.folder(job) / "events.jsonl").read_bytes()
    assert store.events(job)[0][0]["values"] == [None, 1.0]


@pytest.mark.parametrize("job", ["..", "../jobs", "a/b", "", ".", "a\\b", "x" * 200, "a\0b", "nothing-here"])
def test_no_id_leads_out_of_the_jobs(store, spec, job):
    store.create(spec())
    with pytest.raises(NotFoundError):
        store.view(job)


@pytest.mark.parametrize(
    "name", ["../../secret", "/etc/passwd", "results/../../../secret", "C:\\x", "..\\..\\secret", "", "."]
)
def test_no_file_name_leads_out_of_the_folder(store, spec, home, name):
    (home / "secret").write_text("token")
    job = store.create(spec())
    with pytest.raises(NotFoundError):
        store.file(job, name)


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_no_link_leads_out_of_the_folder(store, spec, home):
    (home / "secret").write_text("token")
    job = store.create(spec())
    (store.folder(job) / "results" / "link").symlink_to(home / "secret")
    (store.folder(job) / "results" / "fine.txt").write_text("fine")
    with pytest.raises(NotFoundError):
        store.file(job, "results/link")
    assert store.file(job, "results/fine.txt").read_text() == "fine"
    assert "results/link" not in store.view(job).files


def test_locks_and_requests_are_no_files_of_the_job(store, spec):
    job = store.create(spec())
    (store.folder(job) / "cancel").touch()
    with pytest.raises(NotFoundError):
        store.file(job, "cancel")
    assert set(store.view(job).files) == {"spec.json", "status.json"}


def test_a_job_is_removed_only_when_it_does_not_run(store, spec, home):
    job = store.create(spec())
    with refused("job-active", names="queued"):
        store.remove(job)
    StatusFile(store.folder(job)).change(state="cancelled")
    store.remove(job)
    assert list(Path(home, "jobs").iterdir()) == [] and store.list() == []


def test_cancelling_what_has_ended_is_refused(store, spec):
    job = store.create(spec())
    StatusFile(store.folder(job)).change(state="finished")
    with refused("job-ended", names="finished"):
        store.request_cancel(job)


def test_a_model_is_found_by_the_name_of_its_job(store, spec, home):
    def made(name: str, state: str = "finished") -> Path:
        folder = store.folder(store.create(spec(name=name)))
        (folder / "results" / "model.safetensors").touch()
        write_json(folder / "status.json", to_json(JobStatus(state)))
        return folder / "results" / "model.safetensors"

    model, running = made("Ark an drei Sätzen"), made("Ark", "running")
    assert model_of_job(home, "Ark an drei Sätzen") == model == model_of_job(home, model.parts[-3])
    assert model_of_job(home, running.parts[-3]) == running and model_of_job(home, "Ark") is None
    assert model_of_job(home, "") is None and model_of_job(home, "other") is None
    ids = [made("Ark").parts[-3], made("Ark").parts[-3]]
    with refused("model-ambiguous", names="'Ark'") as caught:
        model_of_job(home, "Ark")
    assert all(one in str(caught.value) for one in ids)


def test_a_file_of_that_name_comes_first(store, spec, home, tmp_path, monkeypatch):
    folder = store.folder(store.create(spec(name="ark.safetensors")))
    (folder / "results" / "model.safetensors").touch()
    write_json(folder / "status.json", to_json(JobStatus("finished")))
    monkeypatch.chdir(tmp_path)
    assert model_of_job(home, "ark.safetensors") == folder / "results" / "model.safetensors"
    (tmp_path / "ark.safetensors").touch()
    assert model_of_job(home, "ark.safetensors") is None
