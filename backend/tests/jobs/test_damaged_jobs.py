"""One bad folder never hides the others: it is listed with its reason, and can be removed."""

from __future__ import annotations

import errno
import json
import os
import shutil

import pytest
from filelock import FileLock
from refusals import refused

from medssl.core.files import to_text
from medssl.core.protocol import FAILED, FINISHED, JobView, from_json, to_json
from medssl.jobs import damaged
from medssl.jobs.store import JobStore, model_of_job

DEEP = "[" * 100_000 + "]" * 100_000


def _folder_as_file(folder):
    shutil.rmtree(folder)
    folder.write_text("not a folder")


def _link_to_nowhere(folder):
    shutil.rmtree(folder)
    folder.symlink_to(folder.parent / "gone")


def _status_as_folder(folder):
    (folder / "status.json").unlink()
    (folder / "status.json").mkdir()


DAMAGE = {
    "empty-status": lambda folder: (folder / "status.json").write_text(""),
    "no-status": lambda folder: (folder / "status.json").unlink(),
    "status-is-a-list": lambda folder: (folder / "status.json").write_text("[1]"),
    "status-of-strange-types": lambda folder: (folder / "status.json").write_text('{"state": "running", "heartbeat": "x"}'),
    "unknown-state": lambda folder: (folder / "status.json").write_text('{"state": ["finished"]}'),
    "status-is-a-folder": _status_as_folder,
    "deep-status": lambda folder: (folder / "status.json").write_text(DEEP),
    "empty-spec": lambda folder: (folder / "spec.json").write_text(""),
    "no-spec": lambda folder: (folder / "spec.json").unlink(),
    "spec-is-a-list": lambda folder: (folder / "spec.json").write_text("[]"),
    "spec-of-strange-types": lambda folder: (folder / "spec.json").write_text('{"kind": 1, "method": 2, "config": 3, "data": 4}'),
    "deep-spec": lambda folder: (folder / "spec.json").write_text(DEEP),
    "no-utf-8": lambda folder: (folder / "spec.json").write_bytes(b'{"kind": "\xff\xfe"}'),
    "later-version": lambda folder: (folder / "spec.json").write_text('{"version": 99}'),
    "a-file": _folder_as_file,
    "a-link-to-nowhere": _link_to_nowhere,
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_job_is_listed_with_its_reason_and_can_be_removed(store, spec, what):
    good, bad = store.create(spec(name="good")), store.create(spec())
    folder = store.folder(bad)
    ended = json.loads((folder / "status.json").read_text()) | {"state": FINISHED}
    (folder / "status.json").write_text(json.dumps(ended))
    DAMAGE[what](folder)
    views = {view.id: view for view in store.list()}
    assert set(views) == {good, bad} and views[good].status.error is None
    status = views[bad].status
    assert status.state == FAILED and status.error["remedy"] and status.error["message"]
    again = from_json(JobView, json.loads(to_text(to_json(views[bad]))))  # a client of any version reads it
    assert again.status.error == status.error
    store.remove(bad)
    assert [view.id for view in store.list()] == [good] and not os.path.lexists(folder)


def test_a_damaged_job_that_may_run_is_no_less_running(store, spec):
    job = store.create(spec())  # its process has not come up yet
    (store.folder(job) / "spec.json").write_text("")
    (view,) = store.list()
    assert view.status.state == "queued" and view.status.error["code"] == "job-damaged"
    with refused("job-active", names=job):
        store.remove(job)


def test_removing_a_link_leaves_what_it_leads_to(store, spec, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    store.create(spec())
    (store.jobs / "linked").symlink_to(tmp_path / "mine")
    assert "linked" in [view.id for view in store.list()]
    store.remove("linked")
    assert (tmp_path / "mine" / "thesis.txt").exists() and not os.path.lexists(store.jobs / "linked")


def test_a_damaged_job_whose_process_lives_is_not_removed(store, spec):
    job = store.create(spec())
    (store.folder(job) / "status.json").write_text("")
    with FileLock(store.folder(job) / "alive.lock"), refused("job-active", names=job):
        store.remove(job)
    store.remove(job)


def test_half_a_character_and_names_that_are_no_text_travel(store, spec, home):
    job = store.create(spec())
    folder = store.folder(job)
    values = json.loads((folder / "spec.json").read_text()) | {"name": "a\ud800b"}
    (folder / "spec.json").write_text(json.dumps(values))
    try:
        (folder / "results" / os.fsdecode(b"caf\xe9.csv")).touch()
    except OSError:
        pytest.skip("this file system takes only text for a name")
    (folder / "results" / "fine.csv").touch()
    (view,) = store.list()
    assert json.loads(to_text(to_json(view)).encode())["spec"]["name"] == "a\ud800b"
    assert [file for file in view.files if file.startswith("results")] == ["results/fine.csv"]


def test_a_damaged_line_of_events_keeps_its_number(store, spec):
    job = store.create(spec())
    (store.folder(job) / "events.jsonl").write_bytes(
        b'{"n": 0, "type": "loss"}\n\xff{\n[1]\n' + DEEP.encode() + b'\n{"n": 4, "type": "loss"}\n'
    )
    events, following = store.events(job)
    assert [event["n"] for event in events] == [0, 1, 2, 3, 4] and following == 5
    assert [event.get("code") for event in events[1:4]] == ["event-damaged"] * 3


def test_a_model_is_found_by_name_beside_a_damaged_job(store, spec, home):
    jobs = [store.create(spec(name="liver")) for _ in range(2)]
    for job in jobs:
        (store.folder(job) / "results" / "model.safetensors").touch()
        values = json.loads((store.folder(job) / "status.json").read_text()) | {"state": FINISHED}
        (store.folder(job) / "status.json").write_text(json.dumps(values))
    for text in ("[]", "", DEEP):
        (store.folder(jobs[0]) / "spec.json").write_text(text)
        assert model_of_job(home, "liver") == store.folder(jobs[1]) / "results" / "model.safetensors"


def test_what_killed_processes_left_is_cleaned_by_the_next_listing(store, spec, home):
    job = store.create(spec())
    for name in (".removed-a", ".new-old", ".new-now"):
        (store.jobs / name / "results").mkdir(parents=True)
    later = JobStore(home, clock=lambda: (store.jobs / ".new-old").stat().st_mtime + damaged.LONG_S + 60)
    os.utime(store.jobs / ".new-now", times=(later.clock(), later.clock()))
    assert [view.id for view in later.list()] == [job]
    assert sorted(entry.name for entry in store.jobs.iterdir()) == [".new-now", job]


def test_a_full_disk_leaves_nothing_of_a_new_job(store, spec, monkeypatch):
    store.create(spec())

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with refused("disk-full"):
        store.create(spec())
    assert not [entry for entry in store.jobs.iterdir() if entry.name.startswith(".")]
