"""A segmentation of two registered images, from the catalogue to a label map: trained, measured, applied to other cases."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from fakes import FakeRun
from refusals import refused
from task_sets import run, task_spec, write_table, write_volumes

from medssl.core.plan import Plan, read_plan
from medssl.core.protocol import DataSpec, JobSpec
from medssl.core.schema import as_dict, build
from medssl.datasets.catalog.catalog import read_catalog
from medssl.images.formats.reading import read_volume
from medssl.inspection.training_set.catalog_overview import catalog_overview
from medssl.networks.unet3d import UNet3D
from medssl.networks.weights.weight_files import save_weights
from medssl.tasks.apply.config import ApplyConfig
from medssl.tasks.apply.run import apply

ASTRAY = 3  # the case whose CT shows another place


def write_pairs(folder: Path) -> Path:
    """`write_volumes` with a CT of each patient on a grid of its own; that of one case is moved."""
    table = write_volumes(folder)
    rows = list(csv.DictReader(table.open()))
    for number, row in enumerate(rows):
        mr = sitk.ReadImage(str(folder / row["image"]))
        lower = sitk.ResampleImageFilter()
        lower.SetSize([30, 38, 36])
        lower.SetOutputSpacing([0.9, 0.9, 1.0])
        lower.SetOutputOrigin([-1.0, -1.0, -1.5])
        ct = lower.Execute(mr * 4 - 1000)
        ct.SetOrigin([-1.0, -1.0, 10.0 if number == ASTRAY else -1.5])
        sitk.WriteImage(ct, str(folder / f"ct{number}.nrrd"))
        row |= {"image_1": f"ct{number}.nrrd", "modality_1": "CT"}
    return write_table(folder / "pairs.csv", rows)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The catalogue, the job that learnt from it and its events; begun with weights of a CT."""
    folder = tmp_path_factory.mktemp("pairs")
    table = write_pairs(folder)
    net = UNet3D(base_width=4)
    save_weights(folder / "genesis.safetensors", net.state_dict(), Plan("genesis", {"base_width": 4}, modality="CT"))
    spec = task_spec("segmentation", table, str(folder / "genesis.safetensors"))
    headline, job = run(spec, folder)
    assert set(headline) == {"validation", "test"} and headline["test"]["dice"] is not None
    return table, job


def test_the_header_says_what_each_channel_is(trained):
    plan = read_plan(trained[1].folder / "results" / "model.safetensors")
    kinds = [(one.name, one.modality, one.normalisation["kind"]) for one in plan.channels]
    assert kinds == [("MR", "MR", "mr-percentile"), ("CT", "CT", "ct")]
    assert plan.network["inputs"] == 2 and plan.modality == "MR"


def test_the_case_astray_is_named_used_and_its_background_counted(trained):
    events = trained[1].events
    messages = [event["message"] for event in events if event["type"] == "warning"]
    poor = [message for message in messages if "lies poorly" in message]
    assert len(poor) == 1 and f"image{ASTRAY}" in poor[0] and "1 of 8 cases" in poor[0]
    assert any(f"image{ASTRAY}" in message and "background" in message for message in messages)
    started = next(event for event in events if event["type"] == "started")
    assert (started["training"], started["validation"], started["test"]) == (4, 2, 2), "it is not dropped"
    transfer = next(event for event in events if event["type"] == "transfer")
    assert "MR (33%)" in transfer["text"] and "CT (67%)" in transfer["text"]


def test_a_check_says_the_same_before_any_training(trained, tmp_path):
    spec = DataSpec(str(trained[0]))
    rows, info = catalog_overview(read_catalog(spec, tmp_path, channels=True), spec, lambda share, text: None)
    assert info["channels"] == "MR, CT" and info["modality"] == "MR" and info["refused"] == 0
    assert [row["image"] for row in rows if "poorly" in row["channels"]] == [f"image{ASTRAY}"]
    assert any(f"image{ASTRAY}" in note and "lies poorly" in note for note in info["notes"])


def test_it_is_applied_to_cases_with_all_channels_alone(trained, tmp_path):
    table, job = trained
    model = str(job.folder / "results" / "model.safetensors")
    applied = FakeRun(tmp_path / "job", tmp_path / "home")
    apply(JobSpec("apply", "apply", as_dict(build(ApplyConfig, {})), DataSpec(str(table)), start_from=model), applied)
    rows = list(csv.DictReader((applied.folder / "results" / "index.csv").open()))
    assert [row["status"] for row in rows] == ["done"] * 8
    labels = read_volume(applied.folder / "results" / rows[0]["output"])
    assert labels.shape == read_volume(table.parent / "image0.nrrd").shape and set(np.unique(labels.array)) <= {0, 1, 2}
    noted = [event["message"] for event in applied.events if event.get("code") == "image-noted"]
    assert any(f"image{ASTRAY}" in note and "lies poorly" in note for note in noted)
    lacking = JobSpec(
        "apply", "apply", as_dict(build(ApplyConfig, {})), DataSpec(str(table.parent / "volumes.csv")), start_from=model
    )
    with refused("no-usable-image", ["MR and CT", "CT is missing"]):
        apply(lacking, FakeRun(tmp_path / "other", tmp_path / "home"))


def test_what_takes_one_image_refuses_several(trained, tmp_path):
    with refused("channels-not-taken", "2 channels"):
        run(task_spec("classification", trained[0], labels="sex"), tmp_path)
    with refused("channels-not-taken", ["2 channels", "2d"]):
        run(task_spec("segmentation", trained[0], form="2d"), tmp_path)
