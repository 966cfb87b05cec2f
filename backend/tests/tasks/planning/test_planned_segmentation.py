"""A segmentation whose settings leave everything open: planned once, recorded, and kept through a stop."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from fakes import FakeRun
from refusals import refused
from task_sets import LOOP, run, task_spec, write_pictures, write_volumes
from torch import nn
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.core.errors import CancelledError
from medssl.core.plan import Plan, read_plan
from medssl.images.formats.reading import read_volume
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.segment_classes import read_classes
from medssl.inference.volumes.segmenter import segment_image
from medssl.networks.libraries.nnunet_segmenter import NnunetSegmenter
from medssl.networks.reestimation import reestimate
from medssl.networks.unet3d import UNet3D
from medssl.networks.weights.weight_files import load_weights, save_weights
from medssl.tasks.planning.budget import Budget
from medssl.tasks.planning.fingerprint import Fingerprint
from medssl.tasks.planning.plan import Planned
from medssl.tasks.planning.plan_text import plan_text
from medssl.tasks.planning.pooling import Pooling
from medssl.tasks.run import run_task
from medssl.tasks.segmentation import planning
from medssl.tasks.segmentation.config import SegmentationConfig
from medssl.tasks.segmentation.loss import loss_of, make_loss

OPEN = {"base_width": 0, "crop": [0, 0, 0], "training": {**LOOP, "batch_size": 0}}


PLANNED = Planned((64, 64, 64), 2, 8, Pooling(((1, 1, 1), (2, 2, 2)), ((3, 3, 3),) * 2), 0, 0.0, "")


@pytest.fixture(autouse=True)
def little(monkeypatch):
    """A device that can do little."""
    monkeypatch.setattr(planning, "budget_of", lambda device, memory: Budget(10**9, 2e9, "a small device"))


def test_what_is_left_open_is_planned_and_recorded(tmp_path: Path):
    headline, job = run(task_spec("segmentation", write_volumes(tmp_path / "data"), **OPEN), tmp_path)
    plan = read_plan(job.folder / "results" / "model.safetensors")
    made = json.loads((job.folder / "plan.json").read_text())["plan"]
    assert plan.network["name"] == "resenc" and list(plan.input_size) == made["crop"] == [24, 24, 16]
    assert plan.network["arguments"]["strides"] == made["pooling"]["strides"]
    assert plan.task["plan"]["batch"] == made["batch"] >= 2 and "a small device" in made["budget"]
    assert "Crops of 24 × 24 × 16" in job.of("plan")[0]["text"]
    assert headline["test"]["dice"] is not None
    volume = read_volume(tmp_path / "data" / "image6.nrrd", "MR")
    assert (
        segment_image(volume, load_weights(job.folder / "results" / "model.safetensors")).labels.shape == volume.shape
    )


def test_a_resumed_training_keeps_its_plan_on_another_device(tmp_path: Path, monkeypatch):
    spec = task_spec("segmentation", write_volumes(tmp_path / "data"), **OPEN)
    whole, _ = run(spec, tmp_path / "whole")
    with pytest.raises(CancelledError):
        run(spec, tmp_path / "cut", cancel_at=3)
    monkeypatch.setattr(planning, "budget_of", lambda device, memory: Budget(10**12, None, "a large device"))
    assert run_task(spec, FakeRun(tmp_path / "cut" / "job", tmp_path / "cut" / "home", resume=True)) == whole


def test_jobs_of_earlier_versions_are_not_planned(tmp_path: Path):
    spec = dataclasses.replace(task_spec("segmentation", write_volumes(tmp_path / "data")), version=2)
    _, job = run(spec, tmp_path)
    plan = read_plan(job.folder / "results" / "model.safetensors")
    assert plan.method == "unet-segmenter" and "plan" not in plan.task and not (job.folder / "plan.json").exists()


def test_pretrained_weights_keep_their_network_and_its_halving(tmp_path: Path):
    network = UNet3D(base_width=4)
    save_weights(
        tmp_path / "start.safetensors", network.state_dict(), Plan("genesis", {"base_width": 4}, modality="MR")
    )
    over = {**OPEN, "training": {**OPEN["training"], "steps": 2}}
    spec = task_spec("segmentation", write_volumes(tmp_path / "data"), str(tmp_path / "start.safetensors"), **over)
    _, job = run(spec, tmp_path)
    plan = read_plan(job.folder / "results" / "model.safetensors")
    assert plan.method == "unet-segmenter" and plan.network["base_width"] == 4
    assert all(side % 8 == 0 for side in plan.input_size) and plan.task["plan"]["pooling"]["strides"][-1] == [2, 2, 2]


def test_radiographs_are_seen_as_squares(tmp_path: Path):
    over = {**OPEN, "classes": "255=Disc", "training": {**OPEN["training"], "steps": 2}}
    _, job = run(task_spec("segmentation", write_pictures(tmp_path / "data"), **over), tmp_path)
    plan = read_plan(job.folder / "results" / "model.safetensors")
    assert plan.network["name"] == "resenc" and plan.network["axes"] == 2
    assert len(plan.input_size) == 2 and plan.input_size[0] == plan.input_size[1] >= 32


def test_ct_from_scratch_is_windowed_to_what_is_inside_the_labels():
    def window(fresh: bool = True, modality: str = "CT", config=SegmentationConfig()) -> tuple[str, float, float]:
        known = Fingerprint(4, (64, 64, 64), 10**6, (1, 1, 1), modality, (-60.0, 40.0, 180.0), {}, {})
        found = planning.settled(config, PLANNED, known, fresh).normalisation
        return found.kind, found.low, found.high

    assert window() == ("ct", -60.0, 180.0)
    assert window(fresh=False) == window(modality="MR") == ("auto", -1000.0, 1000.0)
    assert window(config=dataclasses.replace(SegmentationConfig(), window_from_labels=False))[0] == "auto"
    stated = dataclasses.replace(SegmentationConfig(), normalisation=NormalisationConfig("ct", -100, 300))
    assert window(config=stated) == ("ct", -100, 300)


@pytest.mark.parametrize("wrong", [{"crop": (8, 16, 16)}, {"crop": (64, 0, 32)}, {"base_width": 3}])
def test_what_is_stated_in_part_or_too_small_is_refused(wrong):
    with refused("setting-out-of-range", str(next(iter(wrong)))):
        SegmentationConfig(**wrong)


@pytest.mark.parametrize(
    ("network", "stated", "names"),
    [
        ("dynunet", {"crop": [24, 32, 16]}, ["crop = [24, 32, 16]", "dynunet", "16, 16, 16", "16, 32, 16 or 32, 32, 16"]),
        ("dynunet", {"crop": [24, 32, 16], "form": "2d"}, ["crop = [24, 32, 16]", "16, 32, 16 or 32, 32, 16"]),
        ("resenc", {"crop": [64, 64, 64], "window": [72, 64, 64]}, ["window = [72, 64, 64]", "64, 64, 64 or 80, 64, 64"]),
    ],
)  # fmt: skip
def test_sides_that_the_network_cannot_halve_are_refused_before_the_training(tmp_path: Path, network, stated, names):
    job = FakeRun(tmp_path / "job", tmp_path / "home")
    with refused("size-not-divisible", names):
        run_task(task_spec("segmentation", write_volumes(tmp_path / "data"), network=network, **stated), job)
    assert not job.of("started")


def test_radiographs_are_refused_by_the_side_of_their_squares(tmp_path: Path):
    """The second side, which they do not show, is halved more often than the first can be."""
    over = {**OPEN, "classes": "255=Disc", "network": "resenc", "crop": [24, 64, 16]}
    with refused("size-not-divisible", ["crop = [24, 64, 16]", "resenc", "16, 16, 16 or 32, 32, 16"]):
        run(task_spec("segmentation", write_pictures(tmp_path / "data"), **over), tmp_path)


@pytest.mark.parametrize(("network", "form"), [("segresnet", "3d"), ("basic_unet", "3d"), ("segresnet", "2d")])
def test_the_plan_is_of_the_crop_that_was_stated(network, form):
    """Of networks of MONAI it was that of the next multiple of 32, which nobody trained with."""
    training = dataclasses.replace(SegmentationConfig().training, batch_size=0)
    config = SegmentationConfig(network=network, form=form, crop=(48, 40, 16), training=training)
    known = Fingerprint(4, (64, 64, 64), 10**6, (1.0, 1.0, 1.0), "MR", (), {}, {})
    made = planning.make_plan(planning.Setup(config, form, read_classes("1=Left"), 1, None, "cpu"), known)
    assert made.crop == (48, 40, 16) and made.memory > 0
    assert "48 × 40" in plan_text(made, known)


def test_a_network_that_starts_with_its_own_stages_keeps_them(tmp_path: Path):
    stated = {**OPEN, "network": "resenc", "training": {**OPEN["training"], "steps": 2}}
    data = write_volumes(tmp_path / "data")
    _, first = run(task_spec("segmentation", data, **stated), tmp_path / "first")
    start = first.folder / "results" / "model.safetensors"
    _, job = run(task_spec("segmentation", data, str(start), **stated), tmp_path / "second")
    before, after = (read_plan(one.folder / "results" / "model.safetensors") for one in (first, job))
    assert after.network["arguments"]["strides"] == before.network["arguments"]["strides"]
    assert "from 1 channels" not in job.of("plan")[0]["text"]
    assert job.of("transfer")[0]["new"] == 0  # the heads of deep supervision come along


def test_deep_supervision_halves_the_weight_with_the_resolution():
    arguments = {"n_stages": 4, "features_per_stage": [4, 8, 8, 8], "n_blocks_per_stage": [1] * 4,
                 "n_conv_per_stage_decoder": [1] * 3, "deep_supervision": True}  # fmt: skip
    network = NnunetSegmenter("resenc", 3, 1, 3, arguments).train()
    images = torch.randn(2, 1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    masks = torch.randint(0, 3, (2, 1, 16, 16, 16), generator=torch.Generator().manual_seed(1))
    answers = network(images)
    assert [tuple(logits.shape[2:]) for logits in answers] == [(16,) * 3, (8,) * 3]  # not the lowest
    loss = make_loss("dice-ce")
    half = masks[:, :, 1::2, 1::2, 1::2]  # the nearest voxel of each coarse one
    by_hand = (loss(answers[0], masks) + 0.5 * loss(answers[1], half)) / 1.5
    assert torch.allclose(loss_of(loss, answers, masks), by_hand)
    assert torch.is_tensor(network.eval()(images)) and network(images).shape[1:] == (3, 16, 16, 16)
    loss_of(loss, network.train()(images), masks).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_norms_are_estimated_over_all_batches_alike():
    network = nn.Sequential(nn.BatchNorm3d(1)).eval()
    batches = [torch.full((2, 1, 4, 4, 4), value) + torch.randn(2, 1, 4, 4, 4) for value in (0.0, 10.0, 20.0)]
    reestimate(network, batches)
    assert float(network[0].running_mean) == pytest.approx(float(torch.cat(batches).mean()), abs=1e-3)
    assert not network.training and not network[0].training


@pytest.mark.parametrize("wanted, estimated", [({}, True), ({"reestimate_norms": False}, False)])
def test_small_batches_are_measured_with_norms_estimated_anew(tmp_path: Path, monkeypatch, wanted, estimated):
    seen = []
    monkeypatch.setattr(
        "medssl.tasks.segmentation.task.reestimate", lambda network, crops: seen.append(len(list(crops)))
    )
    over = {"network": "unet3d", "training": {**LOOP, "steps": 2}, **wanted}
    run(task_spec("segmentation", write_volumes(tmp_path / "data"), **over), tmp_path)
    assert bool(seen) == estimated and all(count == 16 for count in seen)


def test_plan_only_says_how_and_trains_nothing(tmp_path: Path):
    data, home = write_volumes(tmp_path / "data"), tmp_path / "home"
    said = CliRunner().invoke(app, ["finetune", str(data), "--plan-only", "--home", str(home), "--device", "cpu"])
    assert said.exit_code == 0, said.output
    for word in ("resenc", "24 × 24 × 16", "class Segment_1", "a small device", "1 x 1.5 x 2"):
        assert word in said.output, said.output
    assert not list((home / "jobs").glob("2*"))


def test_a_task_that_is_not_planned_says_so(tmp_path: Path):
    data, home = write_pictures(tmp_path / "data"), tmp_path / "home"
    call = ["finetune", str(data), "--task", "classification", "--labels", "Bright", "--plan-only", "--home", str(home)]
    said = CliRunner().invoke(app, call)
    assert said.exit_code != 0 and getattr(said.exception, "code", "") == "task-not-planned"
