"""Trivial rivals of classifiers on sets where it is known which of them wins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeRun
from PIL import Image
from refusals import refused
from sklearn.metrics import roc_auc_score
from task_sets import run, task_spec, write_pictures, write_table

from medssl.core.errors import CancelledError
from medssl.core.files import read_json
from medssl.core.protocol import DataSpec
from medssl.core.tables import read_table
from medssl.datasets.catalog.labels import LabelSpec
from medssl.images.intensity.config import NormalisationConfig
from medssl.tasks.classification.results import as_predictions
from medssl.tasks.labelled_data import LabelledSplits, check_groups, read_parts
from medssl.tasks.rivals import thumbnails
from medssl.tasks.rivals.classifiers import RivalClassifiers
from medssl.tasks.rivals.metadata import Metadata
from medssl.tasks.transfer_config import SelectionConfig

COUNT = 48
PARTS = ("train", "train", "val", "test")


def write_set(folder: Path, labels: dict[str, np.ndarray], bright: np.ndarray, **columns: Any) -> Path:
    """Noise pictures whose upper half is as bright as `bright` (0…1) says."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for n in range(COUNT):
        pixels = np.random.default_rng(n).normal(110, 25, (80, 72))
        pixels[:40] += 60 * bright[n]
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{n}.png")
        rows.append({"image": f"{n}.png", "patient": f"p{n}", "split": PARTS[n % 4], "modality": "CXR",
                     **{name: values[n] for name, values in {**labels, **columns}.items()}})  # fmt: skip
    return write_table(folder / "set.csv", rows)


def parts_of(tmp_path: Path, table: Path, labels: str, kind: str = "auto") -> tuple[LabelledSplits, FakeRun]:
    job = FakeRun(tmp_path / "job", tmp_path / "home")
    spec = LabelSpec(tuple(labels.split(",")), kind)
    return read_parts(DataSpec(path=str(table)), job, SelectionConfig(), 0, spec), job


def areas(answers: dict[str, dict[str, np.ndarray]], parts: LabelledSplits) -> dict[str, float]:
    return {name: roc_auc_score(parts.test.targets[:, 0], of["test"][:, 0]) for name, of in answers.items()}


FINDING = np.arange(COUNT) // 4 % 2  # as often in every part


def test_where_grey_values_say_it_all_the_thumbnail_wins(tmp_path):
    table = write_set(tmp_path / "set", {"Mass": FINDING}, FINDING, sex=np.where(np.arange(COUNT) % 3, "F", "M"))
    parts, job = parts_of(tmp_path, table, "Mass")
    found = areas(RivalClassifiers(NormalisationConfig(), job).answers(parts).probabilities, parts)
    assert found["thumbnail"] == 1.0 and found["constant"] == 0.5 and found["metadata"] < 0.8


def test_where_age_says_it_all_the_metadata_win(tmp_path):
    ages = 40 + 30 * FINDING + np.arange(COUNT) % 7
    table = write_set(tmp_path / "set", {"Mass": FINDING}, np.zeros(COUNT), age=ages)
    parts, job = parts_of(tmp_path, table, "Mass")
    found = areas(RivalClassifiers(NormalisationConfig(), job).answers(parts).probabilities, parts)
    assert found["metadata"] == 1.0 and found["thumbnail"] < 0.9
    assert found["thumbnail and metadata"] > found["thumbnail"]


def test_without_metadata_there_is_no_such_rival(tmp_path):
    parts, job = parts_of(tmp_path, write_set(tmp_path / "set", {"Mass": FINDING}, FINDING), "Mass")
    answers = RivalClassifiers(NormalisationConfig(), job).answers(parts).probabilities
    assert list(answers) == ["constant", "thumbnail"]
    assert answers["constant"]["test"] == pytest.approx(np.full((12, 1), parts.training.targets.mean()))


