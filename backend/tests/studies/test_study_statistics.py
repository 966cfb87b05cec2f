from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeRun
from refusals import refused
from scipy import stats
from sklearn.metrics import roc_auc_score
from study_fakes import FAKE, study_spec, write_catalog

from medssl.core.files import read_json
from medssl.evaluation.prediction_tables import Predictions, read_predictions, write_predictions
from medssl.evaluation.statistics.bootstrap import PatientBootstrap
from medssl.evaluation.statistics.crossed import CROSSED
from medssl.studies.comparison.check import read_study
from medssl.studies.comparison.plan import FINISHED, RunKey, RunResult
from medssl.studies.comparison.run import compare
from medssl.studies.report.paper_tables import markdown, result_rows
from medssl.studies.results.differences import BOOTSTRAP, PAIRED, verdict
from medssl.studies.results.numbers import mean_sd
from medssl.studies.results.scores import PredictionScores
from medssl.studies.results.summaries import summary


def studied(tmp_path: Path, **options) -> tuple[FakeRun, dict]:
    data = write_catalog(tmp_path / "data", 60)
    run = FakeRun(tmp_path / "home" / "jobs" / "job", tmp_path / "home")
    compare(study_spec(data, **options), run, FAKE)
    return run, read_json(run.folder / "results" / "comparison.json")


@pytest.fixture(scope="module")
def five_seeds(tmp_path_factory) -> tuple[FakeRun, dict]:
    return studied(tmp_path_factory.mktemp("five"), seeds=5, replicates=2000)


def runs_of(told: dict, arm: str, size: float, metric: str = "test_dice") -> list[float]:
    return [row[metric] for row in told["runs"] if (row["arm"], row["size"]) == (arm, size)]


def test_the_t_interval_is_scipys():
    values = [0.7, 0.72, 0.69, 0.75]
    line = summary("a", 5, values)
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (line.low, line.high, line.sd) == pytest.approx((low, high, np.std(values, ddof=1)))
    assert summary("a", 5, [0.7]).low is None and summary("a", 5, []).mean is None


def test_tests_over_seeds_are_scipys_and_holms_family_is_the_study(five_seeds):
    _, told = five_seeds
    rows = {(row["size"], row["test"]): row for row in told["differences"]}
    raised = {}
    for size in (5, 10):
        genesis, scratch = (runs_of(told, arm, size) for arm in ("genesis", "scratch"))
        assert rows[size, "independent t"]["p"] == pytest.approx(stats.ttest_ind(genesis, scratch).pvalue)
        paired = stats.ttest_rel(genesis, scratch)
        row = rows[size, "paired t"]
        assert row["p"] == pytest.approx(paired.pvalue) and row["n"] == 5
        assert (row["low"], row["high"]) == pytest.approx(tuple(paired.confidence_interval()))
        raised[size] = row
    smaller, larger = sorted(raised.values(), key=lambda row: row["p"])
    assert smaller["adjusted_p"] == pytest.approx(2 * smaller["p"])
    assert larger["adjusted_p"] == pytest.approx(max(larger["p"], 2 * smaller["p"]))


def test_the_patient_bootstrap_compares_means_over_seeds_on_the_same_patients(five_seeds):
    run, told = five_seeds
    row = next(row for row in told["differences"] if (row["size"], row["test"]) == (5, "patient bootstrap"))
    per_case = {}
    for arm in ("genesis", "scratch"):
        tables = []
        for seed in range(5):
            with (run.folder / "runs" / arm / "5" / str(seed) / "results" / "cases.csv").open(newline="") as file:
                tables.append([float(case["dice"]) for case in csv.DictReader(file) if case["class"] == "mean"])
        per_case[arm] = np.mean(tables, axis=0)
    off = per_case["genesis"] - per_case["scratch"]
    assert row["difference"] == pytest.approx(off.mean()) and row["n"] == len(off) == 20
    error = off.std(ddof=1) / np.sqrt(len(off))
    assert row["low"] == pytest.approx(off.mean() - 2.09 * error, abs=0.8 * error)
    assert row["high"] == pytest.approx(off.mean() + 2.09 * error, abs=0.8 * error)


def test_auc_is_tested_by_delong_on_probabilities_averaged_over_seeds(tmp_path):
    run, told = studied(tmp_path, task="classification", patients=[5], seeds=3, config={"labels": "Pneumonia,Mass"})
    rows = [row for row in told["differences"] if row["test"] == "DeLong (ensemble)"]
    assert [row["class"] for row in rows] == ["Pneumonia", "Mass"]
    areas = {}
    for arm in ("genesis", "scratch"):
        tables = [
            read_predictions(run.folder / "runs" / arm / "5" / str(seed) / "results" / "predictions.csv")
            for seed in range(3)
        ]
        mean = np.mean([table.probabilities for table in tables], axis=0)
        areas[arm] = [roc_auc_score(tables[0].targets[:, n], mean[:, n]) for n in range(2)]
    assert [row["difference"] for row in rows] == pytest.approx(
        np.subtract(areas["genesis"], areas["scratch"]).tolist()
    )
    boot = next(row for row in told["differences"] if row["test"] == "patient bootstrap")
    genesis, scratch = (np.mean(runs_of(told, arm, 5, "test_auc")) for arm in ("genesis", "scratch"))
    assert boot["difference"] == pytest.approx(genesis - scratch)


