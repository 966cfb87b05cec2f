"""Cross-entropy and focal loss where some labels are unknown."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from medssl.tasks.classification.class_weights import ClassWeights

NEAR = 1e-6  # least distance of a probability from its target


def classification_loss(
    logits: Tensor, targets: Tensor, kind: str, weights: ClassWeights | None = None, focus: float = 0.0
) -> Tensor:
    """The mean cross-entropy, or focal loss, over what is known; 0 where nothing is.

    Focal loss (Lin et al., "Focal loss for dense object detection", ICCV 2017) multiplies each class's cross-entropy by the
    power `focus` of how far its probability is from the target. For targets between 0 and 1 (mixed images, smoothed labels)
    that distance is |target - p|, as in Li et al., "Generalized focal loss", NeurIPS 2020; for 0 and 1 both are the same. The
    factor alpha of Lin et al. is a matter of `weights`.

    Args:
        logits: (N, C).
        targets: (N, C) in 0...1 (rows of sum 1 for multi-class), NaN where unknown; a row of multi-class with a NaN is unknown.
        kind: multi-class: over classes; else binary, finding by finding.
        weights: how much positives and negatives of each class count; of multi-class how much the class does.
        focus: the power gamma; 0: cross-entropy.
    """
    if kind == "multi-class":
        rows = ~targets.isnan().any(dim=1)
        if not rows.any():
            return logits.sum() * 0.0
        return _over_classes(logits[rows], targets[rows], weights, focus)
    known, targets = ~targets.isnan(), targets.nan_to_num()
    ratio = None if weights is None else (weights.positive / weights.negative).to(logits.device)
    losses = functional.binary_cross_entropy_with_logits(logits, targets, pos_weight=ratio, reduction="none")
    if weights is not None:
        losses = losses * weights.negative.to(logits.device)
    if focus:
        losses = losses * _far(logits.sigmoid(), targets, focus)
    return torch.where(known, losses, 0.0).sum() / known.sum().clamp(min=1)


def _over_classes(logits: Tensor, targets: Tensor, weights: ClassWeights | None, focus: float) -> Tensor:
    weight = None if weights is None else weights.positive.to(logits.device)
    if not focus:
        return functional.cross_entropy(logits, targets, weight=weight)
    logs = logits.log_softmax(dim=1)
    terms = -targets * _far(logs.exp(), targets, focus) * logs
    return (terms if weight is None else terms * weight).sum(dim=1).mean()


def _far(probabilities: Tensor, targets: Tensor, focus: float) -> Tensor:
    """The power of the distance; never of exactly 0, where roots have no slope."""
    return (targets - probabilities).abs().clamp(min=NEAR) ** focus
