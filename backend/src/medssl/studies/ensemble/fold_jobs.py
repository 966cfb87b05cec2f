"""The jobs that train the folds of an ensemble, and what none of them may decide for itself."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from medssl.core.errors import CancelledError, TrainingError, from_dict
from medssl.core.files import read_json, write_json
from medssl.core.protocol import JobSpec, from_json, to_json
from medssl.core.run import Run
from medssl.core.schema import as_dict
from medssl.datasets.geometry import training_geometry
from medssl.datasets.splits.split import SPLIT_SEED
from medssl.images.geometry_config import NATIVE, geometry_rule
from medssl.jobs.folder_run import run_here
from medssl.networks.weights.members import write_member
from medssl.studies.comparison.plan import digest
from medssl.studies.comparison.run_folder import RunFolder, read_done
from medssl.studies.comparison.weights import FrozenWeights, check_unchanged, sha256_of
from medssl.studies.ensemble.folds import Folds, data_of, draw_folds, sha256_of_table
from medssl.tasks.earlier import PLANNED
from medssl.tasks.labelled_data import LabelledSplits, read_parts
from medssl.tasks.segmentation.config import SegmentationConfig
from medssl.tasks.segmentation.planning import PLAN_FILE, planned_for, setup_of
from medssl.tasks.segmentation.spacing import planned_spacing
from medssl.tasks.train_and_test import MODEL, open_start
from medssl.tasks.transfer_config import SelectionConfig

FIXED = "ensemble.json"
FOLDS, STARTS = "folds", "starts"


def fix(spec: JobSpec, config: SegmentationConfig, run: Run) -> None:
    """Fix for good what no fold may change for itself: who is in which fold, the spacing, and the weights to begin with."""
    folds = draw_folds(spec.data, config.select, run.home, run.folder, SPLIT_SEED)
    rule = geometry_rule(config.geometry, spec.version)
    parts = read_fold(spec, config, run, 0)
    geometry = training_geometry((*parts.training.images, *parts.validation.images), rule)
    if spec.version >= PLANNED:  # one plan for all: networks of several could not answer together
        first, second = parts.training, parts.validation
        every = replace(first, images=(*first.images, *second.images), masks=(*first.masks, *second.masks))
        setup = setup_of(config, parts, open_start(spec), run.device)
        geometry = planned_spacing(rule, setup, every, geometry, run)
        planned_for(setup, every, geometry, run)
    spacing = " ".join(repr(float(side)) for side in geometry.spacing) if geometry.recorded else rule.spacing
    start = FrozenWeights(spec.start_from, sha256_of(Path(spec.start_from))) if spec.start_from else FrozenWeights()
    write_json(run.folder / FIXED, to_json({"folds": folds, "spacing": spacing or NATIVE, "start": start}))


def read_fold(spec: JobSpec, config: SegmentationConfig, run: Run, fold: int) -> LabelledSplits:
    """The images of a fold as its job reads them; training images are not resampled."""
    rule = geometry_rule(config.geometry, spec.version)
    data = data_of(spec.data, fold, run.folder)
    return read_parts(data, run, SelectionConfig(), 0, orientation=rule.orientation)


class FoldJobs:
    """The folds of an ensemble, each an ordinary job in a folder of its own.

    Attributes:
        spec, config, run: of the ensemble.
        folds: as they were drawn.
        start: the weights to begin with, as they were then.
    """

    def __init__(self, spec: JobSpec, config: SegmentationConfig, run: Run, kinds: str) -> None:
        self.spec, self.config, self.run, self.kinds = spec, config, run, kinds
        fixed = read_json(run.folder / FIXED)
        self.folds, self.start = from_json(Folds, fixed["folds"]), FrozenWeights(**fixed["start"])
        self._spacing, self._begin, self._at_begin = fixed["spacing"], time.monotonic(), 0

    @property
    def steps(self) -> int:
        """Of all folds."""
        return self.folds.count * self.config.training.steps

    def folder(self, fold: int) -> Path:
        """Of the fold's job."""
        return self.run.folder / FOLDS / str(fold + 1)

    def is_done(self, fold: int) -> bool:
        """Whether its network is there, from just this training."""
        done = read_done(self.folder(fold))
        return done is not None and done["digest"] == self._digest(fold) and (self.folder(fold) / MODEL).is_file()

    def fold_config(self, fold: int) -> SegmentationConfig:
        """The settings of a fold: the common spacing, a seed of its own, and all patients, of whom the folds were drawn."""
        config = self.config
        return replace(
            config, geometry=replace(config.geometry, spacing=self._spacing), select=SelectionConfig(),
            training=replace(config.training, seed=config.training.seed + fold),
        )  # fmt: skip

    def read(self, fold: int) -> LabelledSplits:
        """The images of a fold."""
        return read_fold(self.spec, self.config, self.run, fold)

    def fold_spec(self, fold: int, start_from: str) -> JobSpec:
        """The fold's job."""
        return JobSpec(
            "finetune", self.spec.method, as_dict(self.fold_config(fold)), data_of(self.spec.data, fold, self.run.folder),
            name=f"fold {fold + 1}", device=self.run.device, start_from=start_from,
            partial_weights=self.spec.partial_weights, version=self.spec.version, rivals=False,
        )  # fmt: skip

    def tidy(self) -> None:
        """The networks are in the ensemble's file: what trained them goes, their tables and reports stay."""
        for fold in range(self.folds.count):
            shutil.rmtree(self.folder(fold) / "checkpoints", ignore_errors=True)
            (self.folder(fold) / MODEL).unlink(missing_ok=True)
        shutil.rmtree(self.run.folder / STARTS, ignore_errors=True)

    def _digest(self, fold: int) -> str:
        return digest(self.fold_spec(fold, ""), self.start, sha256_of_table(fold, self.run.folder))

    def train(self, fold: int) -> None:
        """Train a fold, or go on with it.

        Raises:
            CancelledError: a cancel was asked for. WeightsError: the weights to begin with have changed.
            TrainingError: why it failed. ResourceError: a full disk, say.
        """
        run = self.run
        check_unchanged(self.start)
        if run.cancel_requested():
            raise CancelledError()
        place = RunFolder(self.folder(fold), run.home)
        if place.prepare(self.fold_spec(fold, self._start_of(fold)), self._digest(fold)):
            if (run.folder / PLAN_FILE).is_file():
                shutil.copyfile(run.folder / PLAN_FILE, place.folder / PLAN_FILE)
            run_here(place.folder, run.home, run.device, run.cancel_requested, self.kinds, self._progress(fold))
        if error := place.settle(True, run.cancel_requested):
            reason = from_dict(error)
            raise TrainingError(
                f"fold {fold + 1} of {self.folds.count}", f"failed: {str(reason).rstrip('.')}", "Mend that, then resume this job",
                code="fold-failed",
            )  # fmt: skip
        found = read_done(place.folder) or {}
        dice = {part: (found.get(part) or {}).get("dice") for part in ("validation", "test")}
        run.emit("fold", step=(fold + 1) * self.config.training.steps, fold=fold + 1, folds=self.folds.count, **dice,
                 seconds=found.get("seconds", 0.0))  # fmt: skip

    def _start_of(self, fold: int) -> str:
        """The weights that a fold begins with: of an ensemble one of its networks, another one for each fold."""
        if not self.start.path:
            return ""
        target = self.run.folder / STARTS / f"{fold + 1}.safetensors"
        if not target.is_file() and not write_member(self.start.path, fold, target):
            return self.start.path
        return str(target)

    def _progress(self, fold: int) -> Callable[[int, int], None]:
        first = fold * self.config.training.steps

        def show(step: int, steps: int) -> None:
            done = first + (self.config.training.steps * step // steps if steps else 0)
            if not self._at_begin or done < self._at_begin:  # where this attempt began
                self._at_begin, self._begin = done, time.monotonic()
            gained, spent = done - self._at_begin, time.monotonic() - self._begin
            left = spent / gained * (self.steps - done) if gained else None
            self.run.progress(done, self.steps, f"fold {fold + 1} of {self.folds.count}: step {step} of {steps}", left)

        return show
