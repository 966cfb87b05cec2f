"""Which post-processing helps? Chosen on images that the network did not learn from, for each class alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from medssl.images.segment_classes import Segment, SegmentClasses
from medssl.inference.volumes.postprocessing import DROP, FILL, LARGEST, SHARE, postprocess

MARGIN = 0.005  # of mean Dice, below which nothing is changed
FEWEST = 3  # cases that show the class, in truth or answer; of fewer nothing is learnt
SHARES = (0.05, 0.2)  # of the median volume of the class: sizes below which parts may be dropped

Case = tuple[np.ndarray, np.ndarray, float]  # predicted and true values of a label map, `voxel_size`
Cases = Callable[[], Iterator[Case]]


def choose_steps(cases: Cases, classes: SegmentClasses) -> list[dict[str, Any]]:
    """The steps that improve the mean Dice of a class by more than `MARGIN`, and not in fewer cases than they harm.

    Tried are: only the largest part, parts below a size dropped, holes filled, and the latter with either. A case that shows
    a class in neither map counts 1, so that the removal of a false finding is worth something.

    Args:
        cases: gives the validation cases, as often as it is called.
        classes: of the label maps.

    Returns:
        Steps of `postprocess`, with dice_before, dice_after and cases: what they were chosen by.
    """
    sizes = _median_sizes(cases(), classes)
    tried = {one.value: _candidates(one, sizes.get(one.value, 0.0), cases) for one in classes.segments}
    dice: dict[int, list[list[float]]] = {one.value: [] for one in classes.segments}
    for predicted, truth, voxel in cases():
        for value, candidates in tried.items():
            if found := _dice_after(candidates, predicted, truth, value, voxel):
                dice[value].append(found)
    return [step for value, table in dice.items() for step in _best(tried[value], np.array(table))]


def _best(candidates: Sequence[list[dict[str, Any]]], table: np.ndarray) -> list[dict[str, Any]]:
    """Of Dice (cases, candidates), the first of which changes nothing."""
    if len(table) < FEWEST:
        return []
    means, gains = table.mean(axis=0), table - table[:, :1]
    best = int(means.argmax())  # the first of equal ones, which are the simpler ones
    helps, harms = (np.count_nonzero(sign * gains[:, best] > 1e-9) for sign in (1, -1))
    if means[best] - means[0] <= MARGIN or helps < harms:
        return []
    found = {"dice_before": float(means[0]), "dice_after": float(means[best]), "cases": len(table)}
    return [{**step, **found} for step in candidates[best]]


def _candidates(segment: Segment, size: float, cases: Cases) -> list[list[dict[str, Any]]]:
    flat = next(cases())[0].ndim == 2
    about = {"value": segment.value, "class": segment.name}
    largest, fill = {**about, "step": LARGEST}, {**about, "step": FILL}
    unit = {"unit": SHARE} if flat else {}
    drops = [{**about, "step": DROP, "smallest": share * size, **unit} for share in SHARES if size]
    alone = [[], [largest], [fill], *([drop] for drop in drops)]
    return [*alone, [largest, fill], *([drop, fill] for drop in drops)]


def _dice_after(
    candidates: Sequence[list[dict[str, Any]]], predicted: np.ndarray, truth: np.ndarray, value: int, voxel: float
) -> list[float]:
    """The Dice of a class after each candidate; [] where neither map shows it."""
    of_truth = int(np.count_nonzero(truth == value))
    box = ndimage.find_objects(predicted, max_label=value)[value - 1]  # no step goes beyond it
    if box is None:
        return [0.0] * len(candidates) if of_truth else []
    true, found = truth[box] == value, []
    for steps in candidates:
        changed = predicted[box].copy()
        postprocess(changed, steps, voxel)
        total = of_truth + int(np.count_nonzero(changed == value))
        found.append(2 * int(np.count_nonzero((changed == value) & true)) / total if total else 1.0)
    return found


def _median_sizes(cases: Iterator[Case], classes: SegmentClasses) -> dict[int, float]:
    """mm³ (of 2D images the share of the area) of each class in the truth, of the cases that show it."""
    found: dict[int, list[float]] = {}
    for _, truth, voxel in cases:
        for value in classes.values:
            if count := int(np.count_nonzero(truth == value)):
                found.setdefault(value, []).append(count * voxel)
    return {value: float(np.median(sizes)) for value, sizes in found.items()}
