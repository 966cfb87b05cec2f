"""The tables of a comparison: every run, and each arm at each size over its seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from medssl.evaluation.statistics.interval import LEVEL
from medssl.evaluation.statistics.significance import LEAST_SPREAD
from medssl.studies.comparison.config import Study
from medssl.studies.comparison.plan import FINISHED, RunResult
from medssl.studies.results.scores import StudyScores


@dataclass(frozen=True)
class Summary:
    """A metric of one arm at one size over seeds: mean, standard deviation, 95 % t interval of the mean.

    Runs that are all the same have a deviation of 0 and no interval: seeds changed nothing, so that they tell nothing.
    """

    arm: str
    size: float
    runs: int
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None


def values_of(outcomes: Iterable[RunResult], arm: str, size: float, metric: str) -> dict[int, float]:
    """seed -> test value of the finished runs that have one."""
    found = {
        o.key.seed: o.test.get(metric) for o in outcomes if (o.key.arm, o.key.size, o.state) == (arm, size, FINISHED)
    }
    return {seed: value for seed, value in found.items() if value is not None}


def on_same_images(study: Study, outcomes: Sequence[RunResult], scores: StudyScores) -> list[RunResult]:
    """The outcomes with the study's metric over the images that are compared, where some were left out."""
    if not scores.left_out:
        return list(outcomes)

    def measured(outcome: RunResult) -> RunResult:
        run = scores.run(outcome.key)
        return replace(outcome, test={**outcome.test, study.metric: run.value(np.arange(len(run.images)))})

    return [measured(outcome) if outcome.state == FINISHED else outcome for outcome in outcomes]


def summarise(study: Study, outcomes: Sequence[RunResult], metric: str = "") -> list[Summary]:
    """A line per size and arm."""
    return [
        summary(arm.name, size, list(values_of(outcomes, arm.name, size, metric or study.metric).values()))
        for size in study.sizes
        for arm in study.arms
    ]


def summary_rows(study: Study, outcomes: Sequence[RunResult]) -> list[dict[str, Any]]:
    """A row per metric, size and arm; the study's own metric first."""
    metrics = dict.fromkeys([study.metric, *(name for o in outcomes for name in o.test)])
    return [{"metric": name, **asdict(line)} for name in metrics for line in summarise(study, outcomes, name)]


def summary(arm: str, size: float, values: Sequence[float]) -> Summary:
    """Mean, standard deviation (n - 1) and t interval; what too few runs cannot tell is None."""
    count = len(values)
    mean = float(np.mean(values)) if count else None
    if mean is None or count < 2:
        return Summary(arm, size, count, mean, None, None, None)
    if float(np.ptp(values)) <= LEAST_SPREAD:
        return Summary(arm, size, count, mean, 0.0, None, None)
    sd = float(np.std(values, ddof=1))
    half = float(stats.t.ppf((1 + LEVEL / 100) / 2, count - 1)) * sd / math.sqrt(count)
    return Summary(arm, size, count, mean, sd, mean - half, mean + half)


def run_rows(outcomes: Sequence[RunResult]) -> list[dict[str, Any]]:
    """A row per run: how it ended, its validation and test metrics."""
    metrics = list(dict.fromkeys(name for o in outcomes for name in o.test))
    validated = list(dict.fromkeys(name for o in outcomes for name in o.validation))
    return [
        {
            "arm": o.key.arm, "size": o.key.size, "seed": o.key.seed, "state": o.state,
            **{f"validation_{name}": o.validation.get(name) for name in validated},
            **{f"test_{name}": o.test.get(name) for name in metrics}, "error": o.error,
        }
        for o in outcomes
    ]  # fmt: skip


def timing_rows(outcomes: Sequence[RunResult]) -> list[dict[str, Any]]:
    """How long each run took; apart from the other tables, which say the same after any interruption."""
    return [{"arm": o.key.arm, "size": o.key.size, "seed": o.key.seed, "seconds": o.seconds} for o in outcomes]
