"""Comparisons as real jobs, killed in the middle, and side by side."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from study_fakes import study_spec, write_catalog

from medssl.core.protocol import FINISHED, INTERRUPTED
from medssl.jobs import process
from medssl.jobs.store import JobStore

HERE = Path(__file__).parent
KINDS = "study_fakes:KINDS"


@pytest.fixture
def store(tmp_path, monkeypatch) -> JobStore:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parent / "training")]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "home").mkdir()
    return JobStore(tmp_path / "home")


def results(store: JobStore, job: str) -> dict[str, bytes]:
    folder = store.folder(job) / "results"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "timing.csv"}


def calls(store: JobStore) -> list[str]:
    return (store.home / "calls.txt").read_text().splitlines()


def until(condition: Callable[[], bool], bound_s: float = 60.0) -> None:
    end = time.monotonic() + bound_s
    while not condition():
        assert time.monotonic() < end, "never happened"
        time.sleep(0.05)


def test_a_comparison_killed_twice_ends_with_the_same_tables_byte_for_byte(store, tmp_path):
    spec = study_spec(write_catalog(tmp_path / "data"))
    whole = process.submit(store, spec, KINDS)
    assert process.wait(store, whole).status.state == FINISHED
    kill = store.home / "kill.json"
    kill.write_text(json.dumps(["genesis 5 0", 2]))
    job = process.submit(store, spec, KINDS)
    assert process.wait(store, job).status.state == INTERRUPTED and not kill.exists()
    kill.write_text(json.dumps(["scratch 10 1", 0]))
    process.resume(store, job, KINDS)
    assert process.wait(store, job).status.state == INTERRUPTED and not kill.exists()
    process.resume(store, job, KINDS)
    assert process.wait(store, job).status.state == FINISHED
    assert results(store, job) == results(store, whole)
    begun = [call.rsplit(" ", 1)[0] for call in calls(store)[12:]]
    assert len(begun) == 12 + 2  # only the two that were at work when killed began again, one from its checkpoint
    assert begun.count("genesis 5 0 0") == begun.count("genesis 5 0 2") == 1 and begun.count("scratch 10 1 0") == 2


def test_runs_side_by_side_end_with_the_same_tables(store, tmp_path):
    data = write_catalog(tmp_path / "data")
    alone = process.submit(store, study_spec(data, seeds=1), KINDS)
    assert process.wait(store, alone).status.state == FINISHED
    (store.home / "kill.json").write_text(json.dumps(["genesis 10 0", 1]))  # the process of one run dies
    several = process.submit(store, study_spec(data, seeds=1, devices=["cpu", "mps"]), KINDS)
    view = process.wait(store, several)
    ends = {(e["arm"], e["size"]): e["error"] for e in store.events(several)[0] if e["type"] == "run" and e["error"]}
    assert view.status.state == FINISHED and list(ends) == [("genesis", 10)]
    assert "was ended from outside" in ends["genesis", 10]
    assert {call.rsplit(" ", 1)[1] for call in calls(store)[4:]} == {"cpu", "mps"}
    told, expected = results(store, several)["runs.csv"].decode(), results(store, alone)["runs.csv"].decode()
    same = [line for line in expected.splitlines() if not line.startswith("genesis,10")]
    assert [line for line in told.splitlines() if not line.startswith("genesis,10")] == same


def test_a_cancelled_comparison_with_children_stops_and_goes_on(store, tmp_path):
    data = write_catalog(tmp_path / "data")
    job = process.submit(store, study_spec(data, patients=[5], seeds=2, devices=["cpu", "mps"]), KINDS)
    for event in process.follow(store, job):
        if event["type"] == "run":
            break
    assert process.cancel(store, job).status.state == "cancelled"
    before = len([e for e in store.events(job)[0] if e["type"] == "run"])
    assert before < 4
    process.resume(store, job, KINDS)
    assert process.wait(store, job).status.state == FINISHED
    assert results(store, job)["runs.csv"].decode().count("finished") == 4


def test_runs_do_not_outlive_a_comparison_that_is_killed(store, tmp_path):
    (store.home / "hold").touch()
    data = write_catalog(tmp_path / "data")
    job = process.submit(store, study_spec(data, patients=[5], seeds=1, devices=["cpu", "mps"]), KINDS)
    runs = [JobStore(store.home, jobs=store.folder(job) / "runs" / arm / "5") for arm in ("scratch", "genesis")]
    until(lambda: (store.home / "calls.txt").is_file() and len(calls(store)) == 2)
    begun = calls(store)
    psutil.Process(store.status(job).pid).kill()
    until(lambda: {store.status(job).state, *(run.status("0").state for run in runs)} == {INTERRUPTED})
    (store.home / "hold").unlink()
    process.resume(store, job, KINDS)
    assert process.wait(store, job).status.state == FINISHED
    begun, again = ([line.rsplit(" ", 1)[0] for line in lines] for lines in (begun, calls(store)))
    assert sorted(again) == sorted(begun * 2)
    assert results(store, job)["runs.csv"].decode().count("finished") == 2
