"""`medssl evaluate OUT --truth LABELS` where the folders differ, and its pictures over the anatomy."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.core.errors import MedSSLError
from medssl.core.protocol import DataSpec, JobSpec
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume
from medssl.jobs.store import JobStore


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def evaluated(*arguments: object):
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments), "--replicates", "100", "--output", "out"])
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(Path("out/evaluation.json").read_text())


def label_maps(name: str, numbers) -> Path:
    folder = Path(name)
    folder.mkdir()
    for n in numbers:
        labels = np.zeros((12, 10, 6), np.uint8)
        labels[3 : 9 - (name == "predicted"), 3:8, 1:5] = 1
        write_volume(Volume(labels, (1, 1, 2)), folder / f"case {n}.nii.gz")
    return folder


def table(name: str, rows: list[tuple[object, ...]]) -> Path:
    with Path(name).open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return Path(name)


def about(evaluation, *words: str) -> list[str]:
    return [note for note in evaluation["notes"] if all(word in note for word in words)]


def test_the_pairs_there_are_count_and_the_others_are_named():
    evaluation = evaluated(label_maps("predicted", (0, 1, 7)), "--truth", label_maps("true", range(6)))
    assert evaluation["images"] == 2
    assert about(evaluation, "4 true label maps", "case 2", "case 5") and about(evaluation, "1 prediction", "case 7")


def test_images_that_could_not_be_segmented_are_named():
    predicted = label_maps("predicted", (0, 1))
    rows = [("case 0", "done"), ("case 1", "done"), ("case 2", "failed")]
    index = [(f"/x/{name}.nii.gz", name, state, "", f"{name}.nii.gz") for name, state in rows]
    table("predicted/index.csv", [("image", "patient", "status", "error", "output"), *index])
    evaluation = evaluated(predicted, "--truth", label_maps("true", range(3)))
    assert about(evaluation, "1 image could not be segmented", "case 2", "better than it is")


def test_a_catalogue_narrows():
    predicted, true = label_maps("predicted", range(6)), label_maps("true", range(6))
    chosen = table("few.csv", [("image", "patient"), ("true/case 1.nii.gz", "a"), ("true/case 4.nii.gz", "b")])
    evaluation = evaluated(predicted, "--truth", true, "--catalog", chosen)
    assert evaluation["images"] == 2 and about(evaluation, "4 pairs not in the catalogue", "case 0")


def test_no_pair_at_all_is_refused():
    label_maps("predicted", (0, 1)), label_maps("true", (2, 3))
    result = CliRunner().invoke(app, ["evaluate", "predicted", "--truth", "true"])
    assert isinstance(result.exception, MedSSLError)
    assert result.exception.code == "label-maps-missing" and "case 2" in result.exception.rule


@pytest.mark.parametrize("source", ["folder", "catalogue", "index"])
def test_the_worst_cases_are_drawn_over_their_images(source):
    predicted, true = label_maps("predicted", (0,)), label_maps("true", (0,))
    Path("scans/a").mkdir(parents=True)
    ramp = np.broadcast_to(np.arange(12, dtype=np.float32)[:, None, None], (12, 10, 6)).copy()
    write_volume(Volume(ramp, (1, 1, 2)), Path("scans/a/case 0.nrrd"))
    row = ("scans/a/case 0.nrrd", "p", "done", "", "case 0.nii.gz")
    if source == "index":
        table("predicted/index.csv", [("image", "patient", "status", "error", "output"), row])
    more = {"folder": ["--images", "scans"], "index": []}.get(source)
    if more is None:
        more = ["--catalog", table("all.csv", [("image", "patient"), row[:2]])]
    evaluation = evaluated(predicted, "--truth", true, *more)
    assert not about(evaluation, "label maps alone")
    assert "data:image/png" in Path("out/report.html").read_text().partition("Worst cases")[2]
    assert len(greys(Path("out/pictures/worst-1.png"))) > 6  # the ramp, and not one dark ground


def test_without_images_it_says_what_is_missing():
    evaluation = evaluated(label_maps("predicted", (0,)), "--truth", label_maps("true", (0,)))
    assert about(evaluation, "1 of 1 picture", "--images") and len(greys(Path("out/pictures/worst-1.png"))) < 3
    page = Path("out/report.html").read_text().partition("Worst cases")[2]
    assert "data:image/png" in page and "have no picture" not in page


def test_a_table_of_cases_says_that_it_has_no_pictures():
    evaluated(label_maps("predicted", (0,)), "--truth", label_maps("true", (0,)))
    evaluated("out/cases.csv")
    assert "--images FOLDER" in Path("out/report.html").read_text()


def greys(path: Path) -> set[int]:
    """Grey values that fill more than a hundredth of a picture, without paper and ink."""
    pixels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)
    grey = pixels[(np.ptp(pixels.astype(int), axis=1) == 0)][:, 0]
    counts = np.bincount(grey, minlength=256)
    return set(np.flatnonzero(counts > len(pixels) / 200)) - {255}


def test_label_maps_of_images_that_trained_the_model_are_no_test():
    predicted, true = label_maps("predicted", range(6)), label_maps("true", range(6))
    Path("scans").mkdir()
    for n in range(6):
        write_volume(
            Volume(np.arange(720, dtype=np.int16).reshape(12, 10, 6), (1, 1, 2)), Path("scans") / f"case {n}.nrrd"
        )
    data = DataSpec(path=str(Path("scans").absolute()), test_fraction=0.3)
    job = JobStore(Path("home")).create(JobSpec("finetune", "segmentation", {}, data))
    Path("predicted/apply.json").write_text(json.dumps({"job": job}))
    evaluation = evaluated(predicted, "--truth", true, "--images", "scans")
    assert about(evaluation, "NOT A TEST", "3 trained the model, 1 chose its weights, 2 are of its own test", job)
