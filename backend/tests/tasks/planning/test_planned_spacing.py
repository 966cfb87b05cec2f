"""A coarser spacing where a processor has time for small boxes only: how much coarser, said, kept by a resume and an ensemble."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeRun
from task_sets import LOOP, run, task_spec, write_volumes
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.core.errors import CancelledError
from medssl.core.plan import read_plan
from medssl.tasks.planning.budget import Budget
from medssl.tasks.run import run_task
from medssl.tasks.segmentation import planning, spacing
from medssl.tasks.segmentation.spacing import SEEN, levelled

SHAPE = (96, 80, 48)  # voxels of 1 x 1.5 x 2 mm
ASKED = {"base_width": 4, "crop": [0, 0, 0], "network": "unet3d", "geometry": {"spacing": "planned"}, "training": LOOP}


@pytest.fixture
def slow(monkeypatch):
    """`slow(flops)`: a device that has time for so many operations a step; None: for any."""

    def allow(flops: float | None) -> None:
        for module in (planning, spacing):
            monkeypatch.setattr(module, "budget_of", lambda device, memory: Budget(10**9, flops, "a small device"))

    return allow


@pytest.mark.parametrize(
    ("sides", "times", "found"),
    [
        ((1.0, 1.0, 3.0), 4.0, (2.0, 2.0, 3.0)),
        ((3.0, 1.0, 1.0), 72.0, (6.0, 6.0, 6.0)),
        ((2.0, 1.0, 4.0), 1.5, (2.0, 1.5, 4.0)),
        ((2.0, 1.0, 4.0), 0.3, (2.0, 1.0, 4.0)),
    ],
)
def test_the_finest_sides_grow_alike(sides, times, found):
    assert levelled(sides, times) == pytest.approx(found)


def test_no_side_grows_beyond_what_small_classes_allow():
    assert levelled((1.0, 1.0, 3.0), 100.0, 1.5) == (1.5, 1.5, 3.0)
    assert levelled((2.0, 2.0, 3.0), 100.0, 1.5) == (2.0, 2.0, 3.0)


def test_a_small_box_shows_a_quarter_of_a_coarser_volume_and_answers_on_the_image_s_own_voxels(tmp_path: Path, slow):
    slow(2e7)
    headline, job = run(task_spec("segmentation", write_volumes(tmp_path / "data", SHAPE), **ASKED), tmp_path)
    plan = read_plan(job.folder / "results" / "model.safetensors")
    made = json.loads((job.folder / "plan.json").read_text())
    assert min(plan.geometry.spacing) > 1.9 and plan.geometry.spacing == pytest.approx(made["fingerprint"]["spacing"])
    shown = np.minimum(1, np.array(made["plan"]["crop"]) / made["fingerprint"]["shape"]).prod()
    assert shown >= 0.9 * SEEN
    (warning,) = (one for one in job.of("warning") if one["code"] == "coarser-spacing")
    assert "1 x 1.5 x 2 mm" in warning["message"] and " 9 % of one" in warning["message"]
    assert headline["test"]["dice"] is not None


@pytest.mark.parametrize("change", [{"crop": [32, 32, 32]}, {"form": "2d", "network": "resenc"}])
def test_a_stated_crop_and_slices_leave_it_the_median(tmp_path: Path, slow, change):
    slow(2e7)
    spec = task_spec("segmentation", write_volumes(tmp_path / "data", SHAPE), **{**ASKED, **change})
    _, job = run(spec, tmp_path)
    assert read_plan(job.folder / "results" / "model.safetensors").geometry.spacing == pytest.approx((1.0, 1.5, 2.0))


def test_a_resume_keeps_it_on_a_faster_machine_too(tmp_path: Path, slow):
    slow(2e7)
    spec = task_spec("segmentation", write_volumes(tmp_path / "data", SHAPE), **ASKED)
    job = FakeRun(tmp_path / "job", tmp_path / "home", cancel_at=3)
    with pytest.raises(CancelledError):
        run_task(spec, job)
    slow(None)
    again = FakeRun(tmp_path / "job", tmp_path / "home", resume=True)
    run_task(spec, again)
    assert min(read_plan(job.folder / "results" / "model.safetensors").geometry.spacing) > 1.9
    assert not [one for one in again.of("warning") if one["code"] == "coarser-spacing"]


@pytest.mark.parametrize(("flops", "coarser"), [(2e7, True), (1e15, False), (None, False)])
def test_the_plan_alone_says_so(tmp_path: Path, slow, flops, coarser):
    slow(flops)
    data = write_volumes(tmp_path / "data", SHAPE)
    settings = ["--set", "geometry.spacing=planned", "--set", "network=unet3d", "--set", "base_width=4", "--plan-only"]
    shown = CliRunner().invoke(app, ["finetune", str(data), "--home", str(tmp_path / "home"), *settings])
    assert shown.exit_code == 0, shown.output
    said = " ".join(shown.output.replace("│", " ").split())
    assert ("this processor has time for boxes" in said) == coarser and ("1 x 1.5 x 2 mm" in said)
