"""Classes of which nothing is known in a part, a group or a replicate: no number, a note, and never an IndexError."""

from __future__ import annotations

import math

import numpy as np
import pytest

from medssl.datasets.catalog.label_checks import class_notes, label_map_notes
from medssl.evaluation.evaluate import evaluate_classification, evaluate_segmentation
from medssl.evaluation.metrics.classification_metrics import classification_metrics
from medssl.evaluation.metrics.segmentation_metrics import case_metrics
from medssl.evaluation.metrics.weighted import ScoredClass
from medssl.evaluation.prediction_tables import Predictions

NAN = float("nan")


def predictions(targets: np.ndarray, groups: list[str] | None = None) -> Predictions:
    count, classes = targets.shape
    scores = np.random.default_rng(1).random(targets.shape)
    return Predictions(
        images=tuple(f"{n}.png" for n in range(count)), patients=tuple(f"p{n}" for n in range(count)),
        names=tuple("ABCD"[:classes]), probabilities=scores, targets=targets,
        attributes={"site": tuple(groups)} if groups else {},
    )  # fmt: skip


def test_a_class_without_cases_has_no_numbers():
    nothing = np.empty(0)
    scored = ScoredClass(nothing.astype(bool), nothing, nothing.astype(bool), 0.9)
    assert np.isnan(scored.metrics(np.ones((3, 0)))).all() and np.isnan(scored.auc(np.ones((2, 0)))).all()


@pytest.mark.parametrize("unknown", [0, 1, 2])
@pytest.mark.parametrize("kind", ["multi-label"])
def test_means_leave_a_class_without_a_known_label_out(unknown, kind):
    targets = np.tile([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]], (6, 1))
    targets[:, unknown] = NAN
    found = evaluate_classification(predictions(targets), replicates=200, kind=kind)
    name = "ABC"[unknown]
    assert all(row["value"] is None for row in found["metrics"][name].values())
    others = [found["metrics"][other]["auc"]["value"] for other in "ABC" if other != name]
    assert math.isclose(found["headline"]["auc"], np.mean(others))
    assert any(note.startswith(f"{name}: no image") for note in found["notes"])


def test_also_in_one_group_only():
    targets = np.tile([[0.0, 1.0], [1.0, 0.0]], (6, 1))
    targets[6:, 0] = NAN
    found = evaluate_classification(predictions(targets, ["x"] * 6 + ["y"] * 6), groups=["site"], replicates=200)
    rows = [row for row in found["groups"] if row["group"] == "y" and row["class"] == "A"]
    assert rows and all(row["value"] is None for row in rows)


@pytest.mark.parametrize("targets", [[[NAN], [NAN], [1.0]], [[1.0, NAN], [0.0, NAN], [NAN, NAN]]])
def test_few_known_labels_raise_nothing(targets):
    targets = np.array(targets)
    found = classification_metrics(targets, np.full(targets.shape, 0.5), "multi-label", list("AB")[: targets.shape[1]])
    assert found["A"]["auc"] in (None, 0.5)


def test_a_label_map_that_is_empty_counts_in_no_mean():
    empty, full = np.zeros((6, 6), np.uint8), np.ones((6, 6), np.uint8)
    cases = []
    for n, (predicted, truth) in enumerate([(empty, empty), (full, full), (full, empty)]):
        cases += [{"image": f"{n}", "patient": f"p{n}", **row} for row in case_metrics(predicted, truth, (1, 1), ["a"])]
    found = evaluate_segmentation(cases, replicates=100)
    assert found["counts"]["a"] == {"images": 3, "in both": 1, "in one": 1, "in neither": 1}
    assert found["headline"]["dice"] == 0.5 and len(found["worst"]) == 2
    nothing = evaluate_segmentation(cases[:2], replicates=100)
    assert nothing["headline"]["dice"] is None and not nothing["worst"]
    assert any("no numbers" in note for note in nothing["notes"])


def test_what_is_said_of_classes_before_training():
    targets = {
        "training": np.array([[1.0, 0.0, NAN], [0.0, 1.0, NAN]]), "validation": np.array([[1.0, NAN, 1.0]]),
        "test": np.empty((0, 3)),
    }  # fmt: skip
    notes = class_notes(["A", "B", "C"], "multi-label", targets)
    assert len(notes) == 3 and not any("test" in note for note in notes)
    assert "training" in notes[0] and "C" in notes[0]
    assert "validation" in notes[1] and "label of B" in notes[1]
    assert "negative for A, C" in notes[2]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"training": [(0, 1)], "validation": [(0,), (0,)], "test": []}, ["2 validation images"]),
        ({"training": [(0, 1, 2)], "validation": [(0, 1)], "test": [(0, 1, 2)]}, ["validation label map holds the value 2"]),
        ({"training": [(0, 1), (0,)], "validation": [(0, 1)], "test": [(0,)]}, ["1 of 2 training", "1 test images"]),
        ({"training": [(0, 1)], "validation": [(0, 1)], "test": [(1,)]}, []),
    ],
)  # fmt: skip
def test_what_is_said_of_label_maps_before_training(values, said):
    notes = label_map_notes(values)
    assert len(notes) == len(said) and all(words in note for words, note in zip(said, notes))
