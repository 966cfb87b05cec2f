"""Is an arm better than the reference? Every test that the design of a study allows."""

from __future__ import annotations

from typing import Any

import numpy as np

from medssl.evaluation.statistics.crossed import CROSSED, crossed_test
from medssl.evaluation.statistics.delong import delong_test
from medssl.evaluation.statistics.interval import SIGNIFICANT, Test
from medssl.evaluation.statistics.significance import independent_t, paired_t
from medssl.evaluation.subgroups import adjusted
from medssl.studies.comparison.config import Arm, Study
from medssl.studies.comparison.plan import RunResult, reference_of
from medssl.studies.results.scores import PredictionScores, StudyScores, mean_of_runs
from medssl.studies.results.summaries import values_of

INDEPENDENT, PAIRED, BOOTSTRAP = "independent t", "paired t", "patient bootstrap"
DELONG = "DeLong (ensemble)"
HEADLINES = (CROSSED, BOOTSTRAP, PAIRED, INDEPENDENT)  # the first that a study has decides
WHAT = {
    CROSSED: "difference of the means over seeds, test patients and seeds drawn with replacement, each by itself and for both arms "
    "alike: would it be there with other patients and other seeds? This test decides",
    BOOTSTRAP: "difference of the means over seeds, test patients drawn with replacement for both arms alike: it holds for these "
    "trainings and says nothing of other seeds",
    PAIRED: "t-test of differences over seeds: runs of one seed have the same training patients and random numbers; it holds for "
    "these test patients",
    INDEPENDENT: "two-sample t-test over seeds with equal variances, as in the papers; it holds for these test patients",
    DELONG: "areas under the ROC curves of the probabilities averaged over seeds, on the same test images: a test of the two ensembles "
    "of all seeds, for these trainings, not of the mean AUC of single models",
}


def differences(study: Study, outcomes: list[RunResult], scores: StudyScores) -> list[dict[str, Any]]:
    """A row per size, arm, test and class: arm - reference with 95 % interval, p and Holm-adjusted p.

    Holm's family are all rows of one test: every arm, size and (DeLong) class of the study. The deciding test stands first.
    """
    rows = []
    for size in study.sizes:
        for arm in study.arms:
            if reference := reference_of(study, arm):
                rows += _of_pair(study, outcomes, scores, arm, reference, size)
    return adjusted(rows, ("test",))


def _of_pair(
    study: Study, outcomes: list[RunResult], scores: StudyScores, arm: Arm, reference: str, size: float
) -> list[dict[str, Any]]:
    first, second = (values_of(outcomes, name, size, study.metric) for name in (arm.name, reference))
    both = [seed for seed in study.seeds if seed in first and seed in second]
    found: list[tuple[str, Test, str, int]] = []
    if both and study.replicates:
        crossed, patients = bootstrap_tests(scores, arm.name, reference, size, both)
        if crossed:
            found.append((CROSSED, crossed, "", scores.bootstrap.patients))
        found.append((BOOTSTRAP, patients, "", scores.bootstrap.patients))
    if len(both) > 1:
        found.append((PAIRED, paired_t([first[seed] for seed in both], [second[seed] for seed in both]), "", len(both)))
    if min(len(first), len(second)) > 1:
        test = independent_t(list(first.values()), list(second.values()))
        found.append((INDEPENDENT, test, "", len(first) + len(second)))
    if both and study.metric == "auc":
        found += _delong(scores, arm.name, reference, size, both)
    return [
        {
            "size": size, "arm": arm.name, "reference": reference, "metric": study.metric, "test": name, "class": label,
            "n": count, "difference": test.difference, "low": test.low, "high": test.high, "p": test.p,
        }
        for name, test, label, count in found
    ]  # fmt: skip


def bootstrap_tests(
    scores: StudyScores, arm: str, other: str, size: float, seeds: list[int]
) -> tuple[Test | None, Test]:
    """arm - other over other seeds and patients (None of a single seed), and over other patients alone."""
    pairs = zip(scores.of_seeds(arm, size, seeds), scores.of_seeds(other, size, seeds))
    of_seeds = [first.minus(second) for first, second in pairs]
    run = scores.runs(arm, size, seeds[:1])[0]
    carriers = run.carriers(np.arange(len(run.images)), scores.bootstrap)
    return crossed_test(of_seeds, carriers), mean_of_runs(of_seeds).tests([carriers], BOOTSTRAP)[0]


def _delong(
    scores: StudyScores, arm: str, reference: str, size: float, seeds: list[int]
) -> list[tuple[str, Test, str, int]]:
    runs = [
        [run for run in scores.runs(name, size, seeds) if isinstance(run, PredictionScores)]
        for name in (arm, reference)
    ]
    first, second = (np.mean([run.table.probabilities for run in of_arm], axis=0) for of_arm in runs)
    table = runs[0][0].table
    found = []
    for n, name in enumerate(table.names):
        known = ~np.isnan(table.targets[:, n])
        truth = table.targets[known, n] >= 0.5
        if truth.any() and not truth.all():
            label = name if len(table.names) > 1 else ""
            test = delong_test(truth, first[known, n], second[known, n], np.array(table.patients)[known])
            found.append((DELONG, test, label, int(known.sum())))
    return found


def headline(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The row that decides over one arm at one size: of the first of `HEADLINES` that there is."""
    of_whole = {row["test"]: row for row in rows if not row["class"]}
    return next((of_whole[name] for name in HEADLINES if name in of_whole), None)


def verdict(study: Study, rows: list[dict[str, Any]]) -> str:
    """better, worse or open: what the deciding test of one arm at one size says after Holm's correction."""
    row = headline(rows)
    if row is None or row["adjusted_p"] is None or row["adjusted_p"] >= SIGNIFICANT:
        return "open"
    return "better" if (row["difference"] > 0) == study.higher_is_better else "worse"
