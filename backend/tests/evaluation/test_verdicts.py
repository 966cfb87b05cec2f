"""Sentences on results: better, worse, not shown, too few."""

from __future__ import annotations

import numpy as np
import pytest

from medssl.evaluation.evaluate import evaluate_classification, evaluate_segmentation
from medssl.evaluation.metrics.segmentation_metrics import case_metrics
from medssl.evaluation.prediction_tables import Predictions
from medssl.evaluation.rivals import carriers_of_auc, classification_rows, judge, segmentation_rows
from medssl.evaluation.verdicts import against_rivals, of_arms, of_embeddings, of_restoration, place_not_tested
from medssl.reports.evaluation_report import write_evaluation


def row(
    rival: str, value: float, low: float | None, high: float | None, model: float = 0.8, patients: int = 30
) -> dict:
    return {
        "rival": rival, "metric": "dice", "value": value, "model": model, "patients": patients, "difference": model - value,
        "difference_low": low, "difference_high": high,
    }  # fmt: skip


def test_a_model_has_to_beat_every_rival_by_its_interval():
    weak = row("threshold", 0.2, 0.5, 0.7)
    better = against_rivals([weak, row("mean shape", 0.6, 0.1, 0.3)])
    assert better.good is True and "better than every trivial rival" in better.text and "mean shape" in better.text
    open_ = against_rivals([weak, row("mean shape", 0.75, -0.02, 0.12)])
    assert open_.good is False and "not shown" in open_.text and "mean shape" in open_.text
    worse = against_rivals([weak, row("crop inset", 0.9, -0.15, -0.05)])
    assert worse.good is False and worse.text.startswith("The model is worse than a trivial rival, crop inset")
    wide = against_rivals([row("threshold", 0.7, -0.1, 0.3), row("mean shape", 0.75, 0.01, 0.09)])
    assert wide.good is False and "threshold" in wide.text  # the best rival is beaten, another is not


def test_of_a_distance_less_is_better():
    rows = [row("mean shape", 12.0, -8.0, -2.0, model=7.0)]
    assert against_rivals(rows, higher_is_better=False).good is True
    assert against_rivals(rows, higher_is_better=True).good is False


def test_two_patients_give_no_interval_and_identical_answers_no_advantage():
    few = against_rivals([row("mean shape", 0.5, None, None, patients=2)])
    assert few.good is None and "2 patients, too few" in few.text
    same = against_rivals([row("mean shape", 0.8, None, None)])
    assert same.good is False and "not shown" in same.text


def test_the_arms_of_a_comparison_in_one_sentence():
    won, lost = [row("thumbnail", 0.5, 0.2, 0.4)], [row("thumbnail", 0.5, -0.1, 0.1, model=0.5)]
    arms = [("genesis", won, against_rivals(won)), ("scratch", lost, against_rivals(lost))]
    assert of_arms("all patients", arms[:1]).good is True
    assert "every arm is better" in of_arms("all patients", arms[:1]).text
    assert of_arms("all patients", arms[1:]).good is False
    both = of_arms("all patients", arms)
    assert both.good is None and "only genesis is better than every trivial rival, scratch not" in both.text


def test_restoring_is_held_against_doing_nothing():
    def table(restored: float, distorted: float = 0.02) -> list[dict]:
        values = {"distorted": distorted, "restored": restored, "constant mean": 0.05}
        return [{"image": name, "mse": value} for name, value in values.items()]

    assert of_restoration(table(0.01)).good is True
    assert of_restoration(table(0.03)).good is False and "worse than doing nothing" in of_restoration(table(0.03)).text
    assert of_restoration(table(0.06, distorted=0.07)).good is False
    assert of_restoration(table(0.01, distorted=0.0)).good is None


def test_embeddings_that_are_all_alike_are_called_so():
    assert of_embeddings(5, 0.999).good is False and of_embeddings(5, 0.3).good is True
    assert of_embeddings(1, None).good is None


def predictions(quality: float, patients: int = 60) -> Predictions:
    rng = np.random.default_rng(0)
    truth = (np.arange(patients) % 2).astype(float)[:, None]
    scores = 1 / (1 + np.exp(-(quality * (truth - 0.5) + rng.normal(0, 1, truth.shape))))
    names = tuple(f"i{n}" for n in range(patients)), tuple(f"p{n}" for n in range(patients))
    return Predictions(*names, ("Mass",), scores, truth)


@pytest.mark.parametrize(("quality", "good"), [(4.0, True), (0.0, False)])
def test_a_classifier_beside_rivals_on_the_same_images(tmp_path, quality, good):
    table = predictions(quality)
    evaluation = evaluate_classification(table, replicates=200)
    constant, thumbnail = np.full((60, 1), 0.5), predictions(1.0).probabilities
    rows = classification_rows(
        table, {"constant": constant, "thumbnail": thumbnail}, "binary", carriers_of_auc(evaluation), replicates=200
    )
    assert rows[0]["value"] == pytest.approx(0.5) and rows[0]["patients"] == 30
    assert rows[1]["difference"] == pytest.approx(rows[1]["model"] - rows[1]["value"])
    judged = judge(evaluation, rows, ["It was cropped", ""])
    assert judged["verdict"]["good"] is good and judged["verdict"]["text"].endswith(" It was cropped.")
    page = write_evaluation(judged, tmp_path, "Classification").read_text(encoding="utf-8")
    body = page[page.index("</h1>") + 5 :]
    assert body.startswith('<p class="verdict') and "Trivial rivals" in body  # the first line below the title
    assert (tmp_path / "rivals.csv").read_text(encoding="utf-8").count("\n") == 3


