"""A pretrained Ark on the command line: predict, embed, evaluate, without any training."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from ark_nets import save_ark, save_official, save_pair
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.core.errors import InputError, MedSSLError, WeightsError
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume

IMAGES = 8
ROWS = [  # Effusion, bright, south, TB: numbers, words of the head "south", unknown ones
    ("1", "1", "Bright", ""), ("0", "0", "Normal", ""), ("-1", "0", "Other", ""), ("1", "1", "Bright", ""),
    ("", "0", "Normal", ""), ("0", "1", "", ""), ("0", "0", "Other", ""), ("1", "1", "Bright", ""),
]  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_ark(tmp_path / "ark.safetensors")


def catalogue(folder: Path, header: str, columns: list[int], split: str = "") -> Path:
    """Eight radiographs of eight patients under some of the label columns."""
    rng, lines = np.random.default_rng(0), [f"image,patient,sex,{header}" + (",split" if split else "")]
    for n, labels in enumerate(ROWS):
        y, x = np.meshgrid(np.linspace(-1, 1, 80), np.linspace(-1, 1, 70))
        grey = 90 + 30 * np.abs(x) + rng.normal(0, 8, x.shape) + 80 * (n % 2) * (x**2 + y**2 < 0.3)
        write_volume(Volume(grey.clip(0, 255).astype(np.uint8)), folder / f"{n}.nrrd")
        fields = [f"{n}.nrrd", f"p{n}", "FM"[n % 2], *(labels[column] for column in columns)]
        lines.append(",".join(fields + (["test" if n < 6 else "train"] if split else [])))
    (folder / "set.csv").write_text("\n".join(lines))
    return folder / "set.csv"


def done(*arguments: object) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def refusal(*arguments: object) -> MedSSLError:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert isinstance(result.exception, MedSSLError), (result.output, result.exception)
    return result.exception


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_from_a_file_to_an_auc_with_its_interval(tmp_path, model):
    data, out = catalogue(tmp_path, "Pleural Effusion,bright", [0, 1]), tmp_path / "predictions.csv"
    shown = done(
        "predict",
        data,
        "--model",
        model,
        "--finding",
        "Effusion",
        "--finding",
        "Bright",
        "--output",
        out,
        "--device",
        "cpu",
    )
    assert "8 predictions" in shown
    rows = table(out)
    assert list(rows[0]) == [
        "image", "patient", "Effusion", "Bright", "label_Effusion", "label_Bright", "attribute_sex",
    ]  # fmt: skip
    assert [row["label_Effusion"] for row in rows] == [row[0] for row in ROWS]  # from the column of its synonym
    record = json.loads((tmp_path / "predictions.apply.json").read_text())
    assert record["columns"]["Bright"] == "mean of north (Bright) and south (Bright)" and record["asked"]

    done("evaluate", out, "--replicates", 200, "--output", tmp_path / "evaluation")
    evaluation = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())
    auc = evaluation["metrics"]["Effusion"]["auc"]
    known = [row for row in rows if row["label_Effusion"] in ("0", "1")]
    expected = roc_auc_score([int(r["label_Effusion"]) for r in known], [float(r["Effusion"]) for r in known])
    assert auc["value"] == pytest.approx(expected) and evaluation["kind"] == "multi-label"
    assert evaluation["counts"]["Effusion"] == {
        "positives": 3, "negatives": 3, "unknown": 2, "positive_patients": 3, "negative_patients": 3,
    }  # fmt: skip
    assert evaluation["notes"][0].startswith(
        "Heads fixed beforehand, by the names of findings. Effusion: north (Effusion)"
    )
    assert "mean of north (Bright) and south (Bright)" in (tmp_path / "evaluation" / "report.html").read_text()


def test_every_class_of_every_head_is_a_column(tmp_path, model):
    data, out = catalogue(tmp_path, "Effusion,south", [0, 2]), tmp_path / "out"
    done("predict", data, "--model", model, "--output", out, "--device", "cpu")
    rows = table(out / "predictions.csv")
    names = ["north.Bright", "north.Effusion", "south.Normal", "south.Bright", "south.Other", "west.TB"]
    assert list(rows[0])[2:8] == names
    labelled = [name.removeprefix("label_") for name in rows[0] if name.startswith("label_")]
    assert labelled == [name for name in names if name != "west.TB"]  # the catalogue says nothing of TB
    assert [row["label_south.Normal"] for row in rows] == ["0", "1", "0", "0", "1", "", "0", "0"]
    assert [row["label_north.Bright"] for row in rows] == [row["label_south.Bright"] for row in rows]
    assert sum(float(rows[0][name]) for name in names[2:5]) == pytest.approx(1)
    shown = done("evaluate", out / "predictions.csv", "--replicates", 100, "--output", tmp_path / "e")
    assert "each column is one class of one head" in " ".join(shown.split())


def test_a_folder_does_not_say_whose_its_images_are(tmp_path, model):
    (tmp_path / "images").mkdir()
    told = "patients unknown: each file counts as one; give a table or a dataset spec"
    data, ask = (
        catalogue(tmp_path / "images", "bright", [1]),
        ("--model", model, "--finding", "Bright", "--device", "cpu"),
    )
    assert " ".join(done("predict", data.parent, *ask, "--output", tmp_path / "a.csv").split()).count(told) == 1
    assert "patients unknown" not in done("predict", data, *ask, "--output", tmp_path / "b.csv")


def test_words_outside_the_heads_classes_are_no_labels(tmp_path, model):
    data, out = catalogue(tmp_path, "diagnosis", [2]), tmp_path / "p.csv"
    done("predict", data, "--model", model, "--finding", "Bright", "--output", out, "--device", "cpu")
    assert "label_Bright" not in table(out)[0] and table(out)[0]["attribute_diagnosis"] == "Bright"
    assert refusal("evaluate", out).code == "no-labels"


def test_evaluation_applies_the_model_to_one_split(tmp_path, model):
    data, out = catalogue(tmp_path, "bright", [1], split="split"), tmp_path / "evaluation"
    more = ["--replicates", 100, "--device", "cpu", "--output", out]
    done("evaluate", data, "--model", model, "--finding", "Bright", "--head", "north", "--split", "Test", *more)
    evaluation = json.loads((out / "evaluation.json").read_text())
    assert evaluation["images"] == 6 and evaluation["kind"] == "binary" and list(evaluation["metrics"]) == ["Bright"]
    assert "Bright: north (Bright)" in evaluation["notes"][0]
    assert refusal("predict", data, "--model", model, "--split", "testing").code == "split-unknown"
    assert refusal("evaluate", out / "applied" / "predictions.csv", "--finding", "Bright").code == "model-missing"
    assert refusal("predict", data, "--model", model, "--split", "val").code == "split-empty"


def test_labels_can_be_told_where_no_column_has_the_findings_name(tmp_path, model):
    data, out = catalogue(tmp_path, "Pleural Effusion,Opaque", [0, 1]), tmp_path / "evaluation"
    asked = ["--finding", "Effusion", "--finding", "Shiny=north:Bright", "--replicates", 100, "--device", "cpu"]
    labels = "Effusion=Pleural Effusion, Shiny=Opaque"
    done("evaluate", data, "--model", model, *asked, "--labels", labels, "--output", out)
    evaluation = json.loads((out / "evaluation.json").read_text())
    assert {name: row["positives"] for name, row in evaluation["counts"].items()} == {"Effusion": 3, "Shiny": 4}
    rows = table(out / "applied" / "predictions.csv")
    expected = roc_auc_score([int(row[1]) for row in ROWS], [float(row["Shiny"]) for row in rows])
    assert evaluation["metrics"]["Shiny"]["auc"]["value"] == pytest.approx(expected)


def test_the_teacher_answers_unless_the_student_is_asked(tmp_path):
    data, pair = catalogue(tmp_path, "bright", [1]), save_pair(tmp_path / "pair.safetensors", student=0, teacher=1)
    found = {}
    for name, file, more in (
        ("pair", pair, []), ("pupil", pair, ["--part", "student"]),
        ("first", save_ark(tmp_path / "a.safetensors", 0), []), ("second", save_ark(tmp_path / "b.safetensors", 1), []),
    ):  # fmt: skip
        out = tmp_path / f"{name}.csv"
        done("predict", data, "--model", file, "--finding", "TB", "--output", out, "--device", "cpu", *more)
        found[name] = [float(row["TB"]) for row in table(out)]
    assert found["pair"] == found["second"] != found["first"] == found["pupil"]


def test_embeddings_of_the_projector_and_of_the_encoder(tmp_path, model):
    data = catalogue(tmp_path, "bright", [1])
    sizes = {}
    for features in ("", "projector", "encoder"):
        out = tmp_path / f"e{features}.npz"
        done("embed", data, "--model", model, "--output", out, "--device", "cpu", "--features", features)
        sizes[features] = np.load(out)["embeddings"]
    assert sizes["projector"].shape == (8, 24) and sizes["encoder"].shape == (8, 32)
    np.testing.assert_array_equal(sizes[""], sizes["projector"])
    assert refusal("embed", data, "--model", model, "--features", "heads").code == "features-unknown"


def test_wrong_names_are_refused_before_anything_is_written(tmp_path, model):
    data, out = catalogue(tmp_path, "bright", [1]), tmp_path / "p.csv"
    error = refusal("predict", data, "--model", model, "--finding", "Brigth", "--output", out)
    assert isinstance(error, WeightsError) and error.code == "finding-unknown" and not out.exists()
    assert "Did you mean 'Bright'" in error.remedy
    head = refusal("predict", data, "--model", model, "--head", "East", "--output", out)
    assert head.code == "head-unknown" and "north, south, west" in head.rule
    assert isinstance(refusal("predict", data, "--model", model, "--test-time", "five", "--output", out), InputError)
    done("predict", data, "--model", model, "--finding", "TB", "--output", out, "--device", "cpu")
    again = refusal("predict", data, "--model", model, "--finding", "Bright", "--output", out)
    assert again.code == "output-of-another-model"


def test_declared_sets_are_evaluated_by_the_findings_they_share(tmp_path, model):
    catalogue(tmp_path, "PE,kind", [0, 2])
    rows = table(tmp_path / "set.csv")
    for name, part in (("numbers", rows[:4]), ("words", rows[4:])):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["image", "patient", "PE", "kind"], extrasaction="ignore")
            writer.writeheader()
            writer.writerows(part)
    common = {"root": str(tmp_path), "images": "{image}", "patient": "patient", "modality": "CXR"}
    numbers = {"name": "numbers", "tables": ["numbers.csv"], "kind": "binary", "labels": ["PE"], **common}
    kinds = {name: {"column": "kind", "equals": name} for name in ("Normal", "Bright", "Other")}
    words = {"name": "words", "tables": ["words.csv"], "kind": "multi-class", "labels": kinds, **common}
    for one in (numbers, words):
        (tmp_path / f"{one['name']}.yaml").write_text(json.dumps(one))
    out = tmp_path / "p.csv"
    sets = [tmp_path / "numbers.yaml", tmp_path / "words.yaml"]
    asked = ["--finding", "Pleural Effusion", "--finding", "Bright"]
    done("predict", *sets, "--model", model, "--output", out, "--device", "cpu", *asked)
    found = [(row["label_Pleural Effusion"], row["label_Bright"]) for row in table(out)]
    assert found == [("1", ""), ("0", ""), ("-1", ""), ("1", ""), ("", "0"), ("", ""), ("", "0"), ("", "1")]


def test_an_official_checkpoint_is_asked_by_finding(tmp_path):
    data, model = catalogue(tmp_path, "Tuberculosis", [1]), save_official(tmp_path / "Ark.pth.tar")
    out = tmp_path / "evaluation"
    more = ["--replicates", 100, "--device", "cpu"]
    done("evaluate", data, "--model", model, "--finding", "TB", "--finding", "Effusion", "--output", out, *more)
    record = json.loads((out / "applied" / "apply.json").read_text())
    assert record["columns"] == {
        "TB": "mean of vindr-cxr (Tuberculosis) and shenzhen (TB)",
        "Effusion": "mean of mimic-cxr (Pleural Effusion), chexpert (Pleural Effusion), chestxray14 (Effusion) and vindr-cxr (PE)",
    }
    evaluation = json.loads((out / "evaluation.json").read_text())
    assert (
        evaluation["counts"]["TB"]["positives"] == 4 and "Effusion" not in evaluation["metrics"]
    )  # nothing is known of it
    assert "learnt from the sets mimic-cxr, chexpert" in evaluation["notes"][1]
    rows = table(out / "applied" / "predictions.csv")
    assert all(0 < float(row["TB"]) < 1 and 0 < float(row["Effusion"]) < 1 for row in rows)
