"""Does a saliency map say something of the network, or only of the image?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from medssl.inference.untrained import untrained
from medssl.networks.network import Network

LIMIT = 0.5  # a map as like as this, or more, to those of random networks is not to be relied on


@dataclass(frozen=True)
class Check:
    """How like a map is to the maps of the same network with random weights (Adebayo et al., NeurIPS 2018).

    Attributes:
        similarity: mean of the absolute rank correlations, 0...1; 1 for a map that is the same everywhere.
        networks: how many random ones it was compared with.
        passed: whether the similarity is below LIMIT.
    """

    similarity: float
    networks: int

    @property
    def passed(self) -> bool:
        return self.similarity < LIMIT

    @property
    def text(self) -> str:
        """For people, in half a line."""
        verdict = (
            "differs" if self.passed else "does NOT differ"
        )  # no word of praise: an untrained network's map differs too
        return f"{verdict} from random weights (rank correlation {self.similarity:.2f})"

    def as_dict(self) -> dict[str, Any]:
        """For a result's info."""
        return {"similarity": self.similarity, "networks": self.networks, "passed": self.passed, "check": self.text}


def rank_check(
    scores: np.ndarray, net: Network, networks: int, scores_of: Callable[[Network, int], np.ndarray]
) -> Check:
    """Compare scores with those of networks as training begins with them, one seed each.

    The absolute value counts: a random head tells where something is as well by low scores as by high ones.

    Args:
        scores: (n, n) of the trained network, before negative ones become 0.
        net: with the plan that the random ones are built by.
        networks: how many.
        scores_of: the method, given a network and its number from 1 on.
    """
    device = next(net.parameters()).device
    found = [
        abs(rank_correlation(scores, scores_of(untrained(net.plan, turn).to(device), turn)))  # type: ignore[arg-type]
        for turn in range(1, networks + 1)
    ]
    return Check(float(np.mean(found)), networks)


def rank_correlation(scores: np.ndarray, others: np.ndarray) -> float:
    """Spearman's of two maps; 1 where the first does not vary and so cannot differ, 0 where only the second does not."""
    if np.ptp(scores) == 0:
        return 1.0
    if np.ptp(others) == 0:
        return 0.0
    return float(stats.spearmanr(scores.ravel(), others.ravel()).statistic)
