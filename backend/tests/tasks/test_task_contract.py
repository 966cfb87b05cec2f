"""What holds for every registered task."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeRun
from refusals import refused
from task_sets import SMALL, run, task_spec, write_pictures, write_volumes
from test_classification_task import peac_file

from medssl.core.plan import read_plan
from medssl.core.protocol import DataSpec, JobSpec
from medssl.core.registry import config_class
from medssl.core.schema import as_dict, build, describe, presets
from medssl.jobs.check import checked
from medssl.tasks import TASKS
from medssl.tasks.labelled_data import read_parts
from medssl.tasks.transfer_config import SelectionConfig


@pytest.fixture(scope="module", params=list(TASKS))
def task(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def made(task: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Training data of the task, and the model it starts from."""
    folder = tmp_path_factory.mktemp(task)
    data = write_volumes(folder / "data") if task == "segmentation" else write_pictures(folder / "data")
    return data, peac_file(folder) if task == "probing" else ""


@pytest.fixture(scope="module")
def trained(
    task: str, made: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[dict[str, Any], FakeRun]]:
    """Two runs of the same job, with groups in the report."""
    return [run(task_spec(task, *made, groups="sex"), tmp_path_factory.mktemp(f"{task}-{name}")) for name in "ab"]


def test_settings_are_plain_json_described_and_every_preset_builds(task: str):
    kind = config_class(TASKS, task)
    assert {"default", "laptop"} <= set(kind.PRESETS) and json.loads(json.dumps(describe(kind)))
    assert all(field["description"] for field in describe(kind))
    for preset, tree in presets(kind).items():
        assert as_dict(build(kind, json.loads(json.dumps(tree)))) == tree, preset


def test_listing_tasks_imports_no_torch():
    code = (
        "import sys; from medssl.tasks import TASKS; from medssl.core.registry import config_class\n"
        "[config_class(TASKS, t) for t in TASKS]; assert 'torch' not in sys.modules and 'monai' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_task_leaves_a_model_that_says_what_it_is_for_and_the_same_results_for_the_same_seed(
    task: str, trained: list[tuple[dict[str, Any], FakeRun]]
):
    (first, job), (second, _) = trained
    assert first == second and first["test"]
    plan = read_plan(job.folder / "results" / "model.safetensors")
    assert plan.task["name"] == task and json.loads(json.dumps(plan.task)) == plan.task
    kinds = [event["type"] for event in job.events]
    assert {"started", "metric", "evaluation", "finished"} <= set(kinds)


def test_specifications_are_checked_before_a_job_exists(tmp_path: Path):
    data = DataSpec(path=str(tmp_path))
    spec = checked(JobSpec("finetune", "segmentation", SMALL["segmentation"], data))
    assert spec.config["training"]["steps"] == 4 and spec.config["loss"] == "dice-ce"
    with refused("model-missing", names="start_from"):
        checked(JobSpec("probe", "probing", {"labels": "x"}, data))
    with refused("file-not-found"):
        checked(JobSpec("finetune", "segmentation", {}, data, start_from="nowhere.pt"))
    with refused("selection-ambiguous", names="select: fraction 0.5, patients 3"):
        checked(JobSpec("finetune", "segmentation", {"select": {"fraction": 0.5, "patients": 3}}, data))


def test_groups_of_the_report_are_checked_before_training(
    task: str, made: tuple[Path, str], trained: list[tuple[dict[str, Any], FakeRun]], tmp_path: Path
):
    with refused("column-missing", names="group 'weight'"):
        run(task_spec(task, *made, groups="weight"), tmp_path)
    assert (trained[0][1].folder / "results" / "groups.csv").is_file()


def test_each_patient_is_tested_in_one_fold(tmp_path: Path):
    data = write_volumes(tmp_path / "data")
    tested = []
    for fold in range(4):
        spec = task_spec("segmentation", DataSpec(path=str(data), folds=4, fold=fold))
        parts = read_parts(spec.data, FakeRun(tmp_path / "job", tmp_path / "home"), SelectionConfig(), seed=1)
        tested += [entry.patient for entry in parts.test.entries]
    assert sorted(tested) == [f"p{n}" for n in range(8)]
    with refused("too-few-patients", names=["8 patients", "9 folds"]):
        run(task_spec("segmentation", DataSpec(path=str(data), folds=9)), tmp_path)
    with refused("setting-out-of-range", names=["fold = 4", "4 folds"]):
        DataSpec(path=str(data), folds=4, fold=4)


def test_the_output_of_applying_is_where_the_asker_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    spec = JobSpec("apply", "apply", {"output": "maps"}, DataSpec(path=str(tmp_path)))
    assert checked(spec).config["output"] == str(tmp_path / "maps")
