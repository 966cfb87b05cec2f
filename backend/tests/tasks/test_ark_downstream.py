"""From a pretrained Ark to downstream tasks: probes of both kinds of features, few shots, trained on one sex and tested on both."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ark_nets import make_ark, save_ark, save_pair
from fakes import FakeRun
from PIL import Image
from refusals import refused
from task_sets import SMALL, run, task_spec, write_table

from medssl.core.plan import Plan
from medssl.core.protocol import DataSpec, JobSpec
from medssl.evaluation.prediction_tables import read_predictions
from medssl.images.formats.reading import read_volume
from medssl.inference.classification.predict import predict_images
from medssl.inference.classification.probe_files import open_probe
from medssl.networks.weights.weight_files import load_weights, save_weights
from medssl.studies.comparison.check import check_study
from medssl.studies.comparison.run import compare

PARTS = ("train", "train", "val", "test", "test")


def write_radiographs(folder: Path, contrast: float = 70.0, patients: int = 60) -> Path:
    """With and without a bright disc, as many of both sexes; "Turned" is the disc in women and its absence in men."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for n in range(patients):
        bright, sex, part = n % 2, "FM"[n // 2 % 2], PARTS[n // 4 % 5]
        y, x = np.meshgrid(np.linspace(-1, 1, 72), np.linspace(-1, 1, 70), indexing="ij")
        noise = np.random.default_rng(n).normal(0, 12, x.shape)
        grey = 90 + 40 * np.abs(x) + noise + contrast * bright * (x**2 + y**2 < 0.3)
        Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(folder / f"{n}.png")
        turned = bright if sex == "F" else 1 - bright
        rows.append(
            {"image": f"{n}.png", "patient": f"p{n}", "split": part, "Bright": bright, "Turned": turned, "sex": sex}
        )
    return write_table(folder / "set.csv", rows)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_radiographs(tmp_path_factory.mktemp("radiographs"))


@pytest.mark.parametrize(("features", "size"), [("projector", 24), ("encoder", 32), ("auto", 24)])
def test_probes_stand_on_the_features_asked_for(tmp_path: Path, data: Path, features: str, size: int):
    model = save_ark(tmp_path / "ark.safetensors")
    headline, job = run(task_spec("probing", data, str(model), features=features), tmp_path)
    path = job.folder / "results" / "model.safetensors"
    assert headline["test"]["auc"] > 0.9  # even a random network sees brightness
    probe = open_probe(path, lambda source: load_weights(source))
    assert probe.head.weight.shape == (1, size)
    table = read_predictions(job.folder / "results" / "predictions.csv")
    found = predict_images([read_volume(Path(table.images[0]), "CXR")], probe)[0]["Bright"][0]
    assert found == pytest.approx(table.probabilities[0, 0], abs=1e-3)  # the road of users knows the features too


def test_few_shots_and_neighbours(tmp_path: Path, data: Path):
    model = save_ark(tmp_path / "ark.safetensors")
    spec = task_spec("probing", data, str(model), probe="knn", select={"per_class": 2, "seed": 3})
    headline, job = run(spec, tmp_path)
    assert job.of("started")[0]["training"] == 4 and headline["test"]["auc"] > 0.5


def test_features_of_both_kinds_are_kept_apart(tmp_path: Path, data: Path):
    model = str(save_ark(tmp_path / "ark.safetensors"))
    for features in ("projector", "encoder"):
        run(task_spec("probing", data, model, features=features), tmp_path)
    assert len(list((tmp_path / "home" / "cache").glob("embeddings-*"))) == 6  # training, validation, test of each


def test_models_without_a_projector_say_so(tmp_path: Path, data: Path):
    from medssl.networks.downstream.swin_classifier import SwinClassifier

    torch.manual_seed(0)
    net = SwinClassifier(8, 4, (1, 1), (1, 2), 7, 14, 0.0)
    plan = Plan("swin-classifier", net.arguments, "paper", {"kind": "cxr"}, net.input_size, "CXR")
    save_weights(tmp_path / "net.safetensors", net.state_dict(), plan)
    with refused("model-unsuitable", names="'swin-classifier'"):
        run(task_spec("probing", data, str(tmp_path / "net.safetensors"), features="projector"), tmp_path)


def test_fine_tuning_begins_with_the_teachers_encoder(tmp_path: Path, data: Path):
    pair = save_pair(tmp_path / "pair.safetensors", student=0, teacher=1)
    training = {**SMALL["classification"]["training"], "learning_rate": 1e-9}
    _, job = run(task_spec("classification", data, str(pair), training=training), tmp_path)
    assert "All" in job.of("transfer")[0]["text"] and job.of("transfer")[0]["new"] == 2
    net, teacher = load_weights(job.folder / "results" / "model.safetensors"), make_ark(1)
    name = "layers.1.blocks.0.mlp.fc1.weight"
    assert torch.allclose(net.state_dict()[f"swin_model.{name}"], teacher.state_dict()[name], atol=1e-5)
    assert net.plan.network["standard"] == "imagenet"  # as the encoder was pretrained


def study(data: Path, models: list[Path], task: str, config: dict[str, Any]) -> JobSpec:
    """The encoders of two Arks, each trained once on either sex."""
    tree = {
        "task": task, "preset": "laptop", "patients": [8], "seeds": 1, "replicates": 200, "train_on": "sex",
        "arms": [{"name": model.stem, "weights": str(model)} for model in models], "config": config, "reference": "ark",
    }  # fmt: skip
    return JobSpec("compare", "compare", check_study(tree), DataSpec(path=str(data)), device="cpu")


@pytest.fixture(scope="module")
def faint(tmp_path_factory) -> Path:
    """Discs that are not seen every time: an AUC of just 1 has no interval."""
    return write_radiographs(tmp_path_factory.mktemp("faint"), contrast=10.0)


TRAINING = SMALL["classification"]["training"]


@pytest.mark.parametrize(
    ("task", "config"),
    [
        ("probing", {"labels": "Turned", "features": "encoder"}),
        ("classification", {"labels": "Turned", "test_time": "none", "training": TRAINING}),
    ],
)
def test_trained_on_one_sex_and_tested_on_both(tmp_path: Path, faint: Path, task: str, config: dict[str, Any]):
    models = [save_ark(tmp_path / f"{name}.safetensors", seed) for seed, name in enumerate(("ark", "other"))]
    job = FakeRun(tmp_path / "job", tmp_path / "home")
    compare(study(faint, models, task, config), job)
    arms = ["ark sex-F", "ark sex-M", "other sex-F", "other sex-M"]
    assert [(event["arm"], event["state"]) for event in job.of("run")] == [(arm, "finished") for arm in arms]
    for arm in arms:
        table = read_predictions(job.folder / "runs" / arm / "8" / "0" / "results" / "predictions.csv")
        assert table.attributes["sex"].count("F") == table.attributes["sex"].count("M") == 12
    with (job.folder / "results" / "cross.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8 and {row["arm"] for row in rows} == {"ark", "other"}
    across = [row for row in rows if row["trained_on"] != row["tested_on"]]
    intervals = [
        (float(row["difference_low"]), float(row["difference_high"])) for row in across if row["difference_low"]
    ]
    assert intervals and all(row["difference"] for row in across)
    if task == "probing":  # what was learnt on one sex is wrong for the other, and the study says so
        assert all(float(row["difference"]) < -0.5 for row in across) and all(high < 0 for _, high in intervals)
    assert "Trained on one value of sex" in (job.folder / "results" / "report.html").read_text()
