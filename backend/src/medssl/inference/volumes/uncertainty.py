"""What is noted of a segmentation's probabilities beside its labels, slab by slab: how unsure they are, and samples of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medssl.core.plan import Plan
from medssl.inference.mirroring import why_unmirrored

CALIBRATION = "calibration"  # of `Plan.task`: what was found on validation images, `temperature` among it
SLICES = 8  # whose entropy is computed at a time


@dataclass(eq=False)
class VoxelSample:
    """The logarithms of probabilities in chosen voxels of one image.

    Attributes:
        asked: int16, of the image's shape: the true class number where a voxel is chosen, else -1.
        scores: found, float32 (voxels, C); any constant may be added to a row.
        truth: class numbers of the same voxels.
    """

    asked: np.ndarray
    scores: list[np.ndarray] = field(default_factory=list)
    truth: list[np.ndarray] = field(default_factory=list)

    def take(self, first: int, scores: Tensor) -> None:
        """Note what a slab (C, i, j, slices) says."""
        asked = self.asked[:, :, first : first + scores.shape[3]]
        places = np.nonzero(asked >= 0)
        if len(places[0]):
            i, j, k = (torch.from_numpy(axis).to(scores.device) for axis in places)
            self.scores.append(scores[:, i, j, k].T.float().cpu().numpy())
            self.truth.append(asked[places])


@dataclass(frozen=True, eq=False)
class Watch:
    """What is noted of an image's probabilities while it is segmented.

    Attributes:
        entropy: of the image's shape, float32, to be filled; None: nobody asks.
        sample: of the same shape; None: nobody asks.
        temperature: the logits are divided by it before the entropy.
    """

    entropy: np.ndarray | None = None
    sample: VoxelSample | None = None
    temperature: float = 1.0

    def on(self, shape: Sequence[int]) -> Watch:
        """With an entropy for each voxel of an image of this shape."""
        return replace(self, entropy=np.zeros(shape, np.float32, order="F"))

    def seen(self, see: Callable[[np.ndarray], np.ndarray]) -> Watch:
        """The same through a view of the image, which turns or crops it."""
        sample = self.sample and VoxelSample(see(self.sample.asked), self.sample.scores, self.sample.truth)
        return replace(self, entropy=None if self.entropy is None else see(self.entropy), sample=sample)

    def take(self, first: int, scores: Tensor, probable: bool = False) -> None:
        """Note what a slab of logits says (of probabilities, where `probable`), (C, i, j, slices) from slice `first` on."""
        if self.entropy is None and self.sample is None:
            return
        if probable:
            scores = scores.clamp_min(torch.finfo(torch.float32).tiny).log()
        if self.entropy is not None:
            for at, part in zip(range(first, first + scores.shape[3], SLICES), scores.split(SLICES, dim=3)):
                unsure = entropy(part / self.temperature)
                self.entropy[:, :, at : at + unsure.shape[2]] = unsure.cpu().numpy()
        if self.sample is not None:
            self.sample.take(first, scores)


def entropy(logits: Tensor) -> Tensor:
    """The entropy of the softmax over the first axis, as a share of the largest possible: 0 (sure) to 1 (all classes alike)."""
    logs = logits.log_softmax(dim=0)
    return (-(logs.exp() * logs).sum(dim=0) / math.log(len(logs))).clamp_(0.0, 1.0)


def temperature_of(plan: Plan) -> float:
    """What a model's logits are divided by so that its probabilities hold; 1 where its file records none."""
    found: dict[str, Any] = plan.task.get(CALIBRATION) or {}
    return float(found.get("temperature", 1.0))


def source_sentence(copies: int, members: int, plan: Plan) -> str:
    """What an uncertainty map was computed from, in words."""
    over = [f"{members} networks"] if members > 1 else []
    over += [f"{copies} mirrored copies, which took {copies} times as long"] if copies > 1 else []
    over = over or [f"one network, {why_unmirrored(plan)}"]
    known = _calibrated(copies, members, plan)
    return f"Uncertainty: entropy of the mean probabilities of {' and '.join(over)}, {known}"


def _calibrated(copies: int, members: int, plan: Plan) -> str:
    """What the file's temperature says of a mean: it was fitted to the answers of each network as validation asked it."""
    if not plan.task.get(CALIBRATION):
        return "not calibrated: the file records no temperature"
    known = f"calibrated (temperature {temperature_of(plan):.2f})"
    if members > 1 or (copies > 1 and not plan.task.get("mirror")):  # with `mirror` validation averaged copies too
        known += " for single answers: to their mean the temperature was not fitted"
    return known
