"""What the runs of a study say of the test images: a metric as a function of how often each image counts.

All runs are compared on the same images: one that is missing in a run, or whose metric is unknown there, is left out of all.
"""

from __future__ import annotations

import copy
import dataclasses
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

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
from medssl.studies.comparison.plan import RunKey
from medssl.tasks import TASKS


class RunScores(ABC):
    """The test images of one run.

    Attributes:
        images, patients, attributes: of the test images; the same for every run of a study.
        known: (images,) where the metric has a value.
    """

    images: tuple[str, ...]
    patients: tuple[str, ...]
    attributes: dict[str, tuple[str, ...]]
    known: np.ndarray

    @abstractmethod
    def take(self, rows: np.ndarray) -> Self:
        """The scores of some images, by number."""

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
        table = CaseTable(read_cases(folder / "cases.csv"))
        self._column = table.keys.index((MEAN, metric))
        self._set(table)

    def take(self, rows: np.ndarray) -> Self:
        part = copy.copy(self)
        part._set(self._table.rows(rows))
        return part

    def _set(self, table: CaseTable) -> None:
        self._table, self.known = table, table.known[self._column]
        self.images, self.patients = tuple(table.images), tuple(table.patients)
        self.attributes = table.attributes

    def missed(self) -> tuple[int, int]:
        """Of how many cases and classes the two maps show one and the other does not, and of how many there are."""
        counts = self._table.counts().values()
        return sum(row["in one"] for row in counts), sum(row["images"] for row in counts)

    def statistic(self, rows: np.ndarray) -> Statistic:
        table, column = self._table.rows(rows), self._column
        return lambda weights: table.statistic(weights)[:, [column]]


class PredictionScores(RunScores):
    """Of a classification: the metric of the one class, or its mean over classes."""

    def __init__(self, folder: Path, metric: str) -> None:
        self._set(read_predictions(folder / "predictions.csv"))
        file = folder / "evaluation.json"
        stored = read_json(file) if file.is_file() else {}
        self._kind = stored.get("kind") or guess_kind(self.table.targets)
        self._thresholds, self._specificity = stored.get("thresholds"), stored.get("specificity", 0.9)
        self._metric, self._class = metric, MEAN if len(self.table.names) > 1 else self.table.names[0]

    def take(self, rows: np.ndarray) -> Self:
        part = copy.copy(self)
        part._set(self.table.rows(rows))
        return part

    def _set(self, table: Predictions) -> None:
        self.table, self.known = table, np.ones(len(table), bool)
        self.images, self.patients, self.attributes = table.images, table.patients, table.attributes

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
    """The finished runs of a study on the images that all of them have, read when they are asked for."""

    def __init__(self, study: Study, root: Path, keys: Sequence[RunKey]) -> None:
        self.study, self._root, self._finished = study, root, list(keys)
        self._resampled: dict[RunKey, Resampled] = {}

    def with_more(self, keys: Sequence[RunKey]) -> StudyScores:
        """The same with further runs, on the images that these have too."""
        more = StudyScores(self.study, self._root, [*self._finished, *keys])
        if self.any and more.any and more.any.images == self.any.images:
            more._resampled = self._resampled
        return more

    def seeds(self, arm: str, size: float) -> list[int]:
        """The seeds whose runs are finished."""
        return [key.seed for key in self._finished if (key.arm, key.size) == (arm, size)]

    @cached_property
    def _compared(self) -> tuple[dict[RunKey, RunScores], tuple[str, ...]]:
        """The scores of every run on the images that are compared, and the images that are not."""
        kind: type[CaseScores | PredictionScores] = (
            CaseScores if TASKS[self.study.task].answers == SEGMENT else PredictionScores
        )
        read: dict[RunKey, RunScores] = {
            key: kind(key.folder(self._root) / "results", self.study.metric) for key in self._finished
        }
        for moved in (False, True):  # paths of runs before and after the data moved have only their ends in common
            rows = {key: _rows_of(run, moved) for key, run in read.items()}
            every = list(dict.fromkeys(image for of_run in rows.values() for image in of_run))
            shared = [image for image in every if all(image in of_run for of_run in rows.values())]
            if shared:
                break
        known = [image for image in shared if all(run.known[rows[key][image]] for key, run in read.items())]
        chosen = known or shared  # an image cannot be left out for a metric that no image has
        taken = {key: run.take(np.array([rows[key][image] for image in chosen], int)) for key, run in read.items()}
        compared = set(chosen)
        return taken, tuple(image[0] for image in every if image not in compared)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Test images of some runs that are not compared."""
        return self._compared[1]

    def run(self, key: RunKey) -> RunScores:
        """One run's scores."""
        return self._compared[0][key]

    def runs(self, arm: str, size: float, seeds: Sequence[int]) -> list[RunScores]:
        """The scores of several seeds."""
        return [self.run(RunKey(arm, size, seed)) for seed in seeds]

    @property
    def any(self) -> RunScores | None:
        """Some run, which knows the test images as all do; None where none is finished."""
        return next(iter(self._compared[0].values()), None)

    @cached_property
    def bootstrap(self) -> PatientBootstrap:
        """The same draws of test patients for everything."""
        assert self.any, "asked for without a finished run"
        return PatientBootstrap(self.any.patients, self.study.replicates)

    def resampled(self, arm: str, size: float, seeds: Sequence[int]) -> Resampled:
        """The mean over seeds of the metric, on the test images and on draws of their patients."""
        return mean_of_runs(self.of_seeds(arm, size, seeds))

    def of_seeds(self, arm: str, size: float, seeds: Sequence[int]) -> list[Resampled]:
        """The metric of each seed, by the same draws."""
        return [self._of_run(RunKey(arm, size, seed)) for seed in seeds]

    def _of_run(self, key: RunKey) -> Resampled:
        if key not in self._resampled:
            run = self.run(key)
            self._resampled[key] = self.bootstrap.resample(run.statistic(np.arange(len(run.images))))
        return self._resampled[key]


def _rows_of(run: RunScores, moved: bool) -> dict[tuple[str, int], int]:
    """(image, how often it came before) -> its row; of data that moved, (the file's name and the patient, how often) -> row."""
    before: Counter[str] = Counter()
    rows = {}
    for row, (image, patient) in enumerate(zip(run.images, run.patients)):
        name = f"{Path(image).name} of {patient}" if moved else image
        rows[name, before[name]] = row
        before[name] += 1
    return rows


def mean_of_runs(found: Sequence[Resampled]) -> Resampled:
    """The mean of what was resampled by the same draws."""
    return Resampled(*(np.mean([getattr(one, f.name) for one in found], axis=0) for f in dataclasses.fields(Resampled)))
