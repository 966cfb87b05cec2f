"""Groups of test patients: the metric of every arm in each, and what training on one group does to the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from medssl.evaluation.metrics.classification_metrics import MEAN
from medssl.evaluation.statistics.bootstrap import Statistic
from medssl.evaluation.statistics.resampled import Resampled
from medssl.evaluation.subgroups import adjusted, evaluate_groups, group_by
from medssl.studies.comparison.config import Arm, Study
from medssl.studies.comparison.plan import base_name
from medssl.studies.results.scores import StudyScores

Rows = list[dict[str, Any]]


def group_tables(study: Study, scores: StudyScores) -> tuple[Rows, Rows]:
    """Rows of arm, size, attribute, group with value and interval; rows of the gaps between groups with p and Holm's p.

    Values are means over seeds; intervals draw test patients.

    Raises:
        InputError: an attribute that the test images do not have.
    """
    table: Rows = []
    gaps: Rows = []
    if not scores.any or not study.replicates:
        return table, gaps
    groupings = [group_by(asked, scores.any.attributes) for asked in study.groups]
    for size in study.sizes:
        for arm in study.arms:
            if not (seeds := scores.seeds(arm.name, size)):
                continue

            def measure(rows: np.ndarray, arm: Arm = arm, size: float = size, seeds: list[int] = seeds) -> Any:
                carriers = scores.runs(arm.name, size, seeds[:1])[0].carriers(rows, scores.bootstrap)
                return [(MEAN, study.metric)], over_seeds(scores, arm.name, size, seeds, rows), np.array([carriers]), {}

            for grouping in groupings:
                found, between = evaluate_groups(grouping, scores.bootstrap, measure)
                where = {"size": size, "arm": arm.name}
                table += [{**where, **row} for row in found]
                gaps += [{**where, **row} for row in between]
    return _without_class(table), _without_class(adjusted(gaps, ("attribute",)))


def cross_table(study: Study, scores: StudyScores) -> Rows:
    """Trained on one value of an attribute, tested on each: metric, and difference to the arm trained on the tested group.

    The design of the bias analysis of Foundation Ark (Ma et al., MICCAI 2023): a fair model does on a group what it would do
    had it been trained on that group.
    """
    if not study.train_on or not scores.any or not study.replicates:
        return []
    grouping = group_by(study.train_on, scores.any.attributes, as_written=True)
    rows: Rows = []
    for size in study.sizes:
        for arm in study.arms:
            for group, members in zip(grouping.names, grouping.members):
                rows += _cell(study, scores, arm, size, group, members)
    return adjusted(rows, ("metric",))


def _cell(study: Study, scores: StudyScores, arm: Arm, size: float, group: str, members: np.ndarray) -> Rows:
    own = _trained_on(study, arm, group)
    seeds = [seed for seed in scores.seeds(arm.name, size) if not own or seed in scores.seeds(own.name, size)]
    if not seeds:
        return []
    carriers = scores.runs(arm.name, size, seeds[:1])[0].carriers(members, scores.bootstrap)
    here = _resampled(scores, arm, size, seeds, members)
    row = {
        "size": size, "arm": base_name(study, arm), "attribute": study.train_on, "trained_on": arm.train_on,
        "tested_on": group, "images": len(members), "metric": study.metric,
        **here.intervals([carriers])[0].as_dict(), "difference": None, "difference_low": None, "difference_high": None,
        "p": None,
    }  # fmt: skip
    if own and own != arm:
        test = here.minus(_resampled(scores, own, size, seeds, members)).tests([carriers])[0]
        row |= {"difference": test.difference, "difference_low": test.low, "difference_high": test.high, "p": test.p}
    return [row]


def over_seeds(scores: StudyScores, arm: str, size: float, seeds: list[int], rows: np.ndarray) -> Statistic:
    """The mean over seeds of the metric on some images."""
    statistics = [run.statistic(rows) for run in scores.runs(arm, size, seeds)]
    return lambda weights: np.mean([statistic(weights) for statistic in statistics], axis=0)


def _resampled(scores: StudyScores, arm: Arm, size: float, seeds: list[int], rows: np.ndarray) -> Resampled:
    statistic = over_seeds(scores, arm.name, size, seeds, rows)
    return scores.bootstrap.resample(lambda weights: statistic(weights[:, rows]))


def _trained_on(study: Study, arm: Arm, group: str) -> Arm | None:
    """The same arm, trained on the group."""
    same = (other for other in study.arms if base_name(study, other) == base_name(study, arm))
    return next((other for other in same if other.train_on == group), None)


def _without_class(rows: Rows) -> Rows:
    return [{name: value for name, value in row.items() if name not in ("class", "test", "name")} for row in rows]
