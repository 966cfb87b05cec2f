"""Trivial rivals of a segmenter: grey values alone, the mean shape, and the inset of a crop around the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medssl.core.run import Run
from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.datasets.entry import shown
from medssl.evaluation.metrics.segmentation_metrics import MEAN, case_metrics, mean_known
from medssl.evaluation.prediction_tables import NUMBERS
from medssl.evaluation.verdicts import place_not_tested
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.segment_classes import SegmentClasses
from medssl.tasks.labelled_data import LabelledSplit, LabelledSplits, notify
from medssl.tasks.rivals.crop_inset import CropInset, fit_crop_inset
from medssl.tasks.rivals.label_look import LabelLook, look, overlaps
from medssl.tasks.rivals.mean_shape import MeanShape, fit_mean_shape, grid_of
from medssl.tasks.rivals.threshold import Threshold, fit_threshold, with_largest
from medssl.tasks.rivals.thumbnails import rule_of, slabs

THRESHOLD, MEAN_SHAPE, CROP_INSET = "threshold", "mean shape", "crop inset"
WHAT = {
    THRESHOLD: "a band of grey values for each class, chosen on training images, with only the largest part where that helps on "
    "validation",
    MEAN_SHAPE: "how often each relative place of an image is labelled in training, from a level on that is chosen on validation",
    CROP_INSET: "the image without the usual margin of the training label maps, a box or its ellipsoid",
}
TRIED = 5  # validation images on which the largest part is tried
SURFACES = ("surface_dice", "hd95")
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class RivalSegmenters:
    """The rivals of one training part."""

    threshold: Threshold
    mean_shape: MeanShape
    crop_inset: CropInset | None

    @property
    def names(self) -> list[str]:
        """Those that there are."""
        return [THRESHOLD, MEAN_SHAPE, *([CROP_INSET] if self.crop_inset else [])]

    def place_sentence(self, axes: int) -> str:
        """What images that are cropped around the target cannot show; "" of others."""
        return place_not_tested(self.crop_inset.margin, "mm" if axes == 3 else "pixels") if self.crop_inset else ""

    def segment(self, greys: np.ndarray, steps: np.ndarray) -> dict[str, np.ndarray]:
        """Class numbers by rival of an image of grey values 0…1 and voxels of these sides."""
        found = {THRESHOLD: self.threshold.segment(greys), MEAN_SHAPE: self.mean_shape.segment(greys.shape)}
        return found | ({CROP_INSET: self.crop_inset.segment(greys.shape, steps)} if self.crop_inset else {})


@dataclass
class RivalSegmentation:
    """Fits rivals to the training part of splits and measures them; what is seen of an image is kept, not the image.

    Args:
        classes: of the label maps.
        normalisation: of the task; "auto" follows the modality.
        run: takes progress.
    """

    classes: SegmentClasses
    normalisation: NormalisationConfig
    run: Run
    _looks: dict[tuple[object, ...], LabelLook] = field(default_factory=dict)

    def fit(self, parts: LabelledSplits) -> RivalSegmenters:
        """The rivals of a training part.

        Raises:
            CancelledError: a cancel was asked for.
        """
        rule = rule_of(self.normalisation, parts.modality)
        cells = grid_of([mask.shape for mask in (*parts.training.masks, *parts.validation.masks)])
        training, validation = (
            self._seen(part, cells, rule, name)
            for name, part in (("training", parts.training), ("validation", parts.validation))
        )
        tried = range(min(TRIED, len(parts.validation)))
        images = ((self._greys(parts.validation.images[n], rule), self._truth(parts.validation, n)) for n in tried)
        threshold = with_largest(fit_threshold(training), images, self.classes.count)
        return RivalSegmenters(threshold, fit_mean_shape(training, validation), fit_crop_inset(training))

    def measure(
        self, fitted: Sequence[RivalSegmenters], part: LabelledSplit, modality: str, tolerance: float, surfaces: bool
    ) -> list[dict[str, Rows]]:
        """Of each of the fitted, rival -> rows of cases (image, patient, class and metrics); every image is read once.

        Args:
            tolerance: mm, of the surface Dice.
            surfaces: measure surfaces too, which takes its time; else only overlaps.

        Raises:
            CancelledError: a cancel was asked for.
        """
        rule = rule_of(self.normalisation, modality)
        found: list[dict[str, Rows]] = [{name: [] for name in one.names} for one in fitted]
        for n, (image, entry) in enumerate(zip(part.images, part.entries)):
            notify(self.run, n, len(part), f"trivial rivals: segmenting image {n + 1} of {len(part)}")
            greys, truth = self._greys(image, rule), self._truth(part, n)
            steps = np.array(image.spacing[:3]) if truth.ndim == 3 else np.ones(2)
            for one, rows in zip(fitted, found):
                for name, numbers in one.segment(greys, steps).items():
                    if surfaces:
                        cases = case_metrics(numbers, truth, image.spacing, self.classes.names, tolerance)
                    else:
                        cases = _overlap_rows(numbers, truth, self.classes.names)
                    rows[name] += [{"image": shown(entry), "patient": entry.patient, **row} for row in cases]
        return found

    def _seen(
        self, part: LabelledSplit, cells: tuple[int, ...], rule: NormalisationConfig, name: str
    ) -> list[LabelLook]:
        looks = []
        for n, (image, mask) in enumerate(zip(part.images, part.masks)):
            key = (image.path, cells)
            if key not in self._looks:
                notify(self.run, n, len(part), f"trivial rivals: {name} image {n + 1} of {len(part)}")
                self._looks[key] = look(image, mask, self.classes, cells, rule)
            looks.append(self._looks[key])
        return looks

    def _truth(self, part: LabelledSplit, n: int) -> np.ndarray:
        mask = part.masks[n]
        return self.classes.index(mask.crop((0,) * len(mask.shape), mask.shape), mask.name)

    def _greys(self, image: CachedVolume, rule: NormalisationConfig) -> np.ndarray:
        pieces = [piece for _, piece in slabs(image, rule, (0,) * len(image.shape), image.shape)]
        return np.concatenate(pieces, axis=-1)


def needs_surfaces(metric: str) -> bool:
    """Whether a metric is of surfaces."""
    return metric in SURFACES


def _overlap_rows(predicted: np.ndarray, truth: np.ndarray, names: Sequence[str]) -> Rows:
    """As `case_metrics`, without what surfaces tell."""
    rows: Rows = []
    for name, dice in zip(names, overlaps(predicted, truth, len(names)).tolist()):
        known = None if np.isnan(dice) else dice
        iou = None if known is None else known / (2 - known)
        rows.append({"class": name, **dict.fromkeys(NUMBERS), "dice": known, "iou": iou})
    means = {metric: mean_known([row[metric] for row in rows]) for metric in ("dice", "iou")}
    return [*rows, {"class": MEAN, **dict.fromkeys(NUMBERS), **means}]
