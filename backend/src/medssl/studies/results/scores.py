"""What the runs of a study say of the test images: a metric as a function of how often each image counts."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from medssl.core.capabilities import SEGMENT
from medssl.core.files import read_json
from medssl.evaluation.case_statistic import CaseTable
from medssl.evaluation.evaluate import OF_BOTH, OF_POSITIVES, guess_kind
from medssl.evaluation.metrics.classification_metrics import MEAN, OF_THE_TABLE, ClassificationMetrics
from medssl.evaluation.prediction_tables import Predictions, read_cases, read_predictions
from medssl.evaluation.statistics.bootstrap import PatientBootstrap, Statistic
from medssl.evaluation.statistics.resampled import Resampled
from medssl.studies.comparison.config import Study
from medssl.studies.comparison.plan import FINISHED, RunKey, RunResult
from medssl.tasks import TASKS


class RunScores(ABC):
    """The test images of one run.

    Attributes:
        images, patients, attributes: of the test images; the same for every run of a study.
    """

    images: tuple[str, ...]
    patients: tuple[str, ...]
    attributes: dict[str, tuple[str, ...]]

    @abstractmethod
    def statistic(self, rows: np.ndarray) -> Statistic:
        """The metric over some images: weights (R, rows) -> (R, 1)."""

    def carriers(self, rows: np.ndarray, bootstrap: PatientBootstrap) -> int:
        """The number of patients that the metric rests on."""
        return bootstrap.patients_among(rows)

    def value(self, rows: np.ndarray) -> float:
        """The metric over some images."""
        return float(self.statistic(rows)(np.ones((1, len(rows))))[0, 0])


class CaseScores(RunScores):
    """Of a segmentation: the mean over images of each image's mean over classes."""

    def __init__(self, folder: Path, metric: str) -> None:
        self._table = CaseTable(read_cases(folder / "cases.csv"))
        self._column = self._table.keys.index((MEAN, metric))
        self.images, self.patients = tuple(self._table.images), tuple(self._table.patients)
        self.attributes = self._table.attributes

    def statistic(self, rows: np.ndarray) -> Statistic:
        table, column = self._table.rows(rows), self._column
        return lambda weights: table.statistic(weights)[:, [column]]


class PredictionScores(RunScores):
    """Of a classification: the metric of the one class, or its mean over classes."""

    def __init__(self, folder: Path, metric: str) -> None:
        self.table: Predictions = read_predictions(folder / "predictions.csv")
        self.images, self.patients = tuple(self.table.images), tuple(self.table.patients)
        self.attributes = self.table.attributes
        file = folder / "evaluation.json"
        stored = read_json(file) if file.is_file() else {}
        self._kind = stored.get("kind") or guess_kind(self.table.targets)
        self._thresholds, self._specificity = stored.get("thresholds"), stored.get("specificity", 0.9)
        self._metric, self._class = metric, MEAN if len(self.table.names) > 1 else self.table.names[0]

    def statistic(self, rows: np.ndarray) -> Statistic:
        table = self.table
        metrics = ClassificationMetrics(
            table.targets[rows], table.probabilities[rows], self._kind, table.names, self._thresholds, self._specificity
        )
        column = metrics.keys.index((self._class, self._metric))
        return lambda weights: metrics(weights)[:, [column]]

    def carriers(self, rows: np.ndarray, bootstrap: PatientBootstrap) -> int:
        of_table = self._kind == "multi-class" and self._metric in OF_THE_TABLE
        if of_table or self._metric not in (*OF_BOTH, *OF_POSITIVES):
            return bootstrap.patients_among(rows)
        found = []
        for truth in self.table.targets[rows].T:
            positive, negative = (bootstrap.patients_among(rows[kind]) for kind in (truth >= 0.5, truth < 0.5))
            found.append(positive if self._metric in OF_POSITIVES else min(positive, negative))
        return min([count for count in found if count], default=0)  # a mean is no surer than any class in it


class StudyScores:
    """The finished runs of a study, read when they are asked for."""

    def __init__(self, study: Study, root: Path, outcomes: Sequence[RunResult]) -> None:
        self.study, self._root = study, root
        self._finished = [o.key for o in outcomes if o.state == FINISHED]
        self._runs: dict[RunKey, RunScores] = {}
        self._resampled: dict[RunKey, Resampled] = {}

    def seeds(self, arm: str, size: float) -> list[int]:
        """The seeds whose runs are finished."""
        return [key.seed for key in self._finished if (key.arm, key.size) == (arm, size)]

    def run(self, key: RunKey) -> RunScores:
        """One run's scores."""
        if key not in self._runs:
            kind = CaseScores if TASKS[self.study.task].answers == SEGMENT else PredictionScores
            self._runs[key] = kind(key.folder(self._root) / "results", self.study.metric)
        return self._runs[key]

    def runs(self, arm: str, size: float, seeds: Sequence[int]) -> list[RunScores]:
        """The scores of several seeds."""
        return [self.run(RunKey(arm, size, seed)) for seed in seeds]

    @property
    def any(self) -> RunScores | None:
        """Some run, which knows the test images as all do; None where none is finished."""
        return self.run(self._finished[0]) if self._finished else None

    @cached_property
    def bootstrap(self) -> PatientBootstrap:
        """The same draws of test patients for everything."""
        assert self.any, "asked for without a finished run"
        return PatientBootstrap(self.any.patients, self.study.replicates)

    def resampled(self, arm: str, size: float, seeds: Sequence[int]) -> Resampled:
        """The mean over seeds of the metric, on the test images and on draws of their patients."""
        found = [self._of_run(RunKey(arm, size, seed)) for seed in seeds]
        return mean_of_runs(found)

    def _of_run(self, key: RunKey) -> Resampled:
        if key not in self._resampled:
            run = self.run(key)
            self._resampled[key] = self.bootstrap.resample(run.statistic(np.arange(len(run.images))))
        return self._resampled[key]


def mean_of_runs(found: Sequence[Resampled]) -> Resampled:
    """The mean of what was resampled by the same draws."""
    return Resampled(*(np.mean([getattr(one, f.name) for one in found], axis=0) for f in dataclasses.fields(Resampled)))
