"""The four loss terms of PEAC (Zhou et al., BMVC 2023). Every mean squared error is a mean over all elements."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def order_loss(logits: Tensor, order: Tensor) -> Tensor:
    """Cross-entropy of the place that each token predicts for the cell it sees.

    Args:
        logits: (N, T, T), for each token one value per place.
        order: (N, T) int64: the cell of the clean crop that each token sees.
    """
    return functional.cross_entropy(logits.flatten(0, 1).float(), order.flatten())


def restoration_loss(restored: Tensor, clean: Tensor) -> Tensor:
    """Mean squared error to the clean crop in order, both (N, C, S, S)."""
    return functional.mse_loss(restored.float(), clean.float())


def global_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Each crop's student against the other crop's teacher, as unit vectors.

    Args:
        student, teacher: (2, N, D): crop 1, crop 2.
    """
    ours, theirs = functional.normalize(student.float(), dim=2), functional.normalize(teacher.float(), dim=2)
    return functional.mse_loss(ours[0], theirs[1]) + functional.mse_loss(ours[1], theirs[0])


def local_loss(student: Tensor, teacher: Tensor, matches: Tensor, used: Tensor) -> Tensor:
    """Mean squared error of the embeddings of shared cells, student(1) / teacher(2) and teacher(1) / student(2) averaged.

    Zero, with a gradient of zero, where no sample is used: every process must take part in every exchange of gradients.

    Args:
        student, teacher: (2, N, T, L): crop 1, crop 2.
        matches: (N, T) int64: the cell of crop 2 that goes with each of crop 1, or -1.
        used: (N,) bool: samples whose crop 1 is in order.
    """
    weight = ((matches >= 0) & used[:, None]).float()  # (N, T)
    place = matches.clamp(min=0)[:, :, None].expand(-1, -1, student.shape[3])
    one = (student[0].float() - teacher[1].float().gather(1, place)).square().mean(2)
    two = (teacher[0].float() - student[1].float().gather(1, place)).square().mean(2)
    return (0.5 * (one + two) * weight).sum() / weight.sum().clamp(min=1.0)


def feature_spread(tokens: Tensor) -> Tensor:
    """Mean variance over a batch's tokens of their unit vectors times their length D: 0 for a constant, 1 at most.

    Args:
        tokens: (..., D).
    """
    unit = functional.normalize(tokens.float().flatten(0, -2), dim=1)
    return unit.var(0, unbiased=False).sum().clamp(min=0.0) if len(unit) else torch.zeros(())
