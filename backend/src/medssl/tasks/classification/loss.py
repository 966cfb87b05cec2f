"""Cross-entropy where some labels are unknown."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

RAREST = 100.0  # largest weight of a finding's positives


def classification_loss(logits: Tensor, targets: Tensor, kind: str, weights: Tensor | None = None) -> Tensor:
    """The mean cross-entropy over what is known; 0 where nothing is.

    Args:
        logits: (N, C).
        targets: (N, C) in 0...1 (one-hot rows for multi-class), NaN where unknown.
        kind: multi-class: over classes; else binary, finding by finding.
        weights: (C,) how much more a positive counts than a negative (multi-class: how much the class counts).
    """
    weights = None if weights is None else weights.to(logits.device)
    if kind == "multi-class":
        rows = ~targets.isnan().any(dim=1)
        if not rows.any():
            return logits.sum() * 0.0
        return functional.cross_entropy(logits[rows], targets[rows], weight=weights)
    known = ~targets.isnan()
    losses = functional.binary_cross_entropy_with_logits(
        logits, targets.nan_to_num(), pos_weight=weights, reduction="none"
    )
    return torch.where(known, losses, 0.0).sum() / known.sum().clamp(min=1)


def positive_weights(targets: np.ndarray) -> Tensor:
    """(C,): negatives per positive of each finding in the training set, at most `RAREST`."""
    positives, known = np.nansum(targets > 0.5, axis=0), (~np.isnan(targets)).sum(axis=0)
    return torch.tensor(((known - positives) / np.maximum(positives, 1)).clip(1 / RAREST, RAREST), dtype=torch.float32)
