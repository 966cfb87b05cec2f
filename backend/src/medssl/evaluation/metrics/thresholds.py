"""From which probability on is a finding called? Chosen on validation images, never on the test set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medssl.core.errors import InputError
from medssl.evaluation.metrics.classification_metrics import THRESHOLD

RULES = ("youden", "f1", "specificity")


def choose_threshold(
    targets: np.ndarray, probabilities: np.ndarray, rule: str = "youden", specificity: float = 0.9
) -> float:
    """The cut with the largest sensitivity + specificity, the largest F1, or the lowest one of at least `specificity`.

    The threshold lies half-way between the scores that it separates; a case is called where its probability reaches it.
    Of equally good cuts the highest is taken (for "specificity" there is only one). 0.5 where the targets hold one value.

    Args:
        targets: (N,) in 0...1, nan where unknown.
        probabilities: (N,).
        rule: one of `RULES`.

    Raises:
        InputError: an unknown rule.
    """
    if rule not in RULES:
        raise InputError(
            f"threshold rule {rule!r}", "is unknown", f"Use {', '.join(RULES)}", code="threshold-rule-unknown"
        )
    known = ~np.isnan(targets)
    truth, scores = np.asarray(targets)[known] >= 0.5, np.asarray(probabilities, float)[known]
    if truth.all() or not truth.any():
        return THRESHOLD
    values, places = np.unique(-scores, return_inverse=True)
    tp = np.cumsum(np.bincount(places, truth))
    fp = np.cumsum(np.bincount(places, ~truth))
    if rule == "youden":
        best = int(np.argmax(np.round(tp / tp[-1] - fp / fp[-1], 12)))
    elif rule == "f1":
        best = int(np.argmax(np.round(2 * tp / (tp + fp + tp[-1]), 12)))
    else:
        best = int(np.count_nonzero(fp <= (1 - specificity + 1e-12) * fp[-1])) - 1
    edges = np.concatenate([[1 + 1e-6], -values, [0.0]])  # a cut may lie above a score of 1
    return float((edges[best + 1] + edges[best + 2]) / 2)


def choose_thresholds(
    targets: np.ndarray,
    probabilities: np.ndarray,
    names: Sequence[str],
    rule: str = "youden",
    specificity: float = 0.9,
) -> dict[str, float]:
    """The threshold of each class; targets and probabilities are (N, C)."""
    return {
        name: choose_threshold(targets[:, n], probabilities[:, n], rule, specificity) for n, name in enumerate(names)
    }
