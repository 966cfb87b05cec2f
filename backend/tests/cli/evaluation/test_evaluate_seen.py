"""A pretrained Ark is not measured on what it was trained on without a word."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ark_nets import make_ark
from fakes import write_dataset_specs
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.cli.evaluation.evaluate_seen import notes_on_seen
from medssl.core.errors import CatalogError
from medssl.core.protocol import DataSpec, JobSpec
from medssl.core.schema import as_dict, build
from medssl.datasets.catalog.catalog import Catalog, read_catalog
from medssl.datasets.splits.split import split_for_task
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume
from medssl.jobs.store import JobStore
from medssl.networks.weights.weight_files import save_weights
from medssl.pretraining.ark.config import ArkConfig
from medssl.pretraining.seen import NO_TEST
from medssl.pretraining.spec_data import check_datasets_unchanged, read_set_parts
from medssl.tasks.history.recorded_split import recorded_split, training_notes

SEEN = "trained-on-test-images"  # the code of the refusal
SETS = [{"name": "toy", "kind": "multi-label", "classes": ["Even", "Third"], "activation": "sigmoid"}]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def trained(home: Path, dataset_spec: dict[str, Any], start: str = "") -> str:
    """A finished pretraining on a set, as its folder tells it."""
    data = DataSpec(sets=(dataset_spec,))
    config = as_dict(build(ArkConfig, {}))
    store = JobStore(home)
    job = store.create(JobSpec("pretrain", "ark", config, data, start_from=start))
    parts = read_set_parts(data, config["training"]["seed"], lambda share, text: None)
    check_datasets_unchanged(store.folder(job) / "sets.json", parts)
    net = make_ark(sets=SETS)
    assert net.plan is not None
    net.plan.provenance["job"] = job
    (store.folder(job) / "results").mkdir(exist_ok=True)
    save_weights(store.folder(job) / "results" / "model.safetensors", net.state_dict(), net.plan)
    return job


def declare(folder: Path, split: bool = False, name: str = "toy") -> dict[str, Any]:
    """Ten images; with a split the last four are for tests."""
    dataset_spec = write_dataset_specs(folder, 10, name)
    if split:
        lines = (folder / "table.csv").read_text().splitlines()
        parts = ["split", *["train"] * 5, "val", *["test"] * 4]
        (folder / "table.csv").write_text("\n".join(f"{a},{b}" for a, b in zip(lines, parts)) + "\n")
        dataset_spec = {**dataset_spec, "split": "split"}
    (folder.parent / f"{folder.name}.yaml").write_text(json.dumps(dataset_spec))
    return dataset_spec


def evaluate(*arguments: object):
    more = ["--replicates", 100, "--device", "cpu", "--output", "out"]
    return CliRunner().invoke(app, ["evaluate", *map(str, [*arguments, *more])], terminal_width=400)


def test_images_of_the_training_are_refused_or_reported_loudly(home, tmp_path):
    job = trained(home, declare(tmp_path / "data"))
    asked = ["data.yaml", "--model", job, "--finding", "Even"]
    error = evaluate(*asked).exception
    assert error.code == SEEN and error.value == "10 of 10 images" and "set toy: 10" in error.rule
    assert "--split test" in error.remedy and not (tmp_path / "out").exists()  # told before the model is applied
    shown = evaluate(*asked, "--trained-too")
    assert shown.exit_code == 0 and "warning" in shown.output and NO_TEST in shown.output
    page = (tmp_path / "out" / "report.html").read_text()
    assert NO_TEST in page and "of images it was trained on" in page
    with (tmp_path / "data" / "table.csv").open() as file:  # the same images by another way
        rows = list(csv.DictReader(file))
    (tmp_path / "linked").mkdir()
    for row in rows:
        (tmp_path / "linked" / f"x{row['image']}").symlink_to(tmp_path / "data" / row["image"])
    lines = [f"linked/x{row['image']},{row['patient']},{row['Even']}" for row in rows]
    (tmp_path / "linked.csv").write_text("\n".join(["image,patient,Even", *lines]))
    assert evaluate("linked.csv", *asked[1:]).exception.code == SEEN


def test_a_table_of_predictions_remembers_the_training(home, tmp_path):
    job = trained(home, declare(tmp_path / "data"))
    done = CliRunner().invoke(app, ["predict", "data.yaml", "--model", job, "--finding", "Even", "--device", "cpu"])
    assert done.exit_code == 0, done.output
    assert evaluate("predictions.csv").exception.code == SEEN
    assert NO_TEST in evaluate("predictions.csv", "--trained-too").output


def test_the_test_split_is_measured_without_doubt(home, tmp_path):
    job = trained(home, declare(tmp_path / "data", split=True))
    asked = ["data.yaml", "--model", job, "--finding", "Even"]
    assert evaluate(*asked).exception.value == "6 of 10 images"
    assert evaluate(*asked, "--split", "test").exit_code == 0
    notes = json.loads((tmp_path / "out" / "evaluation.json").read_text())["notes"]
    assert any(note.startswith("Not one of these images") and job in note for note in notes)
    assert not any("not known" in note for note in notes)


def test_what_cannot_be_known_is_said(home, tmp_path):
    images = sorted((tmp_path / "other").glob("*.png"))
    assert "not known here" in notes_on_seen(home, "", images, False)[0]
    assert "does not exist" in notes_on_seen(home, "20200101-000000-ark-gone", images, False)[0]
    job = trained(home, declare(tmp_path / "data"), start="Ark6.pth.tar")
    none, unknown = notes_on_seen(home, job, images, False)
    assert job in none and "Ark6.pth.tar" in unknown
    table = tmp_path / "data" / "table.csv"
    table.write_text(table.read_text().replace("patient9.png,9,0", "patient9.png,9,1"))
    assert "not what this run began with" in notes_on_seen(home, job, images, False)[0]


def test_weights_that_a_training_began_with_count_too(home, tmp_path):
    first = trained(home, declare(tmp_path / "data"))
    start = JobStore(home).folder(first) / "results" / "model.safetensors"
    second = trained(home, declare(tmp_path / "more", name="more"), str(start))
    seen = [tmp_path / "data" / "patient0.png", tmp_path / "new.png"]
    with pytest.raises(CatalogError) as refused:
        notes_on_seen(home, second, seen, False)
    assert (refused.value.code, refused.value.value) == (SEEN, "1 of 2 images")
    assert first in notes_on_seen(home, second, seen[1:], False)[0]


def test_an_ark_is_measured_on_the_split_that_it_drew_itself(home, tmp_path):
    spec = declare(tmp_path / "data")
    job = trained(home, spec)
    drawn = read_set_parts(DataSpec(sets=(spec,)), 0, lambda share, text: None)[0][1]
    asked = ["data.yaml", "--model", job, "--finding", "Even", "--split"]
    shown = evaluate(*asked, "validation")
    assert shown.exit_code == 0 and NO_TEST in shown.output, shown.exception
    with Path("out/applied/predictions.csv").open() as file:
        assert {row["image"] for row in csv.DictReader(file)} == set(drawn.images)
    error = evaluate(*asked, "test").exception  # it drew none
    assert error.code == "split-empty" and job in error.rule and f"{len(drawn.images)} validation" in error.rule


def test_a_split_that_cannot_be_drawn_again_is_not_guessed(home, tmp_path):
    job = trained(home, declare(tmp_path / "data"))
    table = tmp_path / "data" / "table.csv"
    table.write_text(table.read_text().replace("patient9.png,9,0", "patient9.png,9,1"))
    assert recorded_split(home, job) is None and recorded_split(home, "20200101-000000-ark-gone") is None


def test_a_fine_tuned_models_own_test_images(home, tmp_path):
    data = DataSpec(path=str(tmp_path / "scans"), test_fraction=0.3)
    (tmp_path / "scans").mkdir()
    for n in range(10):
        write_volume(Volume(np.arange(64, dtype=np.int16).reshape(4, 4, 4)), tmp_path / "scans" / f"{n}.nrrd")
    job = JobStore(home).create(JobSpec("finetune", "segmentation", {}, data))
    entries = list(read_catalog(data, home))
    found = recorded_split(home, job)
    assert found is not None
    (note,) = training_notes(home, job, [entry.image for entry in entries])
    assert note.startswith(NO_TEST) and "5 trained the model, 2 chose its weights, 3 are of its own test" in note
    assert not training_notes(home, job, [entry.image for entry in found.of(entries, "test")])
    assert [e.name for e in found.of(entries, "test")] == [
        e.name for e in split_for_task(Catalog(tuple(entries)), data).test
    ]


def test_a_set_without_that_split_is_refused(home, tmp_path):
    net = make_ark(sets=SETS)
    save_weights(tmp_path / "ark.safetensors", net.state_dict(), net.plan)  # of no job
    declare(tmp_path / "data")
    error = evaluate("data.yaml", "--model", "ark.safetensors", "--finding", "Even", "--split", "test").exception
    assert (error.code, error.value) == ("split-empty", "split test")
    assert "leave --split out" in error.remedy
