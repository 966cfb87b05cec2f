"""Segmentation from labels to a measured model."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import FakeRun
from refusals import refused
from task_sets import SMALL, run, task_spec, write_pictures, write_table, write_volumes
from timm.models.swin_transformer import SwinTransformer

from medssl.core.errors import CancelledError
from medssl.core.files import read_json, write_json
from medssl.core.plan import Plan, read_plan
from medssl.core.schema import build_asked
from medssl.images.formats.reading import read_volume, write_volume
from medssl.inference.volumes.segmenter import segment_image
from medssl.networks.unet3d import UNet3D
from medssl.networks.weights.weight_files import load_weights, save_weights
from medssl.tasks.run import run_task
from medssl.tasks.segmentation.config import SegmentationConfig
from medssl.tasks.segmentation.loss import make_loss
from medssl.tasks.segmentation.results import WorstCases


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def changed(catalogue: Path, line: int, **fields: str) -> Path:
    rows = rows_of(catalogue)
    rows[line].update(fields)
    return write_table(catalogue.with_name("changed.csv"), rows)


def test_it_learns_and_leaves_model_tables_and_report(tmp_path: Path):
    training = {**SMALL["segmentation"]["training"], "steps": 40, "validate_every": 20}
    spec = task_spec("segmentation", write_volumes(tmp_path / "data"), training=training, base_width=8)
    headline, job = run(spec, tmp_path)
    assert headline["test"]["dice"] > 0.7 and headline["validation"]["dice"] > 0.7  # two boxes brighter than all else
    results = job.folder / "results"
    cases = rows_of(results / "cases.csv")
    assert len(cases) == 2 * 3 and {row["class"] for row in cases} == {"Left", "Right", "mean"}
    assert {row["patient"] for row in cases} == {"p6", "p7"} and cases[0]["attribute_sex"] == "F"
    assert (results / "report.html").is_file() and (results / "validation_cases.csv").is_file()
    plan = read_plan(results / "model.safetensors")
    assert [one["name"] for one in plan.task["segments"]] == ["Left", "Right"] and plan.task["spacing"] == [
        1.0,
        1.5,
        2.0,
    ]
    assert job.of("transfer")[0]["matched"] == 0 and job.of("finished")
    assert "channels" not in plan.task and [one.name for one in plan.channels] == ["MR"], "a header as it always was"


@pytest.mark.parametrize(
    ("kind", "level", "mirrored"),
    [("volumes", "light", False), ("volumes", "moderate", False), ("volumes", "strong", True), ("pictures", "strong", False)],
)  # fmt: skip
def test_the_file_says_whether_training_images_were_mirrored(kind, level, mirrored, tmp_path: Path):
    """Whole images are segmented by mirrored copies where the network knows such, whatever an old form still asks for."""
    training = {**SMALL["segmentation"]["training"], "steps": 1, "validate_every": 1}
    over = {"backbone": "swin_micro", "classes": ""} if kind == "pictures" else {}
    data = (write_pictures if kind == "pictures" else write_volumes)(tmp_path / "data")
    run(task_spec("segmentation", data, training=training, augmentation=level, mirror=True, **over), tmp_path)
    task = read_plan(tmp_path / "job" / "results" / "model.safetensors").task
    assert task["mirrored"] is mirrored and task["mirror"] is mirrored


def test_mirrored_copies_are_refused_where_training_shows_none():
    with refused("setting-overridden", ["mirror = True", "augmentation = 'light'", "augmentation=strong"]):
        build_asked(SegmentationConfig, {"mirror": True})
    assert build_asked(SegmentationConfig, {"mirror": True, "augmentation": "strong"}).mirror


@pytest.mark.parametrize("name", ["dice", "dice-ce"])
def test_the_loss_is_the_dice_of_the_classes_over_the_batch(name: str):
    """Neither the background nor the mean over samples of their own Dice: a sample without a class would count as a failure."""
    logits = 3 * torch.randn(3, 3, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    masks = torch.randint(0, 3, (3, 1, 8, 8, 8), generator=torch.Generator().manual_seed(1))
    masks[2] = 0  # a crop of background
    found, dice = logits.softmax(1), []
    for number in (1, 2):
        truth, answer = (masks[:, 0] == number).float(), found[:, number]
        dice.append(float(2 * (truth * answer).sum() / (truth.sum() + answer.sum())))
    entropy = float(torch.nn.functional.cross_entropy(logits, masks[:, 0])) if name == "dice-ce" else 0.0
    assert float(make_loss(name)(logits, masks)) == pytest.approx(1 - np.mean(dice) + entropy, abs=1e-4)


def test_the_average_of_the_weights_is_what_is_kept_and_survives_a_stop(tmp_path: Path):
    training = {**SMALL["segmentation"]["training"], "steps": 8, "validate_every": 8, "checkpoint_every": 1}
    data = write_volumes(tmp_path / "data")
    run(task_spec("segmentation", data, training=training), tmp_path / "plain")
    spec = task_spec("segmentation", data, training={**training, "ema": 0.9})
    whole, _ = run(spec, tmp_path / "whole")
    with pytest.raises(CancelledError):
        run(spec, tmp_path / "cut", cancel_at=5)
    assert run_task(spec, FakeRun(tmp_path / "cut" / "job", tmp_path / "cut" / "home", resume=True)) == whole
    plain, averaged, resumed = (
        load_weights(tmp_path / name / "job" / "results" / "model.safetensors").state_dict() for name in ("plain", "whole", "cut")
    )  # fmt: skip
    assert all(torch.equal(averaged[name], resumed[name]) for name in averaged)
    assert any(not torch.equal(averaged[name], plain[name]) for name in averaged)


def test_the_tables_say_what_the_saved_model_does(tmp_path: Path):
    _, job = run(task_spec("segmentation", write_volumes(tmp_path / "data")), tmp_path)
    net = load_weights(job.folder / "results" / "model.safetensors")
    labels = segment_image(read_volume(tmp_path / "data" / "image6.nrrd", "MR"), net).labels
    truth = read_volume(tmp_path / "data" / "mask6.nrrd")
    overlap = (
        2 * ((labels.array == 1) & (truth.array == 1)).sum() / ((labels.array == 1).sum() + (truth.array == 1).sum())
    )
    told = next(row for row in rows_of(job.folder / "results" / "cases.csv") if row["class"] == "Left")
    assert float(told["dice"]) == pytest.approx(overlap, abs=0.02)


def test_a_genesis_file_gives_all_but_the_last_layer_and_it_is_said(tmp_path: Path):
    torch.manual_seed(1)
    source = UNet3D(4)
    plan = Plan("genesis", {"base_width": 4, "inputs": 1, "outputs": 1}, modality="MR",
                normalisation={"kind": "mr-fixed", "fixed_low": 0.0, "fixed_high": 500.0})  # fmt: skip
    save_weights(tmp_path / "genesis.safetensors", source.state_dict(), plan)
    training = {**SMALL["segmentation"]["training"], "learning_rate": 1e-9}
    spec = task_spec("segmentation", write_volumes(tmp_path / "data"), str(tmp_path / "genesis.safetensors"),
                     base_width=8, training=training, transfer={"rescale": False})  # fmt: skip
    _, job = run(spec, tmp_path)
    told = job.of("transfer")[0]
    assert "out_tr.final_conv" in told["text"] and told["new"] == 2
    found = load_weights(job.folder / "results" / "model.safetensors")
    assert torch.allclose(found.up_tr64.ops[1].conv1.weight, source.up_tr64.ops[1].conv1.weight, atol=1e-5)
    assert found.plan.normalisation["kind"] == "mr-fixed"  # that of the weights goes on


def test_an_official_file_starts_a_segmentation_whole(tmp_path: Path):
    torch.manual_seed(3)
    state = {f"module.{name}": tensor for name, tensor in UNet3D(4).state_dict().items()}
    torch.save({"epoch": 1, "state_dict": state, "optimizer_state_dict": {}}, tmp_path / "Genesis_Chest_CT.pt")
    spec = task_spec("segmentation", write_volumes(tmp_path / "data"), str(tmp_path / "Genesis_Chest_CT.pt"))
    _, job = run(spec, tmp_path)
    told = job.of("transfer")[0]
    assert told["matched"] == len(state) - 2 and told["new"] == 2  # BatchNorm's counters are among them
    assert told["text"].startswith(f"All {len(state) - 2} tensors of the backbone come from Genesis_Chest_CT.pt")
    plan = read_plan(job.folder / "results" / "model.safetensors")
    assert plan.fidelity == "paper", "a window by itself has other statistics than the batches of training"
    assert "non-commercial" in plan.licence


def test_weights_of_another_kind_are_refused(tmp_path: Path):
    plan = Plan("peac", {}, modality="CXR", normalisation={"kind": "cxr"})
    save_weights(tmp_path / "peac.safetensors", {"swin_model.patch_embed.proj.weight": torch.zeros(8, 3, 4, 4)}, plan)
    spec = task_spec("segmentation", write_volumes(tmp_path / "data"), str(tmp_path / "peac.safetensors"))
    with refused("weights-of-another-network", names=["'3d'", "'peac'"]):
        run(spec, tmp_path)


def test_it_goes_on_from_its_own_model_and_from_its_checkpoint(tmp_path: Path):
    data = write_volumes(tmp_path / "data")
    whole, job = run(task_spec("segmentation", data), tmp_path / "whole")
    spec = task_spec("segmentation", data)
    with pytest.raises(CancelledError):
        run(spec, tmp_path / "cut", cancel_at=3)
    again = FakeRun(tmp_path / "cut" / "job", tmp_path / "cut" / "home", resume=True)
    assert run_task(spec, again) == whole  # killed and resumed, to the last digit
    model = str(job.folder / "results" / "model.safetensors")
    _, more = run(task_spec("segmentation", data, model, classes=""), tmp_path / "more")
    assert "head too" in more.of("transfer")[0]["text"]


@pytest.mark.parametrize("form", ["3d", "2d"])
def test_a_job_begun_before_small_volumes_lay_in_the_middle_goes_on_as_it_was(tmp_path: Path, form: str):
    data, weights = write_volumes(tmp_path / "data"), {}
    spec = task_spec("segmentation", data, form=form, crop=[32, 32, 32], network="basic_unet")
    plan = None
    for name in ("new", "same", "earlier"):
        job = FakeRun(tmp_path / name / "job", tmp_path / "home", resume=plan is not None)
        if plan is not None:
            write_json(job.folder / "plan.json", plan)
        run_task(spec, job)
        weights[name] = load_weights(job.folder / "results" / "model.safetensors").state_dict()
        plan = read_json(job.folder / "plan.json")
        if name == "same":
            del plan["plan"]["centred"]
    alike = {
        name: all(torch.equal(weights["new"][key], weights[name][key]) for key in weights["new"]) for name in weights
    }
    assert alike == {"new": True, "same": True, "earlier": False}


def test_test_images_change_nothing_but_the_test(tmp_path: Path):
    data = write_volumes(tmp_path / "data")
    run(task_spec("segmentation", data), tmp_path / "a")
    shutil.copy(
        tmp_path / "data" / "mask0.nrrd", tmp_path / "data" / "mask6.nrrd"
    )  # a test label map, turned into another
    run(task_spec("segmentation", data), tmp_path / "b")
    first, second = (load_weights(tmp_path / name / "job" / "results" / "model.safetensors") for name in "ab")
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values()))
    cases = [(tmp_path / name / "job" / "results" / "cases.csv").read_text() for name in "ab"]
    assert cases[0] != cases[1]


def test_images_that_show_nothing_train_validate_and_are_tested(tmp_path: Path):
    data = write_volumes(tmp_path / "data")
    for number in (0, 4, 6):  # of training, validation and test
        path = tmp_path / "data" / f"mask{number}.nrrd"
        mask = read_volume(path)
        write_volume(mask.with_array(mask.array * 0), path)
    training = {**SMALL["segmentation"]["training"], "steps": 8, "validate_every": 4}
    _, job = run(task_spec("segmentation", data, training=training, foreground_share=1.0), tmp_path)
    rows = [row for row in rows_of(job.folder / "results" / "cases.csv") if row["patient"] == "p6"]
    assert {float(row["reference_volume_ml"]) for row in rows} == {0.0}
    assert all(row["dice"] == ("0.0" if float(row["volume_ml"]) else "") for row in rows if row["class"] != "mean")


def test_validation_without_a_label_is_said_and_judged_by_the_loss(tmp_path: Path):
    data = write_volumes(tmp_path / "data")
    for number in (4, 5):
        path = tmp_path / "data" / f"mask{number}.nrrd"
        mask = read_volume(path)
        write_volume(mask.with_array(mask.array * 0), path)
    training = {**SMALL["segmentation"]["training"], "validation_samples": 2}
    headline, job = run(task_spec("segmentation", data, training=training), tmp_path)
    kinds = [event["type"] for event in job.events]
    (warning,) = [e for e in job.events if e["type"] == "warning" and "validation images" in e["message"]]
    assert job.events.index(warning) < kinds.index("metric")
    for event in job.events:
        if event["type"] == "metric":
            assert "validation_dice" not in event and np.isfinite(event["validation_loss"])
    assert headline["validation"]["dice"] in (None, 0.0) and headline["test"]["dice"] is not None
    assert warning["message"] in (job.folder / "results" / "report.html").read_text()


def test_training_images_that_all_show_nothing_are_refused(tmp_path: Path):
    data = write_volumes(tmp_path / "data")
    for number in range(4):
        mask = read_volume(tmp_path / "data" / f"mask{number}.nrrd")
        write_volume(mask.with_array(mask.array * 0), tmp_path / "data" / f"mask{number}.nrrd")
    with refused("label-maps-empty", names="4 training label maps"):
        run(task_spec("segmentation", data), tmp_path)


@pytest.mark.parametrize("line", [4, 6])
def test_a_value_that_is_no_class_is_told_before_training_wherever_it_is(tmp_path: Path, line: int):
    data = write_volumes(tmp_path / "data")
    mask = read_volume(tmp_path / "data" / f"mask{line}.nrrd")
    write_volume(mask.with_array(np.where(mask.array == 1, 3, mask.array)), tmp_path / "data" / "three.nrrd")
    job = FakeRun(tmp_path / "job", tmp_path / "home")
    with refused("label-value-unknown", names=f"image{line} with the value 3"):
        run_task(task_spec("segmentation", changed(data, line, mask="three.nrrd")), job)
    assert not job.of("started")


def test_an_attribute_that_some_images_lack(tmp_path: Path):
    data = write_volumes(tmp_path / "data")
    rows = [{**row, "age": "" if n in (5, 6) else str(30 + n)} for n, row in enumerate(rows_of(data))]
    data = write_table(tmp_path / "data" / "aged.csv", rows)
    _, job = run(task_spec("segmentation", data, groups="sex; age"), tmp_path)
    ages = {row["patient"]: row["attribute_age"] for row in rows_of(job.folder / "results" / "cases.csv")}
    assert ages == {"p6": "", "p7": "37"}


def test_a_false_finding_is_shown_where_it_is():
    worst, volume = WorstCases(), np.zeros((4, 4, 8), np.float32)
    found = np.zeros((4, 4, 8), np.uint8)
    found[1:3, 1:3, 6] = 1
    worst.add("a", 0.0, volume, found, np.zeros_like(found), (1, 1, 1))
    assert worst._kept[0].predicted.sum() == 4 and not worst._kept[0].truth.any()


def test_worst_cases_hold_slices_not_volumes():
    worst = WorstCases()
    volume = np.zeros((8, 8, 400), np.float32)
    worst.add("a", 0.5, volume, volume.astype(np.uint8), volume.astype(np.uint8), (1, 1, 1))
    assert all(array.base is None for array in (worst._kept[0].image, worst._kept[0].truth))


def test_a_patient_planted_in_two_splits_is_refused(tmp_path: Path):
    data = changed(write_volumes(tmp_path / "data"), 6, patient="p0")
    with refused("patient-in-two-splits", names="patient p0"):
        run(task_spec("segmentation", data), tmp_path)


@pytest.mark.parametrize("form", ["2d", "2.5d"])
def test_slices_of_volumes_train_a_2d_network(tmp_path: Path, form: str):
    spec = task_spec(
        "segmentation", write_volumes(tmp_path / "data"), form=form, network="segresnet", crop=[32, 32, 16]
    )
    headline, job = run(spec, tmp_path)
    assert headline["test"]["dice"] is not None
    plan = read_plan(job.folder / "results" / "model.safetensors")
    assert plan.method == "monai-segmenter" and plan.network["inputs"] == (3 if form == "2.5d" else 1)


def test_radiographs_train_swin_with_its_decoder(tmp_path: Path):
    over = {"classes": "255=Disc", "network": "swin", "backbone": "swin_micro"}
    spec = task_spec("segmentation", write_pictures(tmp_path / "data"), **over)
    headline, job = run(spec, tmp_path)
    assert read_plan(job.folder / "results" / "model.safetensors").method == "swin-segmenter"
    assert 0 <= headline["test"]["dice"] <= 1


def test_a_frozen_backbone_stays_and_the_head_learns(tmp_path: Path):
    torch.manual_seed(2)
    source, plan = UNet3D(4), Plan("genesis", {"base_width": 4, "inputs": 1, "outputs": 1}, modality="MR")
    save_weights(tmp_path / "g.safetensors", source.state_dict(), plan)
    spec = task_spec("segmentation", write_volumes(tmp_path / "data"), str(tmp_path / "g.safetensors"),
                     transfer={"freeze": "backbone", "rescale": False})  # fmt: skip
    _, job = run(spec, tmp_path)
    found = load_weights(job.folder / "results" / "model.safetensors")
    assert torch.equal(found.down_tr64.ops[0].conv1.weight, source.down_tr64.ops[0].conv1.weight)
    assert torch.equal(found.down_tr64.ops[0].bn1.running_mean, source.down_tr64.ops[0].bn1.running_mean)


@pytest.mark.parametrize(
    ("fields", "code", "names"),
    [
        ({"mask": ""}, "label-map-missing", "image0"),
        ({"mask": "three.nrrd"}, "label-value-unknown", "value 3"),
    ],
)
def test_label_maps_that_cannot_be_used(tmp_path: Path, fields, code, names):
    data = write_volumes(tmp_path / "data")
    mask = read_volume(tmp_path / "data" / "mask0.nrrd")
    write_volume(mask.with_array(np.where(mask.array == 1, 3, mask.array)), tmp_path / "data" / "three.nrrd")
    with refused(code, names):
        run(task_spec("segmentation", changed(data, 0, **fields)), tmp_path)


def test_forms_and_sizes_that_do_not_fit_are_refused(tmp_path: Path):
    pictures = write_pictures(tmp_path / "pictures")
    with refused("form-of-volumes", names="form = '3d'"):
        run(task_spec("segmentation", pictures, form="3d", classes=""), tmp_path / "a")
    with refused("network-of-another-form", names=["network = 'swin'", "'3d'"]):
        run(task_spec("segmentation", write_volumes(tmp_path / "data"), network="swin"), tmp_path / "b")
    with refused("too-few-patients", names="9 patients"):
        run(task_spec("segmentation", tmp_path / "data" / "volumes.csv", select={"patients": 9}), tmp_path / "c")


def test_a_plain_swin_file_starts_slices_with_their_neighbours(tmp_path: Path):
    swin = SwinTransformer(img_size=112, embed_dim=64, depths=(2, 4), num_heads=(2, 4), window_size=7, num_classes=5)
    torch.save(swin.state_dict(), tmp_path / "imagenet.pth")  # as users bring weights trained on photographs
    training = {**SMALL["segmentation"]["training"], "steps": 2}
    spec = task_spec("segmentation", write_volumes(tmp_path / "data"), str(tmp_path / "imagenet.pth"), form="2.5d",
                     training=training)  # fmt: skip
    _, job = run(spec, tmp_path)
    assert job.of("transfer")[0]["matched"] > 50
    plan = read_plan(job.folder / "results" / "model.safetensors")
    assert (
        plan.method == "swin-segmenter" and plan.task["context"] == 1 and plan.normalisation["kind"] == "mr-percentile"
    )
