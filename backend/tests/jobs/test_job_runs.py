"""A job done in this process, and one that another job starts: the folder tells the same as after a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from medssl.core.errors import CancelledError
from medssl.jobs import KINDS, process
from medssl.jobs.child import Parent
from medssl.jobs.devices import claims, locked
from medssl.jobs.folder_run import FolderRun, run_here
from medssl.jobs.record import StatusFile, end_for
from medssl.jobs.store import JobStore

FAKES = "fake_kinds:KINDS"


def never() -> bool:
    return False


def test_a_job_done_here_leaves_what_a_process_leaves(store, spec, home):
    here, there = store.create(spec()), process.submit(store, spec(), FAKES)
    seen = []
    run_here(store.folder(here), home, "cpu", never, FAKES, lambda step, steps: seen.append((step, steps)))
    process.wait(store, there)
    for tell in (
        lambda job: [{**event, "time": 0} for event in store.events(job)[0]],
        lambda job: [getattr(store.status(job), name) for name in ("state", "progress", "step", "device", "error")],
        lambda job: [name for name in store.view(job).files if name != "log.txt"],
    ):
        assert tell(here) == tell(there)
    assert seen == [(1, 3), (2, 3), (3, 3)] and store.status(here).ended >= store.status(here).started > 0


def test_a_job_cancelled_here_goes_on_in_a_process(store, spec, home):
    job, asked = store.create(spec(name="count to 10")), iter([False] * 4 + [True])
    with pytest.raises(CancelledError):
        run_here(store.folder(job), home, "cpu", lambda: next(asked), FAKES)
    assert store.status(job).state == "cancelled" and store.events(job)[0][-1]["type"] == "cancelled"
    process.resume(store, job, FAKES)
    assert process.wait(store, job).status.state == "finished"
    assert [event["step"] for event in store.events(job)[0] if event["type"] == "loss"] == list(range(1, 11))


def test_what_goes_wrong_here_is_in_the_folder_alone(store, spec, home):
    job = store.create(spec("misbehave", "volume error"))
    run_here(store.folder(job), home, "cpu", never, FAKES)
    status = store.status(job)
    assert status.state == "failed" and status.error["message"] == "lung.nrrd: is truncated. Copy it again."
    assert store.events(job)[0][-1]["error"] == status.error


def test_a_job_of_another_job_computes_on_the_device_that_its_parent_holds(store, spec, home):
    outer = store.create(spec())
    inner = JobStore(home, jobs=store.folder(outer) / "runs")
    job = inner.create(spec(name="count to 2"), "7")
    with locked(home, claims("cpu"), never):  # a job of the home folder would wait for it
        process.start(inner, job, FAKES, Parent(store.folder(outer), "cpu"))
        view = process.wait(inner, job)
    assert view.status.state == "finished" and view.status.device == "cpu" and job == "7"
    assert [job.id for job in store.list()] == [outer]
    assert not (store.folder(outer) / "locks").exists()  # its home is that of its parent


def test_a_cancel_is_passed_on_to_a_job_that_another_one_waits_for(store, spec, until):
    job = process.submit(store, spec(name="count to 100000"), FAKES)
    until(lambda: store.events(job)[1] > 2)
    assert process.wait_or_cancel(store, job, lambda: True, poll_s=0.05).state == "cancelled"
    assert process.wait_or_cancel(store, job, never).state == "cancelled"


def test_an_end_written_from_outside_is_the_last_word_unless_there_is_one(store, spec):
    job = store.create(spec())
    end_for(store.folder(job), "failed", {"type": "TrainingError", "message": "killed"})
    end_for(store.folder(job), "cancelled")
    assert store.status(job).state == "failed" and store.status(job).error["message"] == "killed"
    assert [event["type"] for event in store.events(job)[0]] == ["failed"]


def test_a_further_process_of_a_job_writes_nothing(store, spec, home):
    folder = store.folder(store.create(spec()))
    before = sorted(folder.rglob("*")), (folder / "status.json").read_bytes()
    run = FolderRun(folder, home, never, device="cpu")
    run.emit("loss", step=1)
    run.progress(1, 2)
    run.close()
    assert (sorted(folder.rglob("*")), (folder / "status.json").read_bytes()) == before


def test_an_id_that_is_given_is_made_again_after_a_torn_attempt(store, spec, home):
    runs = JobStore(home, jobs=home / "runs")
    (home / "runs" / ".new-3" / "results").mkdir(parents=True)
    assert runs.create(spec(), "3") == "3" and runs.spec("3") == spec()
    assert StatusFile(runs.folder("3")).now.state == "queued"


def test_the_checks_of_all_kinds_import_no_torch():
    code = f"""
import sys
from medssl.core.registry import load
for check in {[kind.check for kind in KINDS.values()]!r}:
    load(check)
assert not {{"torch", "SimpleITK"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_run_says_how_long_it_goes_on(store, spec, home, monkeypatch):
    monkeypatch.setattr("medssl.jobs.pace.FIRST_S", 0.05)
    job = store.create(spec(name="count to 10"))
    run_here(store.folder(job), home, "cpu", never, FAKES)
    estimates = [event for event in store.events(job)[0] if event["type"] == "estimate"]
    assert estimates and all(event["steps"] == 10 and 0 < event["left_s"] < 10 for event in estimates)
