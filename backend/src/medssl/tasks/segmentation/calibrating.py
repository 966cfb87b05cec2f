"""Do the probabilities of a segmentation hold? A temperature from voxels of images that the network did not learn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage, special

from medssl.evaluation.metrics.calibration import ece, reliability, temperature
from medssl.inference.volumes.uncertainty import VoxelSample

REACH = 4  # voxels around the labels that are looked at: farther off nearly all is background, and said to be
VOXELS = 4000  # of an image, at most


def voxels_near_labels(truth: np.ndarray, rng: np.random.Generator) -> VoxelSample:
    """Random voxels in and around what is labelled: class numbers (i, j, k) or (i, j), 0 is background; none of an empty map."""
    asked = np.full(truth.shape, -1, np.int16)
    boxes = ndimage.find_objects((truth > 0).view(np.uint8))
    if boxes:
        box = tuple(slice(max(side.start - REACH, 0), side.stop + REACH) for side in boxes[0])
        near = np.flatnonzero(ndimage.binary_dilation(truth[box] > 0, iterations=REACH))
        chosen = np.unravel_index(rng.permutation(near)[:VOXELS], truth[box].shape)
        asked[box][chosen] = truth[box][chosen]
    return VoxelSample(asked)


def calibrate(samples: Sequence[VoxelSample]) -> dict[str, Any]:
    """The temperature that makes the probabilities of a sample hold best; {} where nothing is labelled.

    Guo et al., "On calibration of modern neural networks", ICML 2017.
    """
    scores, truth = _of(samples)
    if len(np.unique(truth)) < 2:
        return {}
    found = temperature(scores, np.eye(scores.shape[1])[truth])
    return {"temperature": found, **calibration_errors(samples, found)}


def calibration_errors(samples: Sequence[VoxelSample], divided_by: float) -> dict[str, Any]:
    """Of the class that a voxel gets: how far its probability is from how often it is right, before and after; {} of no voxel.

    Returns:
        voxels, ece_before, ece_after; curve_before and curve_after, rows of `reliability`.
    """
    scores, truth = _of(samples)
    if not len(truth):
        return {}
    right = (scores.argmax(axis=1) == truth).astype(float)
    found: dict[str, Any] = {"voxels": len(truth)}
    for name, by in (("before", 1.0), ("after", divided_by)):
        sure = special.softmax(scores / by, axis=1).max(axis=1)
        found |= {f"ece_{name}": ece(right, sure), f"curve_{name}": reliability(right, sure)}
    return found


def _of(samples: Sequence[VoxelSample]) -> tuple[np.ndarray, np.ndarray]:
    """(voxels, C) and (voxels,)."""
    scores = [one for sample in samples for one in sample.scores]
    truth = [one for sample in samples for one in sample.truth]
    if not scores:
        return np.empty((0, 2), np.float32), np.empty(0, np.int16)
    return np.concatenate(scores), np.concatenate(truth)
