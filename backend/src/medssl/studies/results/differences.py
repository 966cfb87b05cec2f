"""Is an arm better than the reference? Every test that the design of a study allows."""

from __future__ import annotations

from typing import Any

import numpy as np

from medssl.evaluation.statistics.delong import delong_test
from medssl.evaluation.statistics.interval import SIGNIFICANT, Test
from medssl.evaluation.statistics.significance import independent_t, paired_t
from medssl.evaluation.subgroups import adjusted
from medssl.studies.comparison.config import Arm, Study
from medssl.studies.comparison.plan import RunResult, reference_of
from medssl.studies.results.scores import PredictionScores, StudyScores
from medssl.studies.results.summaries import values_of

INDEPENDENT, PAIRED, BOOTSTRAP, DELONG = "independent t", "paired t", "patient bootstrap", "DeLong"
WHAT = {
    INDEPENDENT: "two-sample t-test over seeds with equal variances, as in the papers",
    PAIRED: "t-test of differences over seeds: runs of one seed have the same training patients and random numbers",
    BOOTSTRAP: "difference of the means over seeds, test patients drawn with replacement for both arms alike",
    DELONG: "areas under the ROC curves of the probabilities averaged over seeds, on the same test images",
}


def differences(study: Study, outcomes: list[RunResult], scores: StudyScores) -> list[dict[str, Any]]:
    """A row per size, arm, test and class: arm - reference with 95 % interval, p and Holm-adjusted p.

    Holm's family are all rows of one test: every arm, size and (DeLong) class of the study.
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
    found: list[tuple[Test, str, int]] = []
    if min(len(first), len(second)) > 1:
        found.append((independent_t(list(first.values()), list(second.values())), "", len(first) + len(second)))
    if len(both) > 1:
        found.append((paired_t([first[seed] for seed in both], [second[seed] for seed in both]), "", len(both)))
    if both and study.replicates:
        found.append((_bootstrap(scores, arm.name, reference, size, both), "", scores.bootstrap.patients))
    if both and study.metric == "auc":
        found += _delong(scores, arm.name, reference, size, both)
    names = (INDEPENDENT, PAIRED, BOOTSTRAP, DELONG)
    return [
        {
            "size": size, "arm": arm.name, "reference": reference, "metric": study.metric,
            "test": next(name for name in names if test.name.lower().endswith(name.lower())), "class": label, "n": count,
            "difference": test.difference, "low": test.low, "high": test.high, "p": test.p,
        }
        for test, label, count in found
    ]  # fmt: skip


def _bootstrap(scores: StudyScores, arm: str, reference: str, size: float, seeds: list[int]) -> Test:
    first, second = (scores.resampled(name, size, seeds) for name in (arm, reference))
    run = scores.runs(arm, size, seeds[:1])[0]
    carriers = run.carriers(np.arange(len(run.images)), scores.bootstrap)
    return first.minus(second).tests([carriers], BOOTSTRAP)[0]


def _delong(
    scores: StudyScores, arm: str, reference: str, size: float, seeds: list[int]
) -> list[tuple[Test, str, int]]:
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
            found.append((test, label, int(known.sum())))
    return found


def verdict(study: Study, rows: list[dict[str, Any]]) -> str:
    """better, worse or open: what all tests over the whole of one arm at one size agree on after Holm's correction."""
    of_whole = [row for row in rows if not row["class"]]
    if not of_whole or any(row["adjusted_p"] is None or row["adjusted_p"] >= SIGNIFICANT for row in of_whole):
        return "open"
    more = {row["difference"] > 0 for row in of_whole}
    return "open" if len(more) > 1 else "better" if more.pop() == study.higher_is_better else "worse"
