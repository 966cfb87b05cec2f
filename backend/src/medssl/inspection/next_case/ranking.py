"""The order in which images are worth labelling: uncertain ones, and such as stand for many that no labelled one is like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

from medssl.inference.volumes.entropy_score import EntropyScore

COVERED = 2000  # candidates that are to be covered; of more, so many evenly among them
AT_ONCE = 100  # choices after which the rest follows at once: nobody labels more before asking again
LEAST_SURFACE = 0.03  # of the median surface: what an image has at least in which (nearly) nothing is found


@dataclass(frozen=True)
class Choice:
    """A candidate at its place of the order.

    Attributes:
        number: of the candidate.
        score: 0...1, the weighted mean of both ranks among the candidates that were left: 1 is first in both.
        uncertain: its rank in uncertainty among all candidates, 0...1; None where nobody asked a model.
        covers: its rank in cover among those that were left, 0...1.
        represents: share of the other candidates that are nearer to it than to any labelled or chosen case, 0...1.
        difference: distance to the nearest labelled or chosen case, in typical distances; None where there was none: the first
            choice is then the most typical candidate.
        nearest: number of that case: labelled ones first, then candidates; -1: there was none.
    """

    number: int
    score: float
    uncertain: float | None
    covers: float
    represents: float
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

    Cover is how much nearer the candidates come to a labelled or chosen case, in sum, by a label of this one (greedy facility
    location: Wei, Iyer & Bilmes, ICML 2015). It grows with the distance to what is labelled and with how many candidates are
    like it: an outlier covers itself alone, and of several that are alike one is enough. Both parts enter as ranks, so that
    neither's unit or spread counts.

    Args:
        candidates: embeddings (N, D).
        labelled: embeddings (M, D) of what is labelled; M may be 0.
        uncertainty: of each candidate, (N,); None: cover alone.
        share: of the score that is uncertainty, 0...1.
        count: choices wanted; 0: all. After `AT_ONCE` the others follow as they stand then.
    """
    unit = _typical(np.concatenate([candidates, labelled]))
    nearest, distance = np.full(len(candidates), -1), np.full(len(candidates), np.inf)
    if len(labelled):
        distances = cdist(candidates, labelled) / unit
        nearest, distance = distances.argmin(axis=1), distances.min(axis=1)
    covered = _spread_evenly(len(candidates))
    among = (cdist(candidates, candidates[covered]) / unit).astype(np.float32)
    unsure = None if uncertainty is None else _ranks(uncertainty)
    left = np.arange(len(candidates))
    order: list[Choice] = []
    wanted = min(count or len(candidates), len(candidates))
    while len(order) < wanted:
        reach = _reach(distance[covered], among)
        gain = np.maximum(reach - among[left], 0.0).sum(axis=1, dtype=np.float64)
        covers = _ranks(gain)
        score = covers if unsure is None else share * _ranks(uncertainty[left]) + (1 - share) * covers  # type: ignore[index]
        chosen = np.argsort(-score, kind="stable")[: 1 if len(order) < AT_ONCE else None]
        for place in chosen[: wanted - len(order)]:
            number = int(left[place])
            order.append(Choice(
                number, float(score[place]), None if unsure is None else float(unsure[number]), float(covers[place]),
                _others_nearer(number, covered, among, reach), float(distance[number]) if nearest[number] >= 0 else None,
                int(nearest[number]),
            ))  # fmt: skip
        number, left = order[-1].number, np.delete(left, chosen)
        new = cdist(candidates, candidates[number : number + 1])[:, 0] / unit
        closer = new < distance
        distance, nearest = np.where(closer, new, distance), np.where(closer, len(labelled) + number, nearest)
    return order


def _reach(distance: np.ndarray, among: np.ndarray) -> np.ndarray:
    """How far each covered candidate is from a labelled or chosen case; where there is none, as far as any two are."""
    return np.where(np.isfinite(distance), distance, among.max(initial=0.0)).astype(np.float32)


def _others_nearer(number: int, covered: np.ndarray, among: np.ndarray, reach: np.ndarray) -> float:
    """The share of the other candidates that are nearer to this one than to any labelled or chosen case."""
    others = covered != number
    return float(np.mean(among[number, others] < reach[others])) if others.any() else 0.0


def _spread_evenly(count: int) -> np.ndarray:
    """Numbers of the candidates that are to be covered: all, or `COVERED` of them."""
    return np.unique(np.linspace(0, count - 1, min(count, COVERED)).round().astype(int))


def _typical(vectors: np.ndarray) -> float:
    """Root mean square distance of vectors to their mean; 1 where all are the same."""
    spread = float(np.sqrt(((vectors - vectors.mean(axis=0)) ** 2).sum(axis=1).mean()))
    return spread if spread > 0 else 1.0


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks 0...1, the largest value 1; equal values share theirs."""
    return (rankdata(values) - 1) / (len(values) - 1) if len(values) > 1 else np.ones(len(values))
