"""How much each class counts in the loss, from how often it occurs in the training set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

RAREST = 100.0  # largest weight of a finding's positives against its negatives
INVERSE_MOST = (
    10.0  # largest weight by inverse frequency: one mislabelled image of a class of few must not rule a batch
)


@dataclass(frozen=True)
class ClassWeights:
    """(C,) float32 each: how much a positive and a negative of a finding count; of multi-class the first is the class's."""

    positive: Tensor
    negative: Tensor


def class_weights(balance: str, targets: np.ndarray, kind: str) -> ClassWeights | None:
    """The weights of a setting `balance`; None where all count alike.

    Args:
        balance: none and sampler weigh nothing; weights: see `positive_weights`; inverse-frequency: see `inverse_frequencies`.
        targets: (N, C) of the training set, NaN where unknown.
        kind: binary, multi-class or multi-label.
    """
    if balance == "weights":
        positive = positive_weights(targets)
        return ClassWeights(positive, torch.ones_like(positive))
    return inverse_frequencies(targets, kind) if balance == "inverse-frequency" else None


def positive_weights(targets: np.ndarray) -> Tensor:
    """(C,): negatives per positive of each finding in the training set, at most `RAREST`."""
    positives, known = _counts(targets)
    return torch.tensor(((known - positives) / np.maximum(positives, 1)).clip(1 / RAREST, RAREST), dtype=torch.float32)


def inverse_frequencies(targets: np.ndarray, kind: str) -> ClassWeights:
    """Weights N / (K n) of a class with n of N known images, K classes, within 1/`INVERSE_MOST`...`INVERSE_MOST`.

    K is C for multi-class. A finding has two classes, present and absent, each with its own weight; unlike `positive_weights`
    this leaves the size of the loss nearly as it is. (King and Zeng, "Logistic regression in rare events data", Political
    Analysis 9, 2001; the rule "balanced" of scikit-learn.)
    """
    positives, known = _counts(targets)
    classes = targets.shape[1] if kind == "multi-class" else 2
    return ClassWeights(_inverse(positives, known, classes), _inverse(known - positives, known, classes))


def _counts(targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(C,) positive images, and images whose label is known."""
    return np.nansum(targets > 0.5, axis=0), (~np.isnan(targets)).sum(axis=0)


def _inverse(members: np.ndarray, known: np.ndarray, classes: int) -> Tensor:
    share = known / (classes * np.maximum(members, 1))
    return torch.tensor(share.clip(1 / INVERSE_MOST, INVERSE_MOST), dtype=torch.float32)
