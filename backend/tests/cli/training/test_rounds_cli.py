"""`medssl next`, `medssl jobs rounds` and `medssl continue` over the folder of a finished fine-tuning."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from refusals import refused
from task_sets import SMALL, write_table, write_volumes
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.cli.training import continuing
from medssl.core.files import write_json
from medssl.core.geometry import Geometry
from medssl.core.plan import Plan
from medssl.core.protocol import FINISHED, DataSpec, JobSpec, JobStatus, to_json
from medssl.core.schema import as_dict, build
from medssl.jobs.record import EventLog
from medssl.jobs.split_record import write_split
from medssl.jobs.store import JobStore
from medssl.networks.downstream.unet_segmenter import UNetSegmenter
from medssl.networks.weights.weight_files import save_weights
from medssl.tasks.segmentation.config import SegmentationConfig


def invoke(*arguments: str):
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight volumes in images/; the first three are labelled, one of them validates."""
    folder = tmp_path / "images"
    table = write_volumes(folder)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        row["split"], row["mask"] = "", row["mask"] if number < 3 else ""
    write_table(table, rows)
    write_table(folder / "first.csv", rows[:3])
    return folder


@pytest.fixture
def first(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The job of the first round, with an untrained model."""
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "home"))
    store = JobStore(tmp_path / "home")
    config = as_dict(build(SegmentationConfig, SMALL["segmentation"]))
    spec = JobSpec(
        "finetune", "segmentation", config, DataSpec(path=str(data / "first.csv"), modality="MR"), name="boxes"
    )
    folder = store.folder(store.create(spec, "first"))
    arguments = {"base_width": 4, "inputs": 1, "classes": 3}
    torch.manual_seed(0)
    segments = [{"value": 1, "name": "Left", "colour": "#ff0000"}, {"value": 2, "name": "Right", "colour": "#00ff00"}]
    task = {"name": "segmentation", "form": "3d", "segments": segments, "spacing": [1.0, 1.5, 2.0]}
    plan = Plan(
        "unet-segmenter",
        arguments,
        "paper",
        {"kind": "mr-percentile"},
        (16, 16, 16),
        "MR",
        task,
        geometry=Geometry("LPS"),
    )
    save_weights(folder / "results" / "model.safetensors", UNetSegmenter(**arguments).state_dict(), plan)
    write_split(folder, [{"image": str(data / f"image{n}.nrrd"), "patient": f"p{n}", "split": "validation" if n == 2 else "training"} for n in range(3)])  # fmt: skip
    clock = iter(range(100))
    log = EventLog(folder / "events.jsonl", lambda: float(next(clock)))
    log.append("started", {"training": 2})
    for step in (1, 2, 3, 4):
        log.append("loss", {"step": step, "loss": 1.0})
    log.append("evaluation", {"validation": {"dice": 0.61}, "test": {}})
    log.close()
    write_json(folder / "status.json", to_json(JobStatus(FINISHED, started=1.0, ended=61.0)))
    return "first"


def test_next_ranks_what_the_job_has_not_seen(first, data, tmp_path):
    result = invoke(
        "next", str(data / "volumes.csv"), "--model", first, "--csv", str(tmp_path / "next.csv"), "--count", "3"
    )
    assert "5 candidates, 2 labelled images, compared by prediction" in result.output
    with (tmp_path / "next.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2", "3"] and all(row["why"] for row in rows)
    assert {row["name"] for row in rows} < {f"image{n}" for n in range(3, 8)}
    for row in rows:
        assert f"{row['rank']}. {row['name']}: {row['why']}." in result.output


def test_a_folder_of_candidates_may_hold_what_was_labelled(first, data):
    plain = data.parent / "scans"
    plain.mkdir()
    for n in range(5):
        (plain / f"image{n}.nrrd").symlink_to(data / f"image{n}.nrrd")
    rows = json.loads(invoke("next", str(plain), "--model", first, "--json", "--modality", "MR").stdout)
    assert {row["name"] for row in rows} == {"image3", "image4"}, "neither what trained nor what validated"
    rows = json.loads(invoke("next", str(plain), "--labelled", str(data / "first.csv"), "--json").stdout)
    assert {row["name"] for row in rows} == {"image3", "image4"} and rows[0]["uncertainty"] is None


def test_rounds_are_shown(first):
    result = invoke("jobs", "rounds", "boxes")
    assert "dice 0.6100" in result.output and "One round has a score so far" in result.output
    (only,) = json.loads(invoke("jobs", "rounds", "first", "--json").stdout)
    assert (only["training"], only["validation"], only["minutes"], only["steps_per_s"]) == (2, ["p2"], 1.0, 1.0)


def test_continue_takes_settings_and_validation_cases_of_the_last_round(first, data, monkeypatch):
    sent: list[JobSpec] = []
    monkeypatch.setattr(continuing, "run_job", lambda store, spec, detach: (sent.append(spec), 0))
    result = invoke(
        "continue", str(data / "volumes.csv"), "--model", "boxes", "--seconds", "25", "--set", "foreground_share=0.9"
    )
    (spec,) = sent
    assert "round 2: 25 steps" in result.output
    assert (spec.start_from, spec.data.validation_of, spec.data.modality) == ("first", "first", "MR")
    assert spec.config["crop"] == [16, 16, 16] and spec.config["foreground_share"] == 0.9
    assert spec.config["training"]["learning_rate"] == pytest.approx(0.3 * 0.01)
    with refused("model-of-no-job"):
        invoke("continue", str(data / "volumes.csv"), "--model", "nothing")


def before_said(home: Path, job: str, **data) -> None:
    """As if the job had been asked with these fields of its data."""
    spec = JobStore(home).spec(job)
    write_json(home / "jobs" / job / "spec.json", to_json(replace(spec, data=replace(spec.data, **data))))


@pytest.fixture
def sent(monkeypatch) -> list[JobSpec]:
    """What was to be run."""
    specs: list[JobSpec] = []
    monkeypatch.setattr(continuing, "run_job", lambda store, spec, detach: (specs.append(spec), 0))
    return specs


SAID = {
    "patient_ids": "plain", "gaps": "resample", "unreadable_share": 0.1, "channel_names": "T1,CT", "modality": "MR,CT",
    "validation_fraction": 0.4,
}  # fmt: skip


def test_images_are_read_as_in_the_round_before(first, data, tmp_path, sent):
    held = {"test_fraction": 0.3, "folds": 4, "fold": 1}
    of_folder = {"pattern": "*/mr.nrrd", "channels": ("*/ct.nrrd",), "masks": "{folder}/label.nrrd"}
    before_said(tmp_path / "home", first, path=str(data), **SAID, **held, **of_folder)
    invoke("continue", str(data), "--model", "boxes")
    asked = DataSpec(path=str(data), validation_of="first", **SAID, **of_folder)
    assert sent[0].data == asked, "but for shares of patients, who stay those of the job"
    given = ("--pattern", "*/t1.nrrd", "--channel", "*/t2.nrrd", "--masks", "{folder}/m.nrrd", "--modality", "MR")
    invoke("continue", str(data), "--model", "boxes", *given)
    other = {"pattern": "*/t1.nrrd", "channels": ("*/t2.nrrd",), "masks": "{folder}/m.nrrd", "modality": "MR"}
    assert sent[1].data == replace(asked, **other)


def test_what_a_table_says_itself_is_not_taken_over(first, data, tmp_path, sent):
    before_said(tmp_path / "home", first, path=str(data), pattern="*/mr.nrrd", channels=("*/ct.nrrd",), **SAID)
    table = str(data / "volumes.csv")
    invoke("continue", table, "--model", "boxes", "--exclude", "sex=M")
    assert sent[0].data == DataSpec(path=table, exclude=("sex=M",), validation_of="first", **SAID)


def test_columns_to_exclude_by_are_taken_over_to_tables_alone(first, data, tmp_path, sent):
    before_said(tmp_path / "home", first, exclude=("sex=F",))
    for path, kept in ((str(data / "volumes.csv"), ("sex=F",)), (str(data), ())):
        invoke("continue", path, "--model", "boxes")
        assert sent[-1].data.exclude == kept
    image = str(data / "image0.nrrd")
    invoke("continue", image, str(data / "image1.nrrd"), "--model", "boxes")
    assert sent[-1].data.volumes[0].path == image and sent[-1].data.exclude == ()
