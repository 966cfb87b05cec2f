"""What a home folder holds is listed by kind and deleted by kind and age; nothing that is at work is touched."""

from __future__ import annotations

import json
import os
import time

import pytest
from refusals import refused
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.cli.data.stored import KINDS
from medssl.core.protocol import DataSpec, JobSpec
from medssl.jobs.store import JobStore

OLD = time.time() - 40 * 86_400


@pytest.fixture
def full(home):
    """A home with an entry of each kind, 1000 bytes each."""
    store = JobStore(home)
    job = store.create(JobSpec("finetune", "segmentation", {}, DataSpec(path=str(home)), name="old"))
    status = json.loads((store.folder(job) / "status.json").read_text()) | {"state": "finished"}
    (store.folder(job) / "status.json").write_text(json.dumps(status))
    for name in ("volumes/a.nrrd", "volumes/b.part", "cache/k.b2nd", "results/r/image.nrrd", "indexes/i/e.npy", "samples/s/x",
                 "models/m.pt", "server.log", "patient-key", "server.json", "jobs/.removed-x/f", "mine.txt"):  # fmt: skip
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(bytes(1000))
    (home / "results" / "r" / "status.json").write_text('{"state": "finished"}')
    (home / "results" / "busy").mkdir()
    (home / "results" / "busy" / "status.json").write_text('{"state": "running"}')
    return home


def run(*arguments: str, home):
    done = CliRunner().invoke(app, ["data", *arguments, "--home", str(home)])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout


def test_usage_names_each_kind_and_what_is_nobodys(full):
    found = {row["kind"]: row for row in json.loads(run("usage", "--json", home=full))["kinds"]}
    assert set(found) == {*KINDS, "others"}
    assert {name: row["entries"] for name, row in found.items() if name != "leftovers"} == {
        "jobs": 1, "volumes": 1, "cache": 1, "results": 2, "indexes": 1, "samples": 1, "models": 1, "logs": 1, "secrets": 2,
        "locks": 0, "others": 1,
    }  # fmt: skip
    assert (
        found["volumes"]["bytes"] == 1000
        and found["leftovers"]["entries"] >= 1
        and all(row["holds"] for row in found.values())
    )
    assert "images that Slicer sent" in run("usage", home=full)


def test_nothing_is_deleted_without_yes(full):
    before = sorted(path for path in full.rglob("*") if "leftovers" not in str(path))
    shown = run("purge", "volumes", "cache", "results", home=full)
    assert "would be deleted" in shown and "a.nrrd" in shown
    assert sorted(full.rglob("*")) == before


def test_purging_by_age_leaves_what_is_newer_or_at_work(full):
    (full / "volumes" / "old.nrrd").write_bytes(bytes(10))
    for path in (full / "volumes" / "old.nrrd", full / "results" / "busy", full / "results" / "busy" / "status.json"):
        os.utime(path, (OLD, OLD))
    gone = json.loads(run("purge", "volumes", "results", "--older-than", "30", "--yes", "--json", home=full))
    assert [os.path.basename(path) for path in gone["entries"]["volumes"]] == ["old.nrrd"] and gone["entries"][
        "results"
    ] == []
    assert (full / "volumes" / "a.nrrd").exists() and (full / "results" / "busy").exists()
    gone = json.loads(run("purge", "jobs", "results", "volumes", "leftovers", "logs", "--yes", "--json", home=full))
    assert gone["deleted"] and not (full / "volumes" / "a.nrrd").exists() and not (full / "volumes" / "b.part").exists()
    assert JobStore(full).list() == [] and (full / "results" / "busy").exists() and not (full / "server.log").exists()
    assert (full / "mine.txt").exists() and (full / "patient-key").exists() and (full / "models" / "m.pt").exists()


@pytest.mark.parametrize("kind", ["secrets", "models", "locks", "everything"])
def test_secrets_and_what_was_put_there_by_hand_are_not_purged(full, kind):
    with refused("not-purgeable", names=kind):
        run("purge", kind, "--yes", home=full)


def test_nothing_that_a_running_job_may_need_is_purged(full):
    job = JobStore(full).create(
        JobSpec("finetune", "segmentation", {}, DataSpec(path=str(full)))
    )  # its process comes up
    with refused("job-active", names=job):
        run("purge", "cache", "--yes", home=full)
    assert json.loads(run("purge", "jobs", "--json", home=full))["entries"]["jobs"] == [
        str(full / "jobs" / view.id) for view in JobStore(full).list() if view.id != job
    ]
