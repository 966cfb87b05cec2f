"""Free-response ROC: how many nodules are found for how many false positives per scan.

The protocol of LUNA16 (Setio et al., "Validation, comparison, and combination of algorithms for automatic detection of pulmonary
nodules in computed tomography images: The LUNA16 challenge", Medical Image Analysis 42, 2017): a candidate hits a nodule from whose
centre it is no farther than the nodule's radius; of several hits of one nodule the highest score counts and the others are left out;
hits of irrelevant findings are left out; all other candidates are false positives. Sensitivity is read off the curve, linear between its points, at 1/8, 1/4, 1/2,
1, 2, 4 and 8 false positives per scan; their mean is the competition performance metric (Niemeijer et al., IEEE Transactions on Medical
Imaging 30, 2011).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # false positives per scan


@dataclass(frozen=True, eq=False)
class Matches:
    """What candidates hit, in S scans, by number."""

    scans: int
    nodule_scans: np.ndarray  # (M,) of the relevant nodules
    nodule_scores: np.ndarray  # (M,) the highest of the candidates that hit it, -inf where none does
    false_scans: np.ndarray  # (F,) of the false positives
    false_scores: np.ndarray  # (F,)
    repeated: int = 0  # further hits of nodules, left out
    ignored: int = 0  # hits of irrelevant findings, left out


def match(
    scans: np.ndarray, places: np.ndarray, scores: np.ndarray, nodule_scans: np.ndarray, nodule_places: np.ndarray,
    radii: np.ndarray, irrelevant: np.ndarray, number: int,
) -> Matches:  # fmt: skip
    """Match candidates with nodules; one that lies in several belongs to a relevant one before an irrelevant one, then to the nearest.

    Args:
        scans: (N,) of the candidates, 0...number - 1.
        places: (N, 3) mm.
        scores: (N,).
        nodule_scans: (M,).
        nodule_places: (M, 3) mm.
        radii: (M,) mm.
        irrelevant: (M,) bool.
        number: of scans, with those that have neither.
    """
    best = np.full(len(radii), -np.inf)
    false = np.ones(len(scores), bool)
    repeated = ignored = 0
    for scan in np.unique(nodule_scans):
        mine, theirs = np.flatnonzero(scans == scan), np.flatnonzero(nodule_scans == scan)
        distances = np.linalg.norm(places[mine, None] - nodule_places[theirs], axis=2)
        ranks = np.where(irrelevant[theirs], 1e9, 0.0) + distances
        for n, candidate in enumerate(mine):
            hit = np.flatnonzero(distances[n] <= radii[theirs])
            if not len(hit):
                continue
            false[candidate] = False
            nodule = theirs[hit[np.argmin(ranks[n, hit])]]
            if irrelevant[nodule]:
                ignored += 1
            else:
                repeated += best[nodule] > -np.inf
                best[nodule] = max(best[nodule], scores[candidate])
    relevant = ~irrelevant
    return Matches(
        number, nodule_scans[relevant], best[relevant], scans[false], scores[false], int(repeated), int(ignored)
    )


class FrocCurve:
    """The curve of matches, also of scans that count more often or not at all.

    Args:
        matches: of all scans.
    """

    def __init__(self, matches: Matches) -> None:
        found = matches.nodule_scores > -np.inf
        scores = np.concatenate([matches.nodule_scores[found], matches.false_scores])
        order = np.argsort(-scores, kind="stable")
        self._ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, len(scores) > 0))  # ties enter together
        self._scan = np.concatenate([matches.nodule_scans[found], matches.false_scans])[order].astype(int)
        self._hit = (np.arange(len(scores)) < found.sum())[order]
        self._nodules = np.bincount(matches.nodule_scans.astype(int), minlength=matches.scans)
        self.scans = matches.scans

    def points(self, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """False positives per scan and sensitivity (T,) from (0, 0) on, both rising.

        Args:
            weights: (S,) how often each scan counts; None: once. NaN sensitivities where no scan with nodules counts.
        """
        weights = np.ones(self.scans) if weights is None else weights
        weight = weights[self._scan]
        with np.errstate(invalid="ignore", divide="ignore"):
            hits = np.cumsum(np.where(self._hit, weight, 0.0))[self._ends] / (weights @ self._nodules)
            false = np.cumsum(np.where(self._hit, 0.0, weight))[self._ends] / weights.sum()
        return np.append(0.0, false), np.append(0.0, hits)

    def sensitivities(self, rates: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Sensitivity at so many false positives per scan; beyond the last point that of the last."""
        false, hits = self.points(weights)
        last = np.append(np.diff(false) > 0, True)  # of points of one rate the highest
        return np.interp(rates, false[last], hits[last])

    def statistic(self, weights: np.ndarray) -> np.ndarray:
        """(R, S) weights to (R, 8): sensitivity at `RATES`, and their mean."""
        values = np.array([self.sensitivities(np.array(RATES), row) for row in weights])
        return np.concatenate([values, values.mean(axis=1, keepdims=True)], axis=1)
