"""Real child processes: how a job ends, waits, is stopped and goes on."""

from __future__ import annotations

import dataclasses
import errno
import os
import subprocess
import sys
import time

import psutil
import pytest
from refusals import refused

from medssl.core.errors import ConfigError, InputError, NotFoundError, StateError
from medssl.core.files import write_json
from medssl.core.protocol import DataSpec, JobSpec
from medssl.jobs import process
from medssl.jobs.liveness import alive_lock, started_at
from medssl.jobs.ranks import wait_for_leader
from medssl.jobs.record import StatusFile

KINDS = "fake_kinds:KINDS"


def submit(store, spec: JobSpec) -> str:
    return process.submit(store, spec, KINDS)


def kinds_of(store, job) -> list[str]:
    return [event["type"] for event in store.events(job)[0]]


def test_a_job_runs_to_its_end(store, spec):
    job = submit(store, spec(name="count to 3"))
    seen = []
    view = process.wait(store, job, seen.append)
    assert view.status.state == "finished" and view.status.progress == 1.0 and view.status.step == 3
    assert view.status.device == "cpu" and view.status.ended >= view.status.started > 0
    assert [event["type"] for event in seen] == ["started", "loss", "loss", "loss", "finished"]
    assert [event["n"] for event in seen] == list(range(5)) and view.events == 5
    assert "results/model.safetensors" in view.files and "log.txt" in view.files


@pytest.mark.parametrize(
    "name, kind, words",
    [
        ("volume error", "VolumeError", "lung.nrrd: is truncated. Copy it again."),
        ("bug", "TrainingError", "RuntimeError: out of ideas"),
        ("import", "ResourceError", "a_package_that_is_not_there"),
    ],
)
def test_every_error_ends_in_the_folder(store, spec, name, kind, words):
    job = submit(store, spec("misbehave", name))
    view = process.wait(store, job)
    assert view.status.state == "failed" and view.status.error["type"] == kind
    assert words in view.status.error["message"]
    assert store.events(job)[0][-1]["error"] == view.status.error
    assert "Traceback" in store.file(job, "log.txt").read_text()


def test_a_bad_spec_makes_no_folder(store, spec, home):
    for wrong, error in (
        (spec("dance"), InputError),
        (JobSpec("count", "nomethod", {}, spec().data), NotFoundError),
        (JobSpec("count", "genesis", {"base_width": -1}, spec().data), ConfigError),
        (JobSpec("count", "genesis", {}, spec().data, device="tpu"), InputError),
        (JobSpec("count", "genesis", {"training": {"nodes": 2}}, spec().data), InputError),
    ):
        with pytest.raises(error):
            submit(store, wrong)
    assert not (home / "jobs").exists()


