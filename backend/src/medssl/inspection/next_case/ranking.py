"""The order in which images are worth labelling: uncertain ones, unlike those that are labelled or were chosen before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

from medssl.inference.volumes.entropy_score import EntropyScore

LEAST_SURFACE = 0.03  # of the median surface: what an image has at least in which (nearly) nothing is found


@dataclass(frozen=True)
class Choice:
    """A candidate at its place of the order.

    Attributes:
        number: of the candidate.
        score: 0...1, the weighted mean of both ranks among the candidates that were left: 1 is first in both.
        uncertain: its rank in uncertainty among all candidates, 0...1; None where nobody asked a model.
        different: its rank in difference among those that were left, 0...1.
        difference: distance to the nearest labelled or chosen case, in typical distances; None where there was none: the first
            choice is then the most typical candidate.
        nearest: number of that case: labelled ones first, then candidates; -1: there was none.
    """

    number: int
    score: float
    uncertain: float | None
    different: float
    difference: float | None
    nearest: int


def border_widths(scores: Sequence[EntropyScore]) -> np.ndarray:
    """How wide the doubtful border of each prediction is, (N,): doubt over surface, in mm.

    Divided by the surface, a large organ is not more uncertain than a small one whose border is as blurred. An image in which
    nothing is found has none to divide by: a small share of the median surface counts instead, so that a prediction that is empty in
    doubt comes first and one that is empty without any comes last.
    """
    doubt, surface = (np.array([getattr(one, name) for one in scores]) for name in ("doubt", "surface"))
    least = LEAST_SURFACE * float(np.median(surface[surface > 0])) if np.any(surface > 0) else 1.0
    return doubt / np.maximum(surface, least)


def rank_cases(
    candidates: np.ndarray,
    labelled: np.ndarray,
    uncertainty: np.ndarray | None = None,
    share: float = 0.5,
    count: int = 0,
) -> list[Choice]:
    """Candidates in the order in which they are worth labelling.

    Difference is the greedy k-centre rule of core-sets (Sener & Savarese, ICLR 2018): each choice is the one farthest from its
    nearest labelled or chosen case. Since it is chosen one by one, several that are alike do not come together. Both parts enter
    as ranks, so that neither's unit or spread counts.

    Args:
        candidates: embeddings (N, D).
        labelled: embeddings (M, D) of what is labelled; M may be 0.
        uncertainty: of each candidate, (N,); None: difference alone.
        share: of the score that is uncertainty, 0...1.
        count: choices wanted; 0: all.
    """
    unit = _typical(np.concatenate([candidates, labelled]))
    nearest = np.full(len(candidates), -1)
    if len(labelled):
        distances = cdist(candidates, labelled) / unit
        nearest, distance = distances.argmin(axis=1), distances.min(axis=1)
    else:
        distance = -cdist(candidates, candidates.mean(axis=0, keepdims=True))[:, 0] / unit  # the most typical one first
    unsure = None if uncertainty is None else _ranks(uncertainty)
    left = list(range(len(candidates)))
    order: list[Choice] = []
    while left and len(order) < (count or len(candidates)):
        different = _ranks(distance[left])
        score = different
        if unsure is not None:
            score = share * _ranks(uncertainty[left]) + (1 - share) * different  # type: ignore[index]
        best = int(np.argmax(score))
        number = left.pop(best)
        known = bool(nearest[number] >= 0)
        order.append(
            Choice(
                number, float(score[best]), None if unsure is None else float(unsure[number]), float(different[best]),
                float(distance[number]) if known else None, int(nearest[number]),
            )
        )  # fmt: skip
        new = cdist(candidates, candidates[number : number + 1])[:, 0] / unit
        closer = (nearest < 0) | (new < distance)
        distance, nearest = np.where(closer, new, distance), np.where(closer, len(labelled) + number, nearest)
    return order


def _typical(vectors: np.ndarray) -> float:
    """Root mean square distance of vectors to their mean; 1 where all are the same."""
    spread = float(np.sqrt(((vectors - vectors.mean(axis=0)) ** 2).sum(axis=1).mean()))
    return spread if spread > 0 else 1.0


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks 0...1, the largest value 1; equal values share theirs."""
    return (rankdata(values) - 1) / (len(values) - 1) if len(values) > 1 else np.ones(len(values))
