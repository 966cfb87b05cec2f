"""Whatever a disk does at whichever call: an error of ours, what stood there whole, and nothing half-written left."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from filelock import FileLock
from scenarios import FAULTS, SCENARIOS, SPEC, FaultyDisk, on, play

from medssl.core.files import read_json, write_json
from medssl.core.protocol import INTERRUPTED, QUEUED, RUNNING
from medssl.jobs.store import JobStore

MOST = 12  # calls of one write
DAY = 86_400.0


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_call_leaves_what_was_there_or_all_of_the_new(tmp_path, name, fault):
    rows = []
    for at in range(1, MOST):
        folder = tmp_path / str(at)
        folder.mkdir()
        row = play(name, fault, at, folder)
        if row is None:
            break
        rows.append(row)
    assert rows and len(rows) < MOST - 1
    for row in rows:
        expected = (
            ("", "after") if fault == "slow" else ("disk-full" if fault == "full" else "file-unwritable", "before")
        )
        assert (row.error, row.stands, row.left) == (*expected, ()), row


def test_the_guard_is_what_does_it(tmp_path, monkeypatch):
    """Without the clean-up of `write_atomic` the same test sees what is left."""
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    assert play("a table is written", "full", 2, tmp_path).left


def test_a_disk_that_recovers_is_written_to_again(tmp_path):
    store = JobStore(tmp_path)
    with on(FaultyDisk("full", 1)), pytest.raises(OSError):
        store.create(SPEC)
    assert store.list() == [] and store.create(SPEC) == store.list()[0].id


def test_two_of_everything_at_once_are_whole(tmp_path):
    path, wrong = tmp_path / "a.json", []
    write_json(path, [0] * 1000)

    def write(number):
        for _ in range(20):
            write_json(path, [number] * 1000, durable=False)
            if len(set(read_json(path))) != 1:
                wrong.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    ids = []
    threads += [threading.Thread(target=lambda: ids.append(JobStore(tmp_path).create(SPEC))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and len(set(ids)) == 4 == len(JobStore(tmp_path).list()) and [*tmp_path.glob(".*")] == []


@pytest.mark.parametrize(
    "what, jump, state",
    [("alive", DAY, RUNNING), ("alive", -DAY, RUNNING), ("elsewhere", DAY, INTERRUPTED), ("elsewhere", -DAY, RUNNING),
     ("starting", DAY, INTERRUPTED), ("starting", -DAY, QUEUED), ("starting", 0.0, QUEUED)],
)  # fmt: skip
def test_a_clock_that_jumps_neither_ends_nor_revives_a_job_whose_process_is_here(tmp_path, what, jump, state):
    store = JobStore(tmp_path)
    job = store.create(SPEC)
    folder = store.folder(job)
    changes = {"alive": {"state": RUNNING, "pid": 1}, "elsewhere": {"state": RUNNING, "host": "other"}, "starting": {}}[
        what
    ]
    status = json.loads((folder / "status.json").read_text()) | changes
    (folder / "status.json").write_text(json.dumps(status))
    later = JobStore(tmp_path, clock=lambda: store.clock() + jump)
    with FileLock(folder / "alive.lock", thread_local=False) if what == "alive" else on(FaultyDisk()):
        assert later.status(job).state == state
    if jump > 0:
        assert [view.id for view in later.list()] == [job]  # and nothing of it is swept away
