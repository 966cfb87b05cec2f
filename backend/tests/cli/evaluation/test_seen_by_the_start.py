"""Fine-tuning and probing say how many of their test images the weights learnt with labels, before and in the report."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from fakes import FakeRun
from task_sets import task_spec, write_table
from test_evaluate_seen import declare, trained

from medssl.core.protocol import DataSpec
from medssl.pretraining.seen import NO_TEST, notes_on_start
from medssl.tasks.run import run_task

TINY = {
    "steps": 2, "batch_size": 2, "validate_every": 2, "checkpoint_every": 2, "warmup_steps": 1, "precision": "fp32",
    "learning_rate": 0.01,
}  # fmt: skip


@pytest.fixture
def start(tmp_path) -> str:
    """Weights of an Ark that trained on all ten images of a folder."""
    job = trained(tmp_path / "home", declare(tmp_path / "toy"))
    return str(tmp_path / "home" / "jobs" / job / "results" / "model.safetensors")


@pytest.fixture
def images(tmp_path, start) -> DataSpec:
    """Those images, as a labelled set that draws a test part of its own."""
    with (tmp_path / "toy" / "table.csv").open() as file:
        rows = [{"image": row["image"], "patient": row["patient"], "Even": row["Even"]} for row in csv.DictReader(file)]
    return DataSpec(path=str(write_table(tmp_path / "toy" / "own.csv", rows)), test_fraction=0.4, modality="CXR")


def ran(task: str, data: DataSpec, start: str, tmp_path: Path) -> FakeRun:
    job = FakeRun(tmp_path / "job", tmp_path / "home")
    more = {} if task == "probing" else {"training": TINY}
    run_task(task_spec(task, data, start, labels="Even", **more), job)
    return job


@pytest.mark.parametrize("task", ["probing", "classification"])
def test_a_test_on_known_images_is_called_none(task, images, start, tmp_path):
    job = ran(task, images, start, tmp_path)
    warned = [one["message"] for one in job.of("warning") if one["message"].startswith(NO_TEST)]
    assert len(warned) == 1 and "4 of 4 test images were trained on" in warned[0] and "set toy: 4" in warned[0]
    assert NO_TEST in (job.folder / "results" / "report.html").read_text()


def test_others_are_none_of_its(tmp_path, start):
    assert notes_on_start(tmp_path / "home", start, [tmp_path / "toy" / "other.png"]) == ()
    assert notes_on_start(tmp_path / "elsewhere", start, [tmp_path / "toy" / "patient0.png"]) == ()
    assert notes_on_start(tmp_path / "home", "", [tmp_path / "toy" / "patient0.png"]) == ()
