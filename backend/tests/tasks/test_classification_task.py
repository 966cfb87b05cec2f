"""Classification and probing from labels to a measured model."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from refusals import refused
from sklearn.metrics import roc_auc_score
from task_sets import SMALL, run, task_spec, write_pictures, write_table, write_volumes

from medssl.core.errors import InputError, WeightsError
from medssl.core.plan import Plan, read_plan
from medssl.evaluation.prediction_tables import read_predictions
from medssl.images.formats.reading import read_volume
from medssl.inference.classification.predict import predict_images
from medssl.networks.peac import PeacNetwork
from medssl.networks.unet3d import UNet3D
from medssl.networks.weights.weight_files import load_weights, save_weights
from medssl.pretraining.peac.config import BACKBONES, CELLS


def peac_file(folder: Path, seed: int = 0) -> str:
    torch.manual_seed(seed)
    arguments = {**BACKBONES["swin_micro"], "cells": CELLS, "global_hidden": 16, "local_hidden": 16}
    plan = Plan("peac", arguments, normalisation={"kind": "cxr"}, modality="CXR")
    path = folder / f"peac{seed}.safetensors"
    save_weights(path, PeacNetwork(**arguments).state_dict(), plan)
    return str(path)


def with_column(catalogue: Path, name: str, values) -> Path:
    with catalogue.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, value in zip(rows, values):
        row[name] = value
    return write_table(catalogue.with_name(f"{name}.csv"), rows)


def test_bright_discs_are_learnt_and_the_tables_agree_with_the_model(tmp_path: Path):
    training = {**SMALL["classification"]["training"], "steps": 12, "validate_every": 4, "batch_size": 4}
    spec = task_spec("classification", write_pictures(tmp_path / "data"), peac_file(tmp_path), training=training)
    headline, job = run(spec, tmp_path)
    assert job.of("transfer")[0]["new"] == 2
    table = read_predictions(job.folder / "results" / "predictions.csv")
    assert table.images and set(table.patients) == {"p6", "p7", "p11"} and table.attributes["sex"]
    assert headline["test"]["auc"] == roc_auc_score(table.targets[:, 0], table.probabilities[:, 0])
    net = load_weights(job.folder / "results" / "model.safetensors")
    image = read_volume(table.images[0], "CXR")
    assert predict_images([image], net)[0]["Bright"][0] == pytest.approx(table.probabilities[0, 0], abs=1e-4)
    plan = read_plan(job.folder / "results" / "model.safetensors")
    assert 0 < plan.task["thresholds"]["Bright"] < 1 and plan.task["kind"] == "binary"


@pytest.mark.parametrize(
    ("labels", "kind", "names"),
    [("shade", "multi-class", ["bright", "dark"]), ("Bright,Second", "multi-label", ["Bright", "Second"])],
)
def test_classes_and_several_findings(tmp_path: Path, labels: str, kind: str, names: list[str]):
    data = with_column(
        write_pictures(tmp_path / "data"), "Second", ["1", "0", "", "-1", "1", "0", "0", "1", "0", "1", "1", "0"]
    )
    spec = task_spec("classification", data, labels=labels, balance="weights")
    headline, job = run(spec, tmp_path)
    task = read_plan(job.folder / "results" / "model.safetensors").task
    assert task["kind"] == kind and task["classes"] == names and headline["validation"]["auc"] is not None
    probabilities = read_predictions(job.folder / "results" / "predictions.csv").probabilities
    assert np.allclose(probabilities.sum(axis=1), 1.0) == (kind == "multi-class")


def test_a_class_that_nobody_trains_on_is_refused(tmp_path: Path):
    shades = ["dark", "bright"] * 3 + [
        "grey",
        "dark",
        "dark",
        "bright",
        "dark",
        "bright",
    ]  # the seventh is a test image
    data = with_column(write_pictures(tmp_path / "data"), "tone", shades)
    with refused("class-not-in-training", names="class 'grey' of test image picture6"):
        run(task_spec("classification", data, labels="tone"), tmp_path)


def test_volumes_are_classified_by_the_encoder(tmp_path: Path):
    torch.manual_seed(0)
    plan = Plan("genesis", {"base_width": 4, "inputs": 1, "outputs": 1}, modality="MR")
    source = UNet3D(4)
    save_weights(tmp_path / "g.safetensors", source.state_dict(), plan)
    data = with_column(write_volumes(tmp_path / "data"), "Finding", "01010101")
    training = {**SMALL["classification"]["training"], "learning_rate": 1e-9}
    spec = task_spec(
        "classification", data, str(tmp_path / "g.safetensors"), labels="Finding", crop=[16, 16, 16], test_time="ten-crop",
        training=training, transfer={"rescale": False},
    )  # fmt: skip
    headline, job = run(spec, tmp_path)
    found = load_weights(job.folder / "results" / "model.safetensors")
    assert found.plan.task["mirrored"] is False and found.plan.task["test_time"] == "ten-crop"
    assert found.plan.method == "unet-classifier" and headline["test"]["auc"] is not None
    assert torch.allclose(found.down_tr512.ops[1].conv1.weight, source.down_tr512.ops[1].conv1.weight, atol=1e-5)


@pytest.mark.parametrize("level", ["light", "strong"])
def test_volumes_are_asked_about_mirrored_copies_after_training_with_such(tmp_path: Path, level: str):
    data = with_column(write_volumes(tmp_path / "data"), "Finding", "01010101")
    spec = task_spec(
        "classification", data, labels="Finding", crop=[16, 16, 16], base_width=4, test_time="mirror", augmentation=level
    )  # fmt: skip
    _, job = run(spec, tmp_path)
    task = read_plan(job.folder / "results" / "model.safetensors").task
    mirrored = level == "strong"
    assert (task["mirrored"], task["test_time"]) == (mirrored, "mirror" if mirrored else "none")
    assert any("no mirrored copies" in one["message"] for one in job.of("warning")) != mirrored


@pytest.mark.parametrize("kind", ["linear", "knn"])
def test_probes_find_bright_discs_without_training_the_model(tmp_path: Path, kind: str):
    model = peac_file(tmp_path)
    spec = task_spec("probing", write_pictures(tmp_path / "data"), model, probe=kind)
    headline, job = run(spec, tmp_path)
    assert headline["test"]["auc"] == 1.0  # even a random network sees brightness
    plan = read_plan(job.folder / "results" / "model.safetensors")
    assert plan.method == "probe" and plan.task["model_sha256"] == read_plan(model).sha256
    before = (job.folder / "results" / "predictions.csv").read_text()
    assert list((tmp_path / "home" / "cache").glob("embeddings-*"))
    run(spec, tmp_path)  # the second time from the kept embeddings
    assert (job.folder / "results" / "predictions.csv").read_text() == before


def test_a_probe_does_not_speak_for_another_model(tmp_path: Path):
    from medssl.core.protocol import VolumeRef, to_json
    from medssl.core.requests import PredictRequest
    from medssl.handlers.worker.local import run_here

    model = Path(peac_file(tmp_path))
    _, job = run(task_spec("probing", write_pictures(tmp_path / "data"), str(model)), tmp_path)
    model.write_bytes(Path(peac_file(tmp_path, seed=1)).read_bytes())
    image = VolumeRef(path=str(tmp_path / "data" / "picture0.png"))
    asked = PredictRequest((image,), str(job.folder / "results" / "model.safetensors"))
    with refused("probe-of-another-model", names="peac0.safetensors"):
        run_here("predict", to_json(asked), tmp_path / "home", tmp_path / "out", lambda share, text: None)


@pytest.mark.parametrize(
    ("column", "values", "code", "names"),
    [
        ("Finding", "1111111111111"[:12], "one-class-only", ""),
        ("Finding", ["1", "", *"01010101010"][:12], "label-missing", "picture1"),
        ("Finding", ["7", *"01010101010"], "label-not-binary", "= 7 of image"),
    ],
)
def test_labels_that_cannot_be_learnt_from(tmp_path: Path, column: str, values, code: str, names: str | list[str]):
    data = with_column(write_pictures(tmp_path / "data"), column, values)
    with refused(code, names):
        run(task_spec("classification", data, labels=column, kind="binary"), tmp_path)


def test_columns_that_are_not_there_and_labels_that_are_not_named(tmp_path: Path):
    data = write_pictures(tmp_path / "data")
    with refused("column-missing", names="Missing"):
        run(task_spec("classification", data, labels="Missing"), tmp_path)
    with refused("labels-without-column", names="labels"):
        run(task_spec("classification", data, labels=""), tmp_path)
    with pytest.raises((InputError, WeightsError)):
        run(task_spec("probing", write_volumes(tmp_path / "v"), peac_file(tmp_path), labels="sex"), tmp_path)


@pytest.mark.parametrize("part", ["val", "test"])
@pytest.mark.parametrize("unknown", ["", "-1"])
def test_a_class_that_a_part_knows_nothing_of_is_said_before_training_and_left_out(tmp_path: Path, part, unknown):
    data = write_pictures(tmp_path / "data")
    with data.open(newline="") as file:
        splits = [row["split"] for row in csv.DictReader(file)]
    data = with_column(data, "Other", [unknown if split == part else n // 2 % 2 for n, split in enumerate(splits)])
    headline, job = run(task_spec("classification", data, labels="Bright,Other"), tmp_path)
    name = {"val": "validation", "test": "test"}[part]
    kinds = [event["type"] for event in job.events]
    (said,) = [
        e
        for e in job.events
        if e["type"] == "warning" and f"No {name} image has a known label of Other" in e["message"]
    ]
    assert job.events.index(said) < kinds.index("metric")
    assert headline[name]["auc"] is not None
    assert said["message"] in (job.folder / "results" / "report.html").read_text()