def test_several_findings_with_unknown_labels_and_classes_that_exclude_each_other(tmp_path):
    second = np.where(np.arange(COUNT) % 5 == 0, "", np.roll(FINDING, 4).astype(str))
    texts = np.array(["clear", "dense", "wet"])[np.arange(COUNT) // 4 % 3]
    table = write_set(tmp_path / "set", {"Mass": FINDING, "Wet": second, "diagnosis": texts}, FINDING)
    parts, job = parts_of(tmp_path, table, "Mass,Wet")
    answers = RivalClassifiers(NormalisationConfig(), job).answers(parts).probabilities
    assert parts.kind == "multi-label" and answers["thumbnail"]["test"].shape == (12, 2)
    parts, job = parts_of(tmp_path, table, "diagnosis")
    answers = RivalClassifiers(NormalisationConfig(), job).answers(parts).probabilities
    for of_parts in answers.values():
        assert of_parts["validation"].shape == (12, 3)
        assert of_parts["validation"].sum(axis=1) == pytest.approx(np.ones(12))


def test_findings_are_no_metadata_and_texts_that_occur_once_are_none_either():
    rows = [{"Edema": "1", "sex": "0", "age": "40", "view": "PA", "accession": "a1"},
            {"Edema": "0", "sex": "1", "age": "60", "view": "AP", "accession": "a2"},
            {"Edema": "-1", "sex": "1", "age": "", "view": "PA", "accession": "a3"},
            {"Edema": "0", "sex": "0", "age": "50", "view": "AP", "accession": "a4"}]  # fmt: skip
    metadata = Metadata.of(rows)
    assert metadata.names == ["sex", "age", "view"]
    coded = metadata.encode([{"age": "50", "view": "LATERAL"}, {"sex": "1", "view": "AP"}])
    assert coded.shape == (2, 6) and not np.isnan(coded).any()
    assert coded[0].tolist() == [0, 1, 0, 0, 0, 0] and coded[1, 3] == 1 and coded[1, 4:].tolist() == [1, 0]


@pytest.mark.parametrize(
    "name", ["diagnosis", "Finding Labels", "Impression", "pathology_result", "BIRADS class", "tumour_grade"]
)
def test_what_is_known_only_once_an_image_was_read_is_no_metadata(name):
    rows = [{"view": "PA", name: "normal"}, {"view": "AP", name: "airspace"}] * 3
    assert Metadata.of(rows).names == ["view"]


def test_a_thumbnail_is_the_mean_of_its_cells_whatever_is_read_at_once(tmp_path, monkeypatch):
    weights = thumbnails.mean_weights(7, 3)
    assert weights.sum(axis=1) == pytest.approx(np.ones(3)) and weights @ np.ones(7) == pytest.approx(np.ones(3))
    assert thumbnails.mean_weights(6, 3) @ np.arange(6.0) == pytest.approx([0.5, 2.5, 4.5])

    class Volume:
        shape, box, name = (12, 13, 14), (0, 0, 0, 0), "volume"
        statistics = type("Statistics", (), {"minimum": 0.0, "maximum": 100.0})()
        array = np.random.default_rng(0).uniform(0, 100, shape)

        def crop(self, start, size):
            return self.array[tuple(slice(a, a + n) for a, n in zip(start, size))]

    rule = NormalisationConfig(kind="mr-fixed", fixed_low=0.0, fixed_high=100.0)
    whole = thumbnails.thumbnail(Volume(), rule)
    assert whole.shape == (216,) and whole.mean() == pytest.approx(Volume.array.mean() / 100, abs=1e-4)
    monkeypatch.setattr(thumbnails, "AT_ONCE", 400)
    assert thumbnails.thumbnail(Volume(), rule) == pytest.approx(whole, abs=1e-5)


def test_a_cancel_stops_the_rivals(tmp_path):
    parts, job = parts_of(tmp_path, write_set(tmp_path / "set", {"Mass": FINDING}, FINDING), "Mass")
    job.cancel_at = 3
    with pytest.raises(CancelledError):
        RivalClassifiers(NormalisationConfig(), job).answers(parts)


def test_a_fine_tuned_classifier_is_held_against_them(tmp_path):
    data = write_pictures(tmp_path / "set")
    _, job = run(task_spec("classification", data), tmp_path)
    (verdict,) = job.of("verdict")
    evaluation = read_json(job.folder / "results/evaluation.json")
    assert evaluation["verdict"] == {"text": verdict["text"], "good": verdict["good"]}
    rows = read_table(job.folder / "results/rivals.csv").rows
    assert [row["rival"] for row in rows] == ["constant", "thumbnail", "metadata", "thumbnail and metadata"]
    assert "too few for an interval" in verdict["text"]  # three test patients
    what = {row["rival"]: row["what"] for row in evaluation["rivals"]}
    assert what["metadata"].endswith("without the image: shade") and ":" not in what["thumbnail"]


def test_a_label_column_typed_in_another_case_is_no_metadata(tmp_path):
    shades = np.where(FINDING, "bright", "dark")
    table = write_set(tmp_path / "set", {"Shade": shades}, FINDING, sex=np.where(np.arange(COUNT) % 3, "F", "M"))
    parts, job = parts_of(tmp_path, table, "sHADE")
    assert RivalClassifiers(NormalisationConfig(), job).answers(parts).columns == ("sex",)
    with refused("column-missing", names="group 'Shade'"):
        check_groups(parts, ["Shade"])
    assert set(as_predictions(parts.test, parts, parts.test.targets).attributes) == {"sex"}