def test_relative_paths_are_those_of_the_submitter(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    job = submit(store, JobSpec("count", "genesis", {}, DataSpec(path="data"), name="count 1", device="cpu"))
    assert store.spec(job).data.path == str(tmp_path / "data")
    process.wait(store, job)


@pytest.mark.parametrize(
    "fields, code",
    [({"data": DataSpec(path="nowhere")}, "file-not-found"), ({"start_from": "nowhere.pt"}, "model-not-found")],
)
def test_a_path_that_does_not_exist_is_told_before_a_job_is_made(store, spec, fields, code):
    with refused(code, names="nowhere"):
        submit(store, dataclasses.replace(spec(name="count 1"), **fields))
    assert store.list() == []


def test_the_second_job_on_a_device_queues_and_can_be_cancelled_there(store, spec, until):
    first = submit(store, spec(name="count to 100000"))
    until(lambda: store.status(first).state == "running")
    second, third = submit(store, spec(name="count to 2")), submit(store, spec(name="count to 2"))
    until(lambda: store.status(second).pid and store.status(third).pid)
    assert store.status(second).state == store.status(third).state == "queued"
    assert process.cancel(store, third).status.state == "cancelled"
    assert kinds_of(store, third) == ["cancelled"]
    assert process.cancel(store, first).status.state == "cancelled"
    assert process.wait(store, second).status.state == "finished"


def test_a_cancelled_job_goes_on_where_it_stopped(store, spec, until):
    job = submit(store, spec(name="count to 60"))
    until(lambda: store.events(job)[1] > 5)
    view = process.cancel(store, job)
    assert view.status.state == "cancelled" and "cancel" not in view.files
    process.resume(store, job, KINDS)
    assert process.wait(store, job).status.state == "finished"
    steps = [event["step"] for event in store.events(job)[0] if event["type"] == "loss"]
    assert steps == list(range(1, 61))
    assert {"cancelled", "resumed", "finished"} <= set(kinds_of(store, job))
    with refused("job-not-resumable", names="finished"):
        process.resume(store, job, KINDS)


def test_a_killed_job_reads_interrupted_and_resumes_behind_a_torn_event(store, spec, until):
    job = submit(store, spec(name="count to 80"))
    until(lambda: store.events(job)[1] > 5)
    psutil.Process(store.status(job).pid).kill()
    until(lambda: store.status(job).state == "interrupted")
    with (store.folder(job) / "events.jsonl").open("ab") as file:
        file.write(b'{"n": 99, "ty')
    with refused("job-ended", names="interrupted"):
        store.request_cancel(job)
    process.resume(store, job, KINDS)
    assert process.wait(store, job).status.state == "finished"
    assert [event["n"] for event in store.events(job)[0]] == list(range(store.view(job).events))


def test_a_job_that_does_not_listen_is_ended_with_its_children(store, spec, until):
    job = submit(store, spec("misbehave", "deaf"))
    until(lambda: "started" in kinds_of(store, job))
    grandchild = int((store.folder(job) / "results" / "grandchild").read_text())
    pid = store.status(job).pid
    view = process.cancel(store, job, grace_s=0.2)
    assert view.status.state == "cancelled" and kinds_of(store, job)[-1] == "cancelled"
    until(lambda: not psutil.pid_exists(pid) and not psutil.pid_exists(grandchild))


def test_a_step_of_the_clock_does_not_hide_the_process_of_a_job(store, spec, until, monkeypatch):
    job = submit(store, spec("misbehave", "deaf"))
    until(lambda: "started" in kinds_of(store, job))
    pid = store.status(job).pid
    monkeypatch.setattr(process, "started_at", lambda pid: started_at(pid) + 3600)
    monkeypatch.setattr(process, "KILL_S", 0.5)
    assert process.cancel(store, job, grace_s=0.2).status.state == "cancelled"
    until(lambda: not psutil.pid_exists(pid))


def test_another_process_with_the_noted_pid_is_left_alone(store, spec):
    job = store.create(spec())
    (store.folder(job) / "cancel").touch()
    StatusFile(store.folder(job)).change(state="running", pid=os.getpid(), pid_started=time.time() - 10_000)
    process.enforce_cancel(store, job, grace_s=0.1)  # would end this very test
    assert store.status(job).state == "cancelled"


def test_another_process_with_the_noted_pid_is_left_alone_while_the_job_is_locked(store, spec, monkeypatch):
    job = store.create(spec())
    (store.folder(job) / "cancel").touch()
    StatusFile(store.folder(job)).change(state="running", pid=os.getpid(), pid_started=time.time() - 10_000)
    monkeypatch.setattr(process, "KILL_S", 0.1)
    with alive_lock(store.folder(job)), pytest.raises(StateError):
        process.enforce_cancel(store, job, grace_s=0.1)  # would end this very test


def test_a_job_of_another_machine_is_asked_to_stop_and_nothing_here_is_ended(store, spec):
    job = store.create(spec())
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        try:
            noted = {"host": "gpu07", "pid": other.pid, "pid_started": started_at(other.pid)}
            StatusFile(store.folder(job)).change(state="running", **noted)
            view = process.cancel(store, job, grace_s=0.1)
            assert view.status.state == "running" and process.runs_elsewhere(view.status)
            assert (store.folder(job) / "cancel").exists() and other.poll() is None
        finally:
            other.kill()


def test_a_job_has_time_to_write_ten_gigabytes_before_it_is_ended():
    assert process.GRACE_S > 10e9 / 100e6  # at 100 MB a second


@pytest.mark.parametrize("reason", ["ENOLCK", "EOPNOTSUPP", "ENOSYS"])
def test_a_disk_without_locks_is_named_before_a_job_is_made(store, spec, without_locks, reason):
    without_locks(getattr(errno, reason))
    with refused("no-file-locks", names="MEDSSL_HOME"):
        submit(store, spec(name="count 1"))
    assert store.list() == []


def test_a_job_resumed_within_the_grace_period_is_left_running(store, spec, until):
    job = submit(store, spec(name="count to 100000"))
    until(lambda: store.status(job).state == "running")
    process.enforce_cancel(store, job, grace_s=0.1)  # the request was answered and is gone
    assert store.status(job).state == "running"
    process.cancel(store, job)


def test_sigterm_from_the_system_leaves_a_job_to_resume(store, spec, until):
    if os.name == "nt":
        pytest.skip("Windows has no SIGTERM to catch")
    job = submit(store, spec(name="count to 100000"))
    until(lambda: store.events(job)[1] > 3)
    psutil.Process(store.status(job).pid).terminate()
    assert process.wait(store, job).status.state == "interrupted"


def test_two_children_of_one_job_do_not_both_run(store, spec, until):
    job = submit(store, spec(name="count to 100000"))
    until(lambda: store.status(job).state == "running")
    with pytest.raises(StateError):
        process.resume(store, job, KINDS)
    process.cancel(store, job)


def test_further_processes_of_a_job_are_silent(store, spec):
    job = submit(store, spec("together", "two ranks"))
    view = process.wait(store, job)
    assert view.status.state == "finished", store.file(job, "log.txt").read_text()
    assert {"results/rank-0", "results/rank-1"} <= set(view.files)
    assert (store.folder(job) / "results" / "rank-1").read_text() == "cpu"
    assert [event.get("rank") for event in store.events(job)[0] if event["type"] == "loss"] == [0]


def test_a_further_process_does_not_outlive_the_leader(store, spec):
    job = store.create(spec())
    write_json(store.folder(job) / "status.json", {"state": "failed"})
    code = f"""
import time
from pathlib import Path
from medssl.jobs.ranks import watch_leader
watch_leader(Path({str(store.folder(job))!r}), leaving_s=0.1)
time.sleep(60)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert done.returncode == 1 and "is gone" in done.stderr


def test_a_further_process_waits_only_so_long_for_a_leader(store, spec):
    job = store.create(spec())
    write_json(store.folder(job) / "status.json", {"state": "failed"})
    assert wait_for_leader(store.folder(job), coming_s=0.1) is None


def test_a_step_of_the_clock_ends_no_process_whose_parent_lives():
    code = """
import time
import psutil
from medssl.jobs.ranks import LOOK_S, end_with_parent
end_with_parent()
psutil.Process.create_time = lambda self: time.time()  # what the system says of a process moves with the clock
time.sleep(3 * LOOK_S)
print("lives")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stdout.split()) == (0, ["lives"]), done.stderr


@pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX")
def test_a_process_ends_with_its_parent(tmp_path, until):
    code = f"""
import os, time
from pathlib import Path
from medssl.jobs.ranks import end_with_parent
end_with_parent()
Path({str(tmp_path / "pid.new")!r}).write_text(str(os.getpid()))
os.rename({str(tmp_path / "pid.new")!r}, {str(tmp_path / "pid")!r})
time.sleep(60)
"""
    parent = subprocess.Popen(["sh", "-c", '"$0" -c "$1" & wait', sys.executable, code])
    try:
        until((tmp_path / "pid").exists)
    finally:
        parent.kill()
        parent.wait()
    child = int((tmp_path / "pid").read_text())

    def gone() -> bool:
        try:
            return psutil.Process(child).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    until(gone)


def test_a_failing_leader_takes_its_children_along(store, spec):
    job = submit(store, spec("misbehave", "fails with a child"))
    assert process.wait(store, job).status.state == "failed"
    child = int((store.folder(job) / "results" / "child").read_text())
    psutil.wait_procs([psutil.Process(child)] if psutil.pid_exists(child) else [], timeout=30)
    assert not psutil.pid_exists(child)


def test_the_child_is_told_nothing_of_the_ranks_of_whoever_starts_it(store, spec, monkeypatch):
    monkeypatch.setenv("SLURM_PROCID", "3")
    job = submit(store, spec(name="count 1"))
    assert process.wait(store, job).status.state == "finished"
