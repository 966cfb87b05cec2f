"""The runs of a comparison as jobs: what stops the others, what an earlier MedSSL left, what a kill leaves."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from fakes import FakeRun
from refusals import refused
from study_fakes import FAKE, study_spec, write_catalog

from medssl.core.errors import CancelledError, ResourceError, translate
from medssl.core.files import read_json, write_json
from medssl.core.protocol import FAILED, FINISHED
from medssl.jobs.record import StatusFile, end_for
from medssl.jobs.store import JobStore
from medssl.studies.comparison.old_layout import LAYOUT, upgrade_runs
from medssl.studies.comparison.run import compare, report
from medssl.studies.comparison.run_folder import RunFolder


@pytest.fixture
def data(tmp_path) -> Path:
    return write_catalog(tmp_path / "data")


def make_run(tmp_path: Path, name: str = "job", **options) -> FakeRun:
    return FakeRun(tmp_path / "home" / "jobs" / name, tmp_path / "home", **options)


def tables(run: FakeRun) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run.folder / "results").iterdir() if path.name != "timing.csv"}


def calls(run: FakeRun) -> list[str]:
    return (run.home / "calls.txt").read_text().splitlines()


def make_old(comparison: Path) -> None:
    """Turn a comparison's runs into what MedSSL left before they were jobs."""
    for folder in [file.parent for file in comparison.glob("runs/*/*/*/run.json")]:
        status, spec = read_json(folder / "status.json"), read_json(folder / "spec.json")
        digest = read_json(folder / "run.json")["digest"]
        write_json(folder / "run.json", {"digest": digest, "spec": spec})
        if status["state"] == FAILED:
            error = status["error"]
            write_json(folder / "failed.json", {"digest": digest, "error": error["message"], "type": error["type"]})
        for name in ("spec.json", "status.json", "alive.lock"):
            (folder / name).unlink()
        (folder / "run.lock").touch()


def test_an_unfinished_comparison_of_an_earlier_medssl_goes_on_and_ends_with_the_same_tables(data, tmp_path):
    (tmp_path / "unlucky.safetensors").write_bytes(b"x")
    arms = [{"name": "scratch"}, {"name": "un lucky", "weights": str(tmp_path / "unlucky.safetensors")}]
    spec = study_spec(data, arms=arms)
    whole = make_run(tmp_path, "whole")
    compare(spec, whole, FAKE)
    with pytest.raises(CancelledError):  # in the middle of a run of the last seed
        compare(spec, make_run(tmp_path, "parts", cancel_at=33), FAKE)
    make_old(whole.folder)
    make_old(tmp_path / "home" / "jobs" / "parts")
    before = len(calls(whole))
    parts = make_run(tmp_path, "parts")
    compare(spec, parts, FAKE)
    assert parts.of("resumed")[0]["step"] == 7 and tables(parts) == tables(whole)
    begun = [line.split(" ")[-2] for line in calls(parts)[before:]]
    assert begun == ["1", "0", "0"], begun  # the one at work went on from its checkpoint
    again = tables(whole)
    report(whole.folder)  # of one that had ended
    assert tables(whole) == again and not list(whole.folder.rglob("failed.json"))
    jobs = [JobStore(whole.home, jobs=folder) for folder in whole.folder.glob("runs/*/*")]
    states = [store.status(job.id).state for store in jobs for job in store.list()]
    assert sorted(states) == [FAILED] * 2 + [FINISHED] * 10


def test_runs_are_upgraded_once(data, tmp_path):
    run = make_run(tmp_path)
    compare(study_spec(data, patients=[5], seeds=1), run, FAKE)
    make_old(run.folder)
    upgrade_runs(run.folder)
    file = run.folder / "runs" / "scratch" / "5" / "0" / "run.json"
    assert read_json(file)["layout"] == LAYOUT
    status = file.with_name("status.json").stat().st_mtime_ns
    upgrade_runs(run.folder)
    assert file.with_name("status.json").stat().st_mtime_ns == status


def test_a_run_that_finished_unnoticed_is_not_done_again(data, tmp_path):
    spec = study_spec(data, patients=[5], seeds=1)
    run = make_run(tmp_path)
    compare(spec, run, FAKE)
    done = run.folder / "runs" / "genesis" / "5" / "0" / "done.json"
    noted = done.read_bytes()
    done.unlink()  # as if the comparison had been killed before it wrote this
    again = make_run(tmp_path)
    compare(spec, again, FAKE)
    assert [event["arm"] for event in again.of("run")] == ["genesis"] and len(calls(run)) == 2
    assert done.read_bytes() == noted


@pytest.fixture
def place(data, tmp_path) -> RunFolder:
    """A run that has begun."""
    run = make_run(tmp_path)
    compare(study_spec(data, patients=[5], seeds=1), run, FAKE)
    folder = run.folder / "runs" / "scratch" / "5" / "0"
    (folder / "done.json").unlink()
    StatusFile(folder).change(state="running", pid=os.getpid())
    return RunFolder(folder, run.home)


def never() -> bool:
    return False


def test_a_full_disk_stops_every_run_and_used_up_memory_only_its_own(place):
    disk = ResourceError("results.csv", "cannot be written because the disk is full", "Free some space")
    memory = translate(MemoryError(), "the run").as_dict()
    end_for(place.folder, FAILED, memory)
    assert place.settle(False, never) == memory
    StatusFile(place.folder).change(error=disk.as_dict())
    with refused("resource", names="results.csv"):
        place.settle(False, never)


def test_a_run_whose_process_was_killed_has_failed_unless_all_are_to_stop(place):
    with pytest.raises(CancelledError):  # the system ends all processes of a batch job alike
        place.settle(False, lambda: True)
    error = place.settle(False, never)
    assert error and "was ended from outside" in error["message"]
    assert json.loads((place.folder / "status.json").read_text())["state"] == FAILED
