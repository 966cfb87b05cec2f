"""Every arm beside every trivial rival, on the same test patients and the same training sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medssl.evaluation.verdicts import Verdict, against_rivals, of_arms
from medssl.studies.comparison.config import Study
from medssl.studies.comparison.plan import RunKey, describe_size, rival_arm
from medssl.studies.results.differences import bootstrap_tests
from medssl.studies.results.scores import StudyScores
from medssl.studies.results.summaries import Summary, summary

Rows = list[dict[str, Any]]


def rival_keys(study: Study, names: Sequence[str]) -> list[RunKey]:
    """What the rivals answered in place of each run."""
    values = dict.fromkeys(arm.train_on for arm in study.arms)
    arms = [rival_arm(study, name, value) for name in names for value in values]
    return [RunKey(arm, size, seed) for arm in arms for size in study.sizes for seed in study.seeds]


def rival_differences(study: Study, scores: StudyScores, names: Sequence[str]) -> Rows:
    """A row per size, arm and rival: both values and arm - rival over other seeds and patients (of one seed, patients).

    Args:
        scores: of runs and rivals.
        names: of the rivals.
    """
    rows: Rows = []
    for size in study.sizes if study.replicates else ():
        for arm in study.arms:
            for name in names if (finished := scores.seeds(arm.name, size)) else ():
                rival = rival_arm(study, name, arm.train_on)
                crossed, patients = bootstrap_tests(scores, arm.name, rival, size, finished)
                test = crossed or patients
                one = scores.run(RunKey(arm.name, size, finished[0]))
                rows.append({
                    "size": size, "arm": arm.name, "rival": name, "metric": study.metric, "test": test.name,
                    "seeds": len(finished), "patients": one.carriers(np.arange(len(one.images)), scores.bootstrap),
                    "model": _mean(scores, arm.name, size, finished), "value": _mean(scores, rival, size, finished),
                    "difference": test.difference, "difference_low": test.low, "difference_high": test.high, "p": test.p,
                })  # fmt: skip
    return rows


def rival_summaries(study: Study, scores: StudyScores, names: Sequence[str]) -> list[Summary]:
    """A line per size and rival (and value that arms train on), as of arms."""
    arms = dict.fromkeys(key.arm for key in rival_keys(study, names))
    found = []
    for size in study.sizes:
        for arm in arms:
            runs = scores.runs(arm, size, scores.seeds(arm, size))
            found.append(summary(arm, size, [run.value(np.arange(len(run.images))) for run in runs]))
    return found


def rival_verdict(study: Study, rows: Rows, place: str) -> Verdict | None:
    """The sentence on all arms at the largest size that has any; None without rows."""
    if not rows:
        return None
    size = rows[-1]["size"]
    found = []
    for arm in dict.fromkeys(row["arm"] for row in rows if row["size"] == size):
        of_arm = [row for row in rows if (row["arm"], row["size"]) == (arm, size)]
        found.append((arm, of_arm, against_rivals(of_arm, study.higher_is_better)))
    return of_arms(describe_size(study, size), found, study.higher_is_better).with_more(place)


def _mean(scores: StudyScores, arm: str, size: float, seeds: Sequence[int]) -> float:
    return float(np.mean([run.value(np.arange(len(run.images))) for run in scores.runs(arm, size, seeds)]))
