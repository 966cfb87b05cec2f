from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from medssl.core.errors import NotFoundError
from medssl.core.files import to_text
from medssl.evaluation.cross_table import cross_table
from medssl.evaluation.evaluate import evaluate_classification, evaluate_segmentation, guess_kind
from medssl.evaluation.metrics.segmentation_metrics import case_metrics
from medssl.evaluation.prediction_tables import (
    Predictions,
    is_cases,
    read_cases,
    read_predictions,
    write_cases,
    write_predictions,
)
from medssl.evaluation.subgroups import group_by
from medssl.reports.evaluation_report import write_evaluation


def predictions(seed: int = 0, images: int = 120, gap: float = 0.0) -> Predictions:
    """Three findings; with a gap, scores of women say less."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((images, 3)) < 0.4).astype(float)
    women = np.arange(images) // 2 % 2 == 1
    strength = np.where(women, 2.0 - gap, 2.0)[:, None]
    scores = 1 / (1 + np.exp(-(strength * targets - 1 + rng.normal(size=targets.shape))))
    attributes = {
        "sex": tuple("F" if woman else "M" for woman in women), "age": tuple(str(20 + n % 60) for n in range(images)),
        "view": tuple("PA" if n % 2 else "AP" for n in range(images)),
    }  # fmt: skip
    names = tuple(f"{n}.png" for n in range(images)), tuple(f"p{n // 2}" for n in range(images))
    return Predictions(*names, ("Mass", "Oedema", "Hernia"), scores.astype(np.float32), targets, attributes)


def cases(images: int = 12) -> list[dict]:
    rows = []
    for n in range(images):
        truth = np.zeros((12, 12, 6), np.uint8)
        truth[2:8, 2:8, 1:4], truth[9:11, 2:8, 1:4] = 1, 2
        predicted = np.roll(truth, n % 3, axis=1)
        if n == 5:
            predicted[predicted == 2] = 0
        about = {"image": f"{n}.nrrd", "patient": f"p{n}", "attribute_sex": "MF"[n % 2]}
        rows += [{**about, **row} for row in case_metrics(predicted, truth, (1, 1, 2), ["Body", "Tail"])]
    return rows


def test_tables_come_back_as_they_went(tmp_path):
    table = predictions(images=10)
    table.targets[2, 1] = np.nan
    write_predictions(tmp_path / "p.csv", table)
    again = read_predictions(tmp_path / "p.csv")
    assert np.array_equal(again.probabilities.astype(np.float32), table.probabilities)
    assert np.array_equal(again.targets, table.targets, equal_nan=True)
    assert (again.images, again.patients, again.names) == (table.images, table.patients, table.names)
    assert again.attributes == table.attributes and not is_cases(tmp_path / "p.csv")
    write_cases(tmp_path / "c.csv", cases())
    first, again = cases(), read_cases(tmp_path / "c.csv")
    assert is_cases(tmp_path / "c.csv") and len(again) == len(first)
    assert all(again[n][name] == first[n][name] for n in range(len(first)) for name in first[n])


def test_tables_made_by_hand(tmp_path):
    file = tmp_path / "p.csv"
    file.write_text("\ufeffimage,patient,sex,Mass,label_Mass\na.png,1,M,0.25,1\nb.png,1,F,0.5,-1\nc.png,2,F,1,\n")
    table = read_predictions(file)
    assert table.names == ("Mass",) and table.attributes == {"sex": ("M", "F", "F")}
    assert np.array_equal(table.targets[:, 0], [1, np.nan, np.nan], equal_nan=True)
    for text, code, names in (
        ("image,Mass\na,0.5\n", "column-missing", "'patient'"),
        ("image,patient,label_Mass\na,1,0\n", "column-missing", "'Mass'"),
        ("image,patient,Mass,label_Mass\na,1,high,0\n", "number-unreadable", "'high'"),
        ("image,patient,Mass,label_Mass\na,1,0.5\n", "wrong-number-of-fields", "line 2"),
        ("image,patient\na,1\n", "no-predictions", "p.csv"),
    ):
        file.write_text(text)
        with refused(code, names):
            read_predictions(file)
    with pytest.raises(NotFoundError):
        read_predictions(tmp_path / "nothing.csv")


def test_a_table_of_cases_made_by_hand_needs_the_dice_alone(tmp_path):
    rows = [
        f"{n}.nrrd,p{n},{name},{0.5 + 0.02 * n + shift}"
        for n in range(8)
        for name, shift in (("Body", 0.1), ("Tail", 0))
    ]
    (tmp_path / "cases.csv").write_text("\n".join(["image,patient,class,dice", *rows]) + "\n")
    found = evaluate_segmentation(read_cases(tmp_path / "cases.csv"), replicates=100)
    assert found["classes"] == ["Body", "Tail"] and found["metrics"]["mean"]["dice"]["value"] == pytest.approx(0.62)
    assert found["headline"]["hd95"] is None and found["metrics"]["Body"]["iou"]["value"] is None
    assert found["worst"][0]["image"] == "0.nrrd" and found["worst"][0]["iou"] is None
    write_evaluation(found, tmp_path / "out", "By hand")
    assert "0.620" in (tmp_path / "out" / "report.html").read_text()


def test_an_image_without_labels_does_not_change_the_kind_and_is_no_case():
    rng = np.random.default_rng(0)
    targets = np.eye(3)[rng.integers(0, 3, 40)]
    scores = rng.dirichlet(np.ones(3), 40)
    names = tuple(f"{n}.png" for n in range(40)), tuple(f"p{n}" for n in range(40))
    whole = evaluate_classification(Predictions(*names, ("A", "B", "C"), scores, targets), replicates=100)
    more = Predictions(
        (*names[0], "x.png"),
        (*names[1], "px"),
        ("A", "B", "C"),
        np.vstack([scores, scores[:1]]),
        np.vstack([targets, [np.nan] * 3]),
    )
    found = evaluate_classification(more, replicates=100)
    assert found["kind"] == "multi-class" and found["notes"][0] == "1 image without any label is left out"
    assert found["metrics"] == whole["metrics"] and found["confusion"] == whole["confusion"] and found["images"] == 40
    assert guess_kind(np.array([[1, 0, np.nan], [0, 1, 0]])) == "multi-label"


def test_groups():
    ages = {"age": ["5", "39", "40", "", "81"], "sex": ["M", "F", " M", "", "F"]}
    bands = group_by("age:0,40,60", ages)
    assert bands.names == ("0 to 40", "40 to 60", "60 and above", "unknown")
    assert [list(rows) for rows in bands.members] == [[0, 1], [2], [4], [3]]
    assert group_by("age:10", ages).names == ("below 10", "10 and above", "unknown")
    assert group_by("sex", ages).names == ("F", "M", "unknown")
    thirds = group_by("age", {"age": [str(n) for n in range(90)]})
    assert [len(rows) for rows in thirds.members] == pytest.approx([30, 30, 30], abs=1)
    for asked, code in (
        ("view", "group-unknown"), ("age:x", "group-bands"), ("age:40,40", "group-bands"), ("sex:0,1", "group-not-numeric"),
    ):  # fmt: skip
        with refused(code, names=repr(asked)):
            group_by(asked, ages)


def test_words_for_unknown_and_other_writing_make_no_groups_of_their_own():
    columns = {"age": [*map(str, range(30)), "NA", "?"], "sex": ["F", "f", "M", "nan", "m ", "F", *[""] * 26]}
    assert len(group_by("age", columns).names) == 4  # thirds, and the unknown
    sex = group_by("sex", columns)
    assert sex.names == ("F", "M", "unknown") and [len(rows) for rows in sex.members] == [3, 2, 27]
    assert group_by("sex", columns, as_written=True).names == ("F", "M", "f", "m", "unknown")


def test_the_rarest_of_many_values_are_one_group():
    names = [f"site {n:02}" for n in range(20) for _ in range(20 - n)]
    found = group_by("site", {"site": [*names, ""]})
    assert found.names == (*(f"site {n:02}" for n in range(11)), "other", "unknown")
    assert len(found.members[11]) == sum(range(1, 10))


def test_a_gap_is_found_and_none_is_not():
    kinds = {}
    for gap in (0.0, 1.8):
        found = evaluate_classification(predictions(gap=gap, images=400), groups=("sex",), replicates=400)
        kinds[gap] = next(row for row in found["gaps"] if (row["class"], row["metric"]) == ("mean", "auc"))
    assert kinds[1.8]["adjusted_p"] < 0.01 and kinds[1.8]["high"] < 0 and kinds[1.8]["first"] == "F"
    assert kinds[0.0]["p"] > 0.05 and kinds[0.0]["low"] < 0 < kinds[0.0]["high"]


def test_groups_are_held_against_each_other_over_the_classes_they_share():
    table = predictions()
    table.targets[np.array(table.attributes["sex"]) == "F", 2] = 0
    found = evaluate_classification(table, groups=("sex",), replicates=100)
    value = {(row["group"], row["class"]): row["value"] for row in found["groups"] if row["metric"] == "auc"}
    assert value["F", "Hernia"] is None and value["M", "Hernia"] is not None
    assert value["M", "mean"] == pytest.approx((value["M", "Mass"] + value["M", "Oedema"]) / 2)
    assert any("2 classes" in note for note in found["notes"])


def test_patients_in_both_groups_are_drawn_together():
    """AP and PA images of the same patients: equal images give no gap and no spread of it."""
    table = predictions()
    table.targets[1::2], table.probabilities[1::2] = table.targets[::2], table.probabilities[::2]
    found = evaluate_classification(table, groups=("view",), replicates=100)
    assert all(row["difference"] in (0, None) and row["low"] is None for row in found["gaps"])


def test_the_whole_evaluation():
    table = predictions()
    table.targets[:, 2] = 0
    thresholds = {"Mass": 0.4, "Oedema": 0.6, "Hernia": 0.5}
    found = evaluate_classification(table, thresholds, replicates=200)
    assert found == evaluate_classification(table, thresholds, replicates=200)
    assert found["headline"]["auc"] == found["metrics"]["mean"]["auc"]["value"]
    assert found["metrics"]["Hernia"]["auc"] == {"value": None, "low": None, "high": None}
    cells = found["confusion"]["Mass"]
    assert sum(cells.values()) == 120 and cells["tp"] + cells["fn"] == found["counts"]["Mass"]["positives"]
    assert found["metrics"]["Mass"]["sensitivity"]["value"] == pytest.approx(cells["tp"] / (cells["tp"] + cells["fn"]))
    distance = [abs(row["label"] - row["probability"]) for row in found["worst"]]
    assert distance == sorted(distance, reverse=True) and len({row["image"] for row in found["worst"]}) == 12
    assert any("Hernia: no positive" in note for note in found["notes"]) and found["curves"]["Hernia"] == {}
    assert json.loads(to_text(found))["kind"] == "multi-label"


def test_kinds():
    assert guess_kind(np.array([[1.0], [0]])) == "binary"
    assert guess_kind(np.eye(3)) == "multi-class"
    assert guess_kind(np.array([[1.0, 0], [0, 0]])) == guess_kind(np.array([[1.0, np.nan], [0, 1]])) == "multi-label"
    one = predictions()
    rows = np.eye(3)[np.random.default_rng(0).integers(0, 3, 120)]
    shares = one.probabilities / one.probabilities.sum(axis=1, keepdims=True)
    found = evaluate_classification(Predictions(one.images, one.patients, one.names, shares, rows), replicates=100)
    assert found["kind"] == "multi-class" and np.sum(found["confusion"]["table"]) == 120 and found["thresholds"] == {}


def test_no_labels_at_all():
    table = predictions()
    table.targets[:] = np.nan
    with refused("no-labels"):
        evaluate_classification(table)


def test_segmentation():
    found = evaluate_segmentation(cases(), ("sex",), replicates=200)
    by_image = [row["dice"] for row in cases() if row["class"] == "mean"]
    assert found["headline"]["dice"] == pytest.approx(np.mean(by_image))
    assert found["metrics"]["mean"]["dice"]["low"] < np.mean(by_image) < found["metrics"]["mean"]["dice"]["high"]
    assert found["counts"]["Tail"] == {"images": 12, "in both": 11, "in one": 1, "in neither": 0}
    assert found["worst"][0]["dice"] == min(by_image) and any(
        "Tail: 1 image shows it" in note for note in found["notes"]
    )
    assert found["volumes"]["Body"]["bias_ml"] == 0 and found["volumes"]["Tail"]["bias_ml"] < 0
    assert {row["group"] for row in found["groups"]} == {"F", "M"}
    with refused("class-row-missing", names=["11.nrrd", "'mean'"]):
        evaluate_segmentation(cases()[:-1])
    with refused("cases-missing"):
        evaluate_segmentation([])


def test_reports(tmp_path: Path):
    picture = tmp_path / "s" / "pictures" / "worst.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"\x89PNG")
    found = evaluate_segmentation(cases(), ("sex",), replicates=100)
    page = write_evaluation(found, tmp_path / "s", "A & B", {found["worst"][0]["image"]: "pictures/worst.png"})
    text = page.read_text()
    assert "A &amp; B" in text and 'href="pictures/worst.png"' in text and "limits of agreement" in text
    assert {path.name for path in page.parent.iterdir()} >= {"evaluation.json", "metrics.csv", "groups.csv", "gaps.csv"}
    found = evaluate_classification(predictions(), {"Mass": 0.4}, replicates=100)
    text = write_evaluation(found, tmp_path / "c", "Findings").read_text()
    assert "Calibration" in text and "0.400" in text and "http" not in text and "None" not in text
    one = predictions()
    one = Predictions(one.images, one.patients, ("Mass",), one.probabilities[:, :1], one.targets[:, :1])
    found = evaluate_classification(one, replicates=100)
    assert "mean" not in found["metrics"] and "AUC" in write_evaluation(found, tmp_path / "b", "One").read_text()


def test_a_mean_is_no_surer_than_its_classes():
    table = predictions(gap=1.0)
    table.targets[:, 2] = 0
    table.targets[[0, 42, 81], 2] = 1  # three patients with a hernia, a woman among them
    evaluation = evaluate_classification(table, groups=["sex"], replicates=200)
    assert evaluation["metrics"]["Mass"]["auc"]["low"] is not None
    for metric in ("auc", "sensitivity"):
        mean = evaluation["metrics"]["mean"][metric]
        assert mean["value"] is not None and mean["low"] is None and mean["high"] is None
    assert evaluation["metrics"]["mean"]["brier"]["low"] is not None  # every patient carries that of every class
    for row in evaluation["groups"]:
        if row["metric"] == "auc":
            assert (row["low"] is None) == (row["class"] in ("Hernia", "mean"))
    gaps = {row["class"]: row for row in evaluation["gaps"] if row["metric"] == "auc"}
    assert gaps["Mass"]["p"] is not None and gaps["mean"]["difference"] is not None
    assert gaps["mean"]["p"] is gaps["mean"]["adjusted_p"] is gaps["mean"]["low"] is None
    assert any("nor of a mean over classes" in note for note in evaluation["notes"])


def test_a_class_outside_the_mean_does_not_make_it_unsure():
    table = predictions(gap=1.0)
    table.targets[:, 2] = 0
    evaluation = evaluate_classification(table, groups=["sex"], replicates=200)
    assert evaluation["metrics"]["mean"]["auc"]["low"] is not None
    assert all(row["p"] is not None for row in evaluation["gaps"] if (row["class"], row["metric"]) == ("mean", "auc"))


def test_trained_on_each_a_mean_is_no_surer_either():
    tables = {"M": predictions(1), "F": predictions(1, gap=1.5)}
    for table in tables.values():
        table.targets[:, 2] = 0
        table.targets[[0, 2, 40, 81], 2] = 1
    rows = [row for row in cross_table(tables, "sex", replicates=200) if row["class"] in ("Mass", "mean")]
    assert all((row["low"] is None) == (row["class"] == "mean") for row in rows)
    assert all((row["p"] is None) == (row["class"] == "mean") for row in rows if row["difference"])


def test_images_of_the_same_name_of_several_patients_are_several_cases():
    rows = [{**row, "image": "T1.nii.gz"} for row in cases(6)]
    alone = evaluate_segmentation(cases(6), replicates=20)
    found = evaluate_segmentation(rows, replicates=20)
    assert (found["images"], found["patients"]) == (6, 6) == (alone["images"], alone["patients"])