def test_groups_are_told_apart_with_their_gaps(tmp_path):
    _, told = studied(tmp_path, patients=[5], groups=["sex", "age:0,50"])
    assert {(row["attribute"], row["group"]) for row in told["groups"]} == {
        ("sex", "F"), ("sex", "M"), ("age", "0 to 50"), ("age", "50 and above"),
    }  # fmt: skip
    assert len(told["gaps"]) == 2 * 2 and all(row["low"] <= row["difference"] <= row["high"] for row in told["gaps"])
    whole = {row["arm"]: row["mean"] for row in told["summary"] if row["metric"] == "dice"}
    of_sex = [row for row in told["groups"] if row["arm"] == "genesis" and row["attribute"] == "sex"]
    assert np.average([r["value"] for r in of_sex], weights=[r["images"] for r in of_sex]) == pytest.approx(
        whole["genesis"]
    )


def test_identical_runs_are_called_so():
    line = summary("a", 5, [0.8125, 0.8125, 0.8125])
    assert (line.mean, line.sd, line.low, line.high) == (0.8125, 0.0, None, None)
    assert mean_sd(line.mean, line.sd) == "0.812, identical" and mean_sd(0.8125, 1e-3) == "0.812 ± 0.001"
    study = read_study({"task": "segmentation", "arms": [{"name": "scratch"}, {"name": "b"}], "seeds": 2})
    same = [RunResult(RunKey(arm, 1.0, seed), FINISHED, {"dice": 0.5}) for arm in ("scratch", "b") for seed in (0, 1)]
    assert result_rows(study, same)[1][0][3:] == ["0.500", "identical", "-"]
    text = markdown(study, same, [])
    assert "0.500, identical (2)" in text and "± 0.000" not in text


def test_the_mean_over_classes_of_a_study_rests_on_its_rarest_class(tmp_path):
    targets = np.zeros((40, 3))
    targets[:20, 0], targets[:3, 1] = 1, 1  # the third class has no positive image, and is in no mean
    names = tuple(f"{n}.png" for n in range(40)), tuple(f"p{n}" for n in range(40))
    write_predictions(tmp_path / "predictions.csv", Predictions(*names, ("a", "b", "c"), targets / 2, targets, {}))
    bootstrap, rows = PatientBootstrap(names[1], 10), np.arange(40)
    carried = {m: PredictionScores(tmp_path, m).carriers(rows, bootstrap) for m in ("auc", "sensitivity", "brier")}
    assert carried == {"auc": 3, "sensitivity": 3, "brier": 40}


def test_an_unknown_group_is_told_before_the_first_run(tmp_path):
    with refused("group-unknown", names="'gender'"):
        studied(tmp_path, groups=["gender"])
    with refused("group-unknown", names="'Pneumonia'"):
        studied(tmp_path, task="classification", groups=["Pneumonia"])  # what is predicted is no group
    assert not (tmp_path / "home" / "calls.txt").exists()


def test_the_cross_table_compares_with_the_arm_trained_on_the_tested_group(tmp_path):
    _, told = studied(tmp_path, patients=[5], train_on="sex")
    cells = {(row["arm"], row["trained_on"], row["tested_on"]): row for row in told["cross"]}
    assert len(cells) == 2 * 2 * 2 and cells["genesis", "F", "F"]["difference"] is None
    for arm in ("scratch", "genesis"):
        crossed, own = cells[arm, "F", "M"], cells[arm, "M", "M"]
        assert crossed["difference"] == pytest.approx(crossed["value"] - own["value"])
    assert {(row["arm"], row["reference"]) for row in told["differences"]} == {
        ("genesis sex-F", "scratch sex-F"), ("genesis sex-M", "scratch sex-M"),
    }  # fmt: skip


def rows(difference: float, p: float = 0.001, test: str = CROSSED) -> list[dict]:
    return [{"difference": difference, "adjusted_p": p, "class": "", "test": test}]


def test_the_crossed_bootstrap_decides_and_where_there_is_none_the_patients_do():
    study = read_study({"task": "segmentation", "arms": [{"name": "scratch"}, {"name": "b"}]})
    distance = read_study({"task": "segmentation", "metric": "hd95", "arms": [{"name": "scratch"}, {"name": "b"}]})
    assert verdict(study, rows(0.1)) == "better" and verdict(study, rows(-0.1)) == "worse"
    assert verdict(distance, rows(0.1)) == "worse" and verdict(distance, rows(-2.0)) == "better"
    others = [*rows(0.1, 0.001, BOOTSTRAP), *rows(0.1, 0.001, PAIRED)]
    assert verdict(study, [*others, *rows(0.1, 0.06)]) == verdict(study, []) == "open"
    assert verdict(study, [*rows(0.1, 0.06, PAIRED), *rows(0.1, 0.001, BOOTSTRAP)]) == "better"


def test_the_report_states_its_choices_and_marks_what_is_better(five_seeds):
    run, _ = five_seeds
    results = run.folder / "results"
    page = (results / "report.html").read_text(encoding="utf-8")
    for told in (
        "Selection: in every run",
        "Seeds: 0, 1, 2, 3, 4.",
        "test 20 patients",
        "steps 150",
        "drawn from",
        "Holm",
    ):
        assert told in page
    assert page.count("data:image/png") == 3 and "is better than scratch in Dice" in page
    table = (results / "table.md").read_text(encoding="utf-8")
    assert table.count("**") == 4 and r"\textbf{" in (results / "table.tex").read_text(encoding="utf-8")


def test_a_study_of_one_seed_has_no_tests_over_seeds(tmp_path):
    _, told = studied(tmp_path, seeds=1)
    assert {row["test"] for row in told["differences"]} == {"patient bootstrap"}
