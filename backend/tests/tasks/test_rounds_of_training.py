"""Going on from a fine-tuned model: the same validation cases, gentler settings, and what is refused."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import FakeRun
from refusals import refused
from task_sets import SMALL, run, task_spec, write_table, write_volumes

from medssl.core.protocol import DataSpec
from medssl.jobs.check import checked
from medssl.jobs.split_record import read_split
from medssl.tasks.continuation import FEWEST, MOST, continuation
from medssl.tasks.labelled_data import read_parts
from medssl.tasks.run import run_task
from medssl.tasks.transfer_config import SelectionConfig

TINY = {**SMALL["segmentation"]["training"], "steps": 2, "validate_every": 2}


def table(data: Path, name: str, patients, **fields) -> DataSpec:
    """A catalogue without splits of some of the patients."""
    with (data / "volumes.csv").open(newline="") as file:
        rows = [{**row, "split": ""} for row in csv.DictReader(file) if int(row["patient"][1:]) in patients]
    for row in rows:
        row |= fields.get(row["patient"], {})
    return DataSpec(path=str(write_table(data / name, rows)))


def held_out(folder: Path) -> dict[str, str]:
    return {row["patient"]: row["split"] for row in read_split(folder) if row["split"] != "training"}


def parts_of(first: Path, data: DataSpec, folder: Path):
    """How the images of a job would be split."""
    return read_parts(data, FakeRun(folder / "parts", first / "home"), SelectionConfig(), 0)


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Path:
    """A first round on five patients, one of whom validates; its home has it as the job "first"."""
    folder = tmp_path_factory.mktemp("rounds")
    write_volumes(folder / "data")
    _, job = run(task_spec("segmentation", table(folder / "data", "first.csv", range(5)), training=TINY), folder)
    shutil.copytree(job.folder, folder / "home" / "jobs" / "first")
    return folder


def start(first: Path, data: DataSpec):
    model = first / "home" / "jobs" / "first" / "results" / "model.safetensors"
    return task_spec("segmentation", replace(data, validation_of="first"), str(model), training=TINY)


def test_the_record_names_every_image(first):
    rows = read_split(first / "home" / "jobs" / "first")
    assert sorted(row["patient"] for row in rows) == [f"p{n}" for n in range(5)]
    assert sum(row["split"] == "validation" for row in rows) == 1
    assert all(Path(row["image"]).is_file() and Path(row["mask"]).is_file() for row in rows)
    assert all(bool(row["mask_sha256"]) == (row["split"] == "validation") for row in rows)


def test_validation_cases_stay_and_others_train(first, tmp_path):
    spec = start(first, table(first / "data", "second.csv", range(8)))
    job = FakeRun(tmp_path / "job", first / "home")
    run_task(spec, job)
    assert held_out(job.folder) == held_out(first / "home" / "jobs" / "first")
    assert job.of("started")[0]["training"] == 7 and job.of("transfer")[0]["new"] == 0
    drawn = parts_of(first, replace(spec.data, validation_of=""), tmp_path)
    assert {one.patient for one in drawn.validation.entries} != set(held_out(job.folder)), (
        "drawn anew, others would validate"
    )


def test_a_label_map_of_validation_that_was_changed_is_said(first, tmp_path):
    (who,) = held_out(first / "home" / "jobs" / "first")
    other = {who: {"mask": f"mask{(int(who[1:]) + 1) % 5}.nrrd"}}
    data = start(first, table(first / "data", "changed.csv", range(6), **other)).data
    notes = [
        note for note in parts_of(first, data, tmp_path).about if "Label maps of validation cases were changed" in note
    ]
    assert len(notes) == 1 and f"image{who[1:]}" in notes[0]


def test_a_missing_validation_case_is_refused(first, tmp_path):
    (who,) = held_out(first / "home" / "jobs" / "first")
    with refused("validation-case-missing", [who, "first"]):
        run_task(
            start(first, table(first / "data", "less.csv", set(range(8)) - {int(who[1:])})),
            FakeRun(tmp_path / "job", first / "home"),
        )


def test_a_table_that_says_otherwise_is_refused(first, tmp_path):
    (who,) = held_out(first / "home" / "jobs" / "first")
    rows = {f"p{n}": {"split": "train"} for n in range(5)}
    with refused("validation-differs", who):
        run_task(
            start(first, table(first / "data", "split.csv", range(5), **rows)),
            FakeRun(tmp_path / "job", first / "home"),
        )
    with refused("folds-and-validation-of", "5"):
        DataSpec(path="x", folds=5, validation_of="first")


def test_a_resumed_round_keeps_them_when_the_other_job_is_gone(first, tmp_path):
    spec = start(first, table(first / "data", "again.csv", range(7)))
    home = tmp_path / "home"
    shutil.copytree(first / "home" / "jobs", home / "jobs")
    spec = replace(spec, start_from=str(home / "jobs" / "first" / "results" / "model.safetensors"))
    whole = run_task(spec, FakeRun(tmp_path / "job", home))
    kept = held_out(tmp_path / "job")
    (home / "jobs" / "first" / "results" / "split.csv").unlink()
    (home / "jobs" / "first" / "results" / "validation_cases.csv").unlink()
    assert run_task(spec, FakeRun(tmp_path / "job", home, resume=True)) == whole and held_out(tmp_path / "job") == kept
    with refused("split-not-recorded"):
        run_task(spec, FakeRun(tmp_path / "fresh", home))


def test_the_check_takes_names_and_refuses_what_is_no_round(first):
    data = table(first / "data", "third.csv", range(8))
    home = first / "home"
    (home / "jobs" / "first" / "spec.json").write_text('{"name": "liver"}')
    (home / "jobs" / "first" / "status.json").write_text('{"state": "finished"}')
    spec = start(first, data)
    assert checked(replace(spec, data=replace(data, validation_of="liver")), home=home).data.validation_of == "first"
    with refused("round-not-found", "nothing"):
        checked(replace(spec, data=replace(data, validation_of="nothing")), home=home)


def test_settings_of_the_next_round():
    training = {
        "steps": 400,
        "learning_rate": 5e-4,
        "warmup_steps": 50,
        "validate_every": 100,
        "checkpoint_every": 100,
        "seed": 0,
    }
    before = {"crop": [32, 32, 32], "training": training}
    once = continuation(before, before, 2, steps_per_s=4.0, budget_s=35)
    assert once["crop"] == [32, 32, 32] and once["training"]["steps"] == 140
    assert once["training"]["learning_rate"] == pytest.approx(1.5e-4)
    twice = continuation(once, before, 3, steps_per_s=4.0, budget_s=35)
    assert twice == {**once, "training": {**once["training"], "seed": 3}}, (
        "neither length nor rate falls from round to round"
    )
    assert continuation(before, before, 2, steps_per_s=1e-6)["training"]["steps"] == FEWEST
    assert continuation(before, before, 2, steps_per_s=1e6)["training"]["steps"] == MOST
    assert continuation(before, before, 2, None)["training"]["steps"] == 40 and before["training"] is training
