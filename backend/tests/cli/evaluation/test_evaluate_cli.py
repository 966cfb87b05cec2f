"""`medssl evaluate` as a user meets it."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.core.errors import CatalogError, InputError, MedSSLError, NotFoundError, VolumeError
from medssl.core.plan import Plan
from medssl.core.protocol import DataSpec, JobSpec
from medssl.evaluation.prediction_tables import Predictions, write_predictions
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume
from medssl.jobs.store import JobStore
from medssl.networks.downstream.swin_classifier import SwinClassifier
from medssl.networks.downstream.unet_segmenter import UNetSegmenter
from medssl.networks.weights.weight_files import save_weights

NAMES = ("Masse", "Erguß")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "home"))


def run(*arguments: object):
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def done(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def refusal(*arguments: object) -> MedSSLError:
    result = run(*arguments)
    assert isinstance(result.exception, MedSSLError), result.output
    return result.exception


def predictions(folder: Path, name: str, seed: int = 0, shift: float = 1.5, whose: str = "") -> Path:
    """Two findings in 60 radiographs of 30 patients, one of which is a picture that lies there; `whose`: other patients."""
    rng = np.random.default_rng(7)
    targets = (rng.random((60, 2)) < 0.4).astype(float)
    noise = np.random.default_rng(seed).normal(size=(60, 2))
    probabilities = 1 / (1 + np.exp(-(shift * targets - 1 + noise)))
    probabilities[0] = np.where(targets[0] == 1, 0.01, 0.99)  # the worst of all
    Image.fromarray(np.arange(400, dtype=np.uint8).reshape(20, 20)).save(folder / "bild.png")
    first = f"{whose}.png" if whose else str(folder / "bild.png")
    images = [first, *(f"fehlt {whose}{n}.png" for n in range(59))]
    sexes = ["MF"[n // 2 % 2] for n in range(60)]
    about = {"sex": sexes, "age": [str(20 + n) for n in range(60)]}
    write_predictions(
        folder / name,
        Predictions(images, [f"p{whose}{n // 2}" for n in range(60)], NAMES, probabilities, targets, about),
    )
    return folder / name


def maps(folder: Path, shift: int, spacing: tuple[float, float, float] = (1, 1, 2), names: str = "fall") -> Path:
    folder.mkdir()
    for n in range(6):
        labels = np.zeros((16, 14, 10), np.uint8)
        labels[3 + shift : 9 + shift, 3:9, 2 : 5 + n % 3] = 1
        labels[10:13, 3:9, 2:6] = 4
        write_volume(Volume(labels, spacing), folder / f"{names} {n}.nii.gz")
    return folder


def test_a_table_of_predictions(tmp_path):
    table, validation = predictions(tmp_path, "test.csv"), predictions(tmp_path, "val.csv", 1, whose="v")
    out = tmp_path / "out"
    shown = done(
        table, "--validation", validation, "--group", "sex", "--group", "age:0,50", "--replicates", 200, "--output", out
    )
    assert "Masse" in shown and "mean" in shown and "report.html" in shown
    evaluation = json.loads((out / "evaluation.json").read_text())
    assert evaluation["kind"] == "multi-label" and evaluation["patients"] == 30
    assert set(evaluation["thresholds"]) == set(NAMES) and 0.5 not in evaluation["thresholds"].values()
    groups = {(row["attribute"], row["group"]) for row in evaluation["groups"]}
    assert groups == {("sex", "F"), ("sex", "M"), ("age", "0 to 50"), ("age", "50 and above")}
    page = (out / "report.html").read_text()
    assert "Gaps between groups" in page and (tmp_path / "bild.png").as_uri() in page
    with (out / "metrics.csv").open() as file:
        rows = {(row["class"], row["metric"]): row for row in csv.DictReader(file)}
    auc = rows["Masse", "auc"]
    assert float(auc["low"]) < float(auc["value"]) < float(auc["high"])


def test_without_thresholds_it_says_so(tmp_path):
    shown = run(predictions(tmp_path, "test.csv"), "--replicates", 100, "--output", tmp_path / "out")
    assert shown.exit_code == 0 and "none were chosen on validation" in shown.output


def test_thresholds_and_kind_of_the_evaluation_beside_a_table_count(tmp_path):
    table, validation = predictions(tmp_path, "test.csv"), predictions(tmp_path, "val.csv", 1, whose="v")
    done(
        table, "--validation", validation, "--kind", "multi-class", "--replicates", 100, "--output", tmp_path / "other"
    )
    done(table, "--validation", validation, "--replicates", 100, "--output", tmp_path)
    shown = done(table, "--replicates", 100, "--output", tmp_path / "again")
    before, after = (json.loads((tmp_path / name / "evaluation.json").read_text()) for name in ("", "again"))
    assert after["thresholds"] == before["thresholds"] and after["kind"] == before["kind"] == "multi-label"
    assert "lies beside the table" in shown and "none were chosen" not in shown


def test_validation_images_are_others_of_the_same_classes(tmp_path):
    table, out = predictions(tmp_path, "test.csv"), ["--output", tmp_path / "out"]
    assert refusal(table, "--validation", table, *out).code == "validation-shared"
    rows = predictions(tmp_path, "val.csv", whose="v").read_text()
    for old, new, code, named in (
        ("fehlt v1.png,pv1", "fehlt v1.png,p1", "validation-shared", "1 patient"),
        ("Masse", "Mass", "validation-of-other-classes", "Masse"),
    ):
        (tmp_path / "changed.csv").write_text(rows.replace(old, new))
        error = refusal(table, "--validation", tmp_path / "changed.csv", *out)
        assert error.code == code and named in str(error)
    assert not (tmp_path / "out").exists()


def test_label_maps_against_their_truth(tmp_path):
    predicted, true, out = maps(tmp_path / "predicted", 1), maps(tmp_path / "true", 0), tmp_path / "out"
    done(predicted, "--truth", true, "--classes", "1=Kopf,4=Schwanz", "--replicates", 200, "--output", out)
    evaluation = json.loads((out / "evaluation.json").read_text())
    assert evaluation["classes"] == ["Kopf", "Schwanz"]
    assert evaluation["metrics"]["Kopf"]["dice"]["value"] == pytest.approx(5 / 6, abs=0.01)
    assert evaluation["metrics"]["Schwanz"]["dice"]["value"] == 1
    assert len(list((out / "pictures").glob("worst-*.png"))) == 6
    again = tmp_path / "again"
    done(out / "cases.csv", "--replicates", 200, "--output", again)
    assert json.loads((again / "evaluation.json").read_text())["metrics"] == evaluation["metrics"]


def test_a_catalogue_tells_patients_and_groups(tmp_path):
    predicted, true = maps(tmp_path / "predicted", 1), maps(tmp_path / "true", 0)
    rows = [(f"true/fall {n}.nii.gz", f"p{n // 2}", "MF"[n % 2]) for n in range(6)]
    more = ["--catalog", catalogue(tmp_path, "image,patient,sex", rows), "--group", "sex", "--replicates", 100]
    done(predicted, "--truth", true, *more, "--output", tmp_path / "out")
    evaluation = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert evaluation["patients"] == 3 and evaluation["classes"] == ["label 1", "label 4"]
    assert {row["group"] for row in evaluation["groups"]} == {"F", "M"}


def test_trained_on_one_group_tested_on_each(tmp_path):
    of_men, of_women = predictions(tmp_path, "m.csv", 1), predictions(tmp_path, "f.csv", 2, shift=0.3)
    out = tmp_path / "out"
    shown = done(f"M={of_men}", f"F={of_women}", "--group", "sex", "--replicates", 200, "--output", out)
    assert "trained_on" in shown
    rows = json.loads((out / "cross.json").read_text())
    cell = {(row["trained_on"], row["tested_on"]): row for row in rows if row["class"] == "mean"}
    assert len(cell) == 4 and cell["M", "M"]["difference"] is None
    gap = cell["F", "M"]
    assert gap["difference"] == pytest.approx(gap["value"] - cell["M", "M"]["value"])
    assert gap["difference"] < 0 and gap["difference_low"] < gap["difference"] < gap["difference_high"]
    assert "tested on M" in (out / "report.html").read_text()


def catalogue(folder: Path, header: str, rows: list[tuple[object, ...]]) -> Path:
    with (folder / "daten.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])
    return folder / "daten.csv"


def test_a_segmenter_is_applied_first(tmp_path):
    torch.manual_seed(0)
    net = UNetSegmenter(4, 1, 2)
    task = {"name": "segmentation", "form": "3d", "segments": [{"value": 4, "name": "Schwanz"}]}
    plan = Plan("unet-segmenter", net.arguments, "paper", {"kind": "ct"}, (16, 16, 8), "CT", task)
    save_weights(tmp_path / "net.safetensors", net.state_dict(), plan)
    rng, rows = np.random.default_rng(0), []
    for n in range(2):
        mask = np.zeros((14, 16, 8), np.uint8)
        mask[:7] = 4
        write_volume(Volume(rng.integers(-1000, 1000, mask.shape).astype(np.int16)), tmp_path / f"ct {n}.nrrd")
        write_volume(Volume(mask), tmp_path / f"maske {n}.nrrd")
        rows.append((f"ct {n}.nrrd", f"p{n}", f"maske {n}.nrrd"))
    data, out = catalogue(tmp_path, "image,patient,mask", rows), tmp_path / "out"
    shown = done(data, "--model", tmp_path / "net.safetensors", "--replicates", 100, "--output", out, "--device", "cpu")
    assert "Schwanz" in shown and "2 patients are too few" in shown
    assert json.loads((out / "evaluation.json").read_text())["images"] == 2


def test_a_classifier_is_applied_first(tmp_path):
    torch.manual_seed(0)
    net = SwinClassifier(8, 4, (1, 1), (1, 2), 7, 14, 0.0, classes=1)
    task = {
        "name": "classification", "kind": "binary", "classes": ["krank"], "test_time": "none",
        "thresholds": {"krank": 0.3},
    }  # fmt: skip
    plan = Plan("swin-classifier", net.arguments, "paper", {"kind": "cxr"}, net.input_size, "CXR", task)
    save_weights(tmp_path / "net.safetensors", net.state_dict(), plan)
    rng, rows = np.random.default_rng(0), []
    for n in range(4):
        write_volume(Volume(rng.integers(0, 256, (130, 140)).astype(np.uint8)), tmp_path / f"{n}.nrrd")
        rows.append((f"{n}.nrrd", f"p{n}", n % 2, 1 - n // 2))
    data, out = catalogue(tmp_path, "image,patient,Masse,No Finding", rows), tmp_path / "out"
    more = ["--replicates", 100, "--output", out, "--device", "cpu"]
    done(data, "--model", tmp_path / "net.safetensors", "--labels", "krank=!No Finding", *more)
    evaluation = json.loads((out / "evaluation.json").read_text())
    assert evaluation["thresholds"] == {"krank": 0.3} and evaluation["counts"]["krank"]["positives"] == 2
    assert refusal(data, "--model", tmp_path / "net.safetensors", *more).code == "no-labels"
    job = JobStore(tmp_path / "home").create(JobSpec("finetune", "classification", {}, DataSpec(path=str(data))))
    model = tmp_path / "home" / "jobs" / job / "results" / "model.safetensors"
    save_weights(model, net.state_dict(), replace(plan, provenance={"job": job}))
    data.write_text(data.read_text().replace("Masse", "krank"))
    table = tmp_path / "predicted.csv"
    asked = ["predict", data, "--model", job, "--output", table, "--device", "cpu"]
    assert CliRunner().invoke(app, [str(text) for text in asked]).exit_code == 0
    shown = done(table, "--replicates", 100, "--output", tmp_path / "later")
    assert json.loads((tmp_path / "later" / "evaluation.json").read_text())["thresholds"] == {"krank": 0.3}
    assert f"those that job {job} chose" in shown
    other = refusal(data, "--model", tmp_path / "net.safetensors", "--labels", "No Finding", *more)
    assert other.code == "labels-of-other-classes" and "krank" in other.rule


def test_what_cannot_be(tmp_path):
    table = predictions(tmp_path, "test.csv")
    out = ["--output", tmp_path / "out"]
    assert isinstance(refusal(tmp_path / "nothing.csv", *out), NotFoundError)
    assert "sex, age" in str(refusal(table, "--group", "view", *out))
    assert refusal(table, table, *out).code == "several-sources"
    assert refusal(f"M={table}", f"F={table}", *out).code == "cross-table-arguments"
    predicted, true = maps(tmp_path / "predicted", 1), maps(tmp_path / "true", 0)
    assert refusal(predicted, *out).code == "truth-missing"
    error = refusal(predicted, "--truth", true, "--classes", "1=Kopf", *out)
    assert isinstance(error, VolumeError) and error.code == "label-value-unknown" and "value 4" in error.value
    others = maps(tmp_path / "others", 1, names="cas")
    error = refusal(others, "--truth", true, *out)
    assert isinstance(error, CatalogError) and error.code == "label-maps-missing" and "fall 3" in error.rule
    other = maps(tmp_path / "other", 0, spacing=(1, 1, 3))
    assert refusal(other, "--truth", true, *out).code == "grid-mismatch"
    bad = tmp_path / "bad.csv"
    bad.write_text("image,patient,Mass,label_Mass\na.png,p,0.5,2\n")
    assert refusal(bad, *out).code == "label-not-binary"
    bad.write_text("image,patient,Mass\na.png,p,0.5\n")
    assert isinstance(refusal(bad, *out), InputError)