def test_cases_are_paired_with_rivals_by_image_and_unknown_ones_left_out():
    def cases(*dice: float | None) -> list[dict]:
        return [{"image": f"i{n}", "patient": f"p{n}", "class": "mean", "dice": d} for n, d in enumerate(dice)]

    own, rival = cases(0.9, 0.8, None, 0.7, 0.9, 0.8), cases(0.5, 0.6, 0.5, 0.5, 0.4, 0.5)
    (found,) = segmentation_rows(own, {"mean shape": rival}, replicates=200)
    assert (found["model"], found["value"]) == pytest.approx((0.82, 0.5)) and found["patients"] == 5
    assert found["difference"] == pytest.approx(0.32)


def test_an_evaluation_without_rivals_has_a_verdict_and_two_cases_neither_boxes_nor_limits(tmp_path):
    cases = [
        {"image": f"i{n}", "patient": f"p{n}", "class": name, "dice": 0.8, "iou": 0.7, "surface_dice": 0.9, "hd95": 2.0,
         "missed": 0, "volume_ml": 1.0 + n, "reference_volume_ml": 1.5}
        for n in range(2) for name in ("Left", "mean")
    ]  # fmt: skip
    evaluation = evaluate_segmentation(cases, replicates=100)
    assert evaluation["verdict"]["good"] is None and "2 patients, too few" in evaluation["verdict"]["text"]
    assert evaluation["volumes"]["Left"]["low_ml"] is None
    page = write_evaluation(evaluation, tmp_path, "Segmentation").read_text(encoding="utf-8")
    assert "no boxes are drawn" in page and "Limits of agreement need 5 images" in page


def test_what_is_found_where_it_is_not_is_not_called_missed(tmp_path):
    """Eight patients, the finding in five; it is missed in one of these and found in two that lack it, or it is not known."""
    empty, full = np.zeros((6, 6, 3), np.uint8), np.ones((6, 6, 3), np.uint8)
    maps = [(full, full)] * 4 + [(empty, full)] + [(full, empty)] * 2 + [(empty, empty)]

    def evaluation(flat: bool) -> dict:
        return evaluate_segmentation([
            {"image": f"i{n}", "patient": f"p{n}", **row}
            for n, pair in enumerate(maps)
            for row in case_metrics(*(one[..., 0] if flat else one for one in pair), (1, 1, 1), ["a"])
        ], replicates=100)  # fmt: skip

    found = evaluation(False)
    assert found["one_map"]["a"] == {"missed": 1, "found where it is not": 2} and found["counts"]["a"]["in one"] == 3
    assert "with 1 missed, 2 found where it is not (of 8);" in found["verdict"]["text"]
    page = write_evaluation(found, tmp_path, "Segmentation").read_text(encoding="utf-8")
    assert "1 missed, 2 found where it is not (of 8)" in page and "counts as missed" not in page
    assert "with 3 in one of the two maps only (of 8);" in evaluation(True)["verdict"]["text"]


def test_what_does_not_vary_is_not_called_too_few():
    """Sixty patients whom one class tells apart without an error, or whose maps never meet; beside three of one kind."""
    sure, open_ = predictions(100.0), predictions(1.0)
    said = evaluate_classification(sure, replicates=100)["verdict"]
    assert said["good"] is None and "AUC 1.000: it is the same whichever patients are drawn" in said["text"]
    table = Predictions(
        sure.images, sure.patients, ("Mass", "Oedema"), np.hstack([sure.probabilities, open_.probabilities]),
        np.hstack([sure.targets, open_.targets]),
    )  # fmt: skip
    auc = {name: row["auc"] for name, row in evaluate_classification(table, replicates=100)["metrics"].items()}
    assert auc["Mass"]["low"] is None and auc["mean"]["low"] < auc["mean"]["value"] < auc["mean"]["high"]
    few = table.rows(np.append(np.arange(0, 60, 2), [1, 3, 5]))
    found = evaluate_classification(few, replicates=100)
    assert found["metrics"]["mean"]["auc"]["low"] is None and "too few patients" in found["verdict"]["text"]
    never = [{"image": f"i{n}", "patient": f"p{n}", "class": name, "dice": 0.0, "iou": 0.0, "surface_dice": 0.0, "hd95": 9.0,
              "missed": 0} for n in range(50) for name in ("Left", "mean")]  # fmt: skip
    text = evaluate_segmentation(never, replicates=100)["verdict"]["text"]
    assert "Mean Dice 0.000: it is the same whichever patients are drawn" in text and "too few" not in text


def test_a_crop_around_the_target_is_named_with_its_margin():
    assert "50.8 mm: finding the place was not tested" in place_not_tested(50.78, "mm")
