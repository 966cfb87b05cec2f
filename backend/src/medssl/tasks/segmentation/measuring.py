"""What is learnt of a trained segmentation from held-out images, and how well it does: once, on whole images, as users ask it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from medssl.core import seeds
from medssl.core.plan import Plan
from medssl.core.run import Ended, Run
from medssl.datasets.entry import attributes, shown
from medssl.evaluation.metrics.segmentation_metrics import case_metrics
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.normalise import window
from medssl.images.segment_classes import SegmentClasses
from medssl.inference.volumes.postprocessing import SETTING, postprocess, voxel_size
from medssl.inference.volumes.segmenter import segment_image
from medssl.inference.volumes.uncertainty import CALIBRATION, VoxelSample, temperature_of
from medssl.networks.network import Network
from medssl.tasks.labelled_data import LabelledSplit, LabelledSplits, dimension, notify
from medssl.tasks.rivals.segmenters import RivalSegmentation
from medssl.tasks.segmentation.calibrating import calibrate, calibration_errors, voxels_near_labels
from medssl.tasks.segmentation.choosing import Case, choose_steps
from medssl.tasks.segmentation.config import SegmentationConfig
from medssl.tasks.segmentation.results import Rows, WorstCases, write_results

Further = Callable[[Mapping[str, Rows]], dict[str, Any]]
Beside = Callable[
    [str], tuple[Mapping[str, Rows], str]
]  # of a part: cases of trivial rivals, and a sentence on the set
LABEL_MAPS = ".label-maps-"  # begins the name of a folder that is there while images are measured
CURVES = ("curve_before", "curve_after")  # for the report, not for the file's header


def no_rivals(part: str) -> tuple[Mapping[str, Rows], str]:
    """Nothing to be held against."""
    return {}, ""


@dataclass(frozen=True, eq=False)
class Held:
    """Images with label maps, and a network that did not learn from them."""

    part: LabelledSplit
    network: Network


@dataclass(frozen=True, eq=False)
class Measured:
    """How images are measured.

    Attributes:
        config: of the task.
        classes: what label maps mean.
        normalisation: of the pictures in the report.
        notes: what the report should say.
        steps: of the training that came before, for progress.
    """

    config: SegmentationConfig
    classes: SegmentClasses
    normalisation: NormalisationConfig
    notes: tuple[str, ...]
    steps: int

    def finish(
        self,
        validation: Sequence[Held],
        test: Held,
        plan: Plan,
        run: Run,
        further: Further = lambda rows: {},
        beside: Beside = no_rivals,
        remarks: Sequence[str] = (),
    ) -> tuple[Plan, dict[str, Any]]:
        """Learn post-processing and calibration from validation images, measure, and leave tables and a report.

        Args:
            validation: every image of it once, with a network that did not learn from it.
            test: may be empty.
            plan: of the model.
            run: gets files in its results, and progress.
            further: what the evaluation says too, given the rows of both parts.
            beside: the trivial rivals on the part that is reported, test or else validation.
            remarks: on the training, behind the verdict.

        Returns:
            The plan with what was learnt, and the headline numbers {"validation": {...}, "test": {...}, "verdict": {...}}.
        """
        for left in run.folder.glob(f"{LABEL_MAPS}*"):  # by an attempt that was killed
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=run.folder, prefix=LABEL_MAPS) as folder:
            kept = _Kept(self, [(held, n) for held in validation for n in range(len(held.part))], Path(folder))
            kept.segment(run)
            learnt: dict[str, Any] = {}
            if self.config.postprocessing == "auto":
                learnt[SETTING] = choose_steps(kept.values, self.classes)
            if calibration := calibrate(kept.samples):
                learnt[CALIBRATION] = {name: value for name, value in calibration.items() if name not in CURVES}
            plan = replace(plan, task={**plan.task, **learnt})
            worst = WorstCases()  # of the test images, where there are any
            rows = {"validation": kept.rows(plan, None if len(test.part) else worst)}
        test.network.plan = replace(test.network.plan, task=plan.task)
        rows["test"], errors = self._test(test, plan, worst, run)
        calibrations = {"validation": calibration} | ({"test": errors} if errors else {}) if calibration else {}
        about = {"postprocessing": learnt.get(SETTING, []), "calibration": calibrations, **further(rows)}
        colours = [one["colour"] for one in self.classes.as_list()]
        rivals, place = beside("test" if rows["test"] else "validation")
        return plan, write_results(
            run.folder / "results", rows, worst, colours, list(self.notes), self.config.groups, rivals,
            (place, *remarks), about,
        )  # fmt: skip

    def _test(self, test: Held, plan: Plan, worst: WorstCases, run: Run) -> tuple[Rows, dict[str, Any]]:
        rows, samples = Rows(), []
        for n in range(len(test.part)):
            numbers, sample = self.segmented(test, n, "test")
            samples.append(sample)
            rows += self.case(test.part, n, numbers)
            self.show(test.part, n, numbers, rows[-1]["dice"], worst)
            notify(run, self.steps, self.steps, f"segmented test image {n + 1} of {len(test.part)}")
        return rows, calibration_errors(samples, temperature_of(plan))

    def segmented(self, held: Held, n: int, purpose: str) -> tuple[np.ndarray, VoxelSample]:
        """Class numbers of an image, by the road that users take, and what the network says of voxels near the labels."""
        sample = voxels_near_labels(
            self.truth(held.part, n), np.random.default_rng(seeds.derive(0, f"calibration on {purpose} images", n))
        )
        config, image = self.config, held.part.images[n].whole()
        found = segment_image(image, held.network, config.overlap, sample=sample)
        sample.asked = np.empty(0, np.int16)  # as large as the image, and done with
        return self.classes.index(found.labels.array), sample

    def case(self, part: LabelledSplit, n: int, numbers: np.ndarray) -> Rows:
        """The metrics of an image, a row per class."""
        entry, known = part.entries[n], [attributes(one) for one in part.entries]
        names = dict.fromkeys(key for one in known for key in one)  # not every image has every attribute
        about = {f"attribute_{key}": known[n].get(key, "") for key in names}
        found = case_metrics(
            numbers, self.truth(part, n), part.images[n].spacing, self.classes.names, self.config.tolerance
        )
        return [{"image": shown(entry), "patient": entry.patient, **row, **about} for row in found]

    def show(self, part: LabelledSplit, n: int, numbers: np.ndarray, dice: float | None, worst: WorstCases) -> None:
        """Keep an image for the report, where it is among the worst."""
        volume = part.images[n]
        bounds = window(self.normalisation, volume.statistics, volume.name)
        worst.add(
            shown(part.entries[n]), dice, volume.whole().array, numbers, self.truth(part, n), volume.spacing, bounds
        )

    def truth(self, part: LabelledSplit, n: int) -> np.ndarray:
        """True class numbers."""
        mask = part.masks[n]
        return self.classes.index(mask.crop((0,) * len(mask.shape), mask.shape), mask.name)


def rivals_beside(
    measured: Measured, parts: LabelledSplits, run: Run, part: str
) -> tuple[dict[str, list[dict[str, Any]]], str]:
    """Cases of each trivial rival, fitted to the training images, on a part, and a sentence where images are cropped around the target."""
    rivals = RivalSegmentation(measured.classes, measured.normalisation, Ended(run, measured.steps))
    fitted, held = rivals.fit(parts), parts.test if part == "test" else parts.validation
    (cases,) = rivals.measure([fitted], held, parts.modality, measured.config.tolerance, surfaces=False)
    return cases, fitted.place_sentence(dimension(parts))


class _Kept:
    """Label maps of validation images as the networks found them, in files: together they may be larger than the memory."""

    def __init__(self, measured: Measured, places: Sequence[tuple[Held, int]], folder: Path) -> None:
        self._measured, self._places, self._folder = measured, places, folder
        self.samples: list[VoxelSample] = []

    def segment(self, run: Run) -> None:
        """Fill the folder."""
        for number, (held, n) in enumerate(self._places):
            found, sample = self._measured.segmented(held, n, "validation")
            self.samples.append(sample)
            np.savez_compressed(self._folder / f"{number}.npz", found)
            steps = self._measured.steps
            notify(run, steps, steps, f"segmented validation image {number + 1} of {len(self._places)}")

    def values(self) -> Iterator[Case]:
        """As `choose_steps` wants them."""
        classes = self._measured.classes
        for number, (held, n) in enumerate(self._places):
            truth = classes.values_of(self._measured.truth(held.part, n))
            yield classes.values_of(self._numbers(number)), truth, _voxel(held.part, n)

    def rows(self, plan: Plan, worst: WorstCases | None) -> Rows:
        """The metrics of all images after the chosen post-processing; the worst are kept for the report."""
        rows, measured = Rows(), self._measured
        for number, (held, n) in enumerate(self._places):
            values = measured.classes.values_of(self._numbers(number))
            postprocess(values, plan.task.get(SETTING, ()), _voxel(held.part, n))
            numbers = measured.classes.index(values)
            rows += measured.case(held.part, n, numbers)
            if worst is not None:
                measured.show(held.part, n, numbers, rows[-1]["dice"], worst)
        return rows

    def _numbers(self, number: int) -> np.ndarray:
        with np.load(self._folder / f"{number}.npz") as file:
            return file["arr_0"]


def _voxel(part: LabelledSplit, n: int) -> float:
    image = part.images[n]
    return voxel_size(image.shape, image.spacing)
