"""The two losses of Foundation Ark."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def prediction_loss(logits: Tensor, targets: Tensor, cross_entropy: bool) -> Tensor:
    """How far one head is from its labels: the mean over all that is known; 0 where nothing is.

    Args:
        logits: (N, C) of the visited set's head.
        targets: (N, C); NaN: no loss. With `cross_entropy` each row is one-hot, or NaN throughout.
        cross_entropy: one of several classes (softmax); else a binary cross-entropy per finding.
    """
    known = targets.isfinite()
    filled = targets.where(known, torch.zeros_like(targets)).to(logits.dtype)
    if cross_entropy:
        each = -(filled * functional.log_softmax(logits, dim=1)).sum(dim=1)  # (N,)
        known = known.all(dim=1)
    else:
        each = functional.binary_cross_entropy_with_logits(logits, filled, reduction="none")  # (N, C)
    return (each * known).sum() / known.sum().clamp(min=1)


def consistency_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of the projections (N, D); no gradient reaches the teacher's."""
    return functional.mse_loss(student, teacher.detach())


def ramp(share: float, end: float) -> float:
    """From 0 to `end` by a cosine, as `share` of the run goes from 0 to 1."""
    return end * 0.5 * (1.0 - math.cos(math.pi * share))


def teacher_momentum(share: float, start: float) -> float:
    """From `start` to 1 by a cosine, as `share` of the run goes from 0 to 1."""
    return 1.0 - (1.0 - start) * 0.5 * (1.0 + math.cos(math.pi * share))
