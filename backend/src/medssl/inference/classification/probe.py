"""The two probes: logistic regression and nearest neighbours, as plain arrays that a file can hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import special
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

ROUNDS = 2000  # of the solver
TEMPERATURE = 0.07  # of the neighbours' votes, exp(cosine / T), as in DINO's k-NN evaluation (Caron et al., ICCV 2021)


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """Logistic regression over standardised embeddings; `weight` (C, D), `bias` (C,), `mean` and `std` (D,)."""

    weight: np.ndarray
    bias: np.ndarray
    mean: np.ndarray
    std: np.ndarray

    def probabilities(self, features: np.ndarray, kind: str) -> np.ndarray:
        """(N, C) of embeddings (N, D)."""
        logits = (features - self.mean) / self.std @ self.weight.T + self.bias
        return special.softmax(logits, axis=1) if kind == "multi-class" else special.expit(logits)

    def tensors(self) -> dict[str, Tensor]:
        """What a file holds."""
        parts = {"weight": self.weight, "bias": self.bias, "mean": self.mean, "std": self.std}
        return {name: torch.from_numpy(np.ascontiguousarray(part, np.float32)) for name, part in parts.items()}

    def about(self) -> dict[str, Any]:
        """What the file's header says beside."""
        return {}


@dataclass(frozen=True, eq=False)
class KNearest:
    """The labels of the nearest embeddings by cosine, weighted by exp(cosine / 0.07); `features` (M, D) of length 1."""

    features: np.ndarray
    targets: np.ndarray  # (M, C), nan where unknown
    neighbours: int

    @classmethod
    def of(cls, features: np.ndarray, targets: np.ndarray, neighbours: int) -> KNearest:
        """From embeddings of any length."""
        return cls(_unit(features), np.asarray(targets, np.float32), min(neighbours, len(features)))

    def probabilities(self, features: np.ndarray, kind: str) -> np.ndarray:
        """(N, C): the weighted share of neighbours that show the class; 0.5 where none of them is labelled."""
        search = NearestNeighbors(n_neighbors=self.neighbours, algorithm="brute").fit(self.features)
        distance, found = search.kneighbors(_unit(features))  # of unit vectors: distance² = 2 - 2 cosine
        weights = np.exp(-(distance**2) / 2 / TEMPERATURE)[:, :, None]  # (N, k, 1)
        votes = self.targets[found]  # (N, k, C)
        known = np.where(np.isnan(votes), 0.0, weights)
        total = known.sum(axis=1)
        return np.where(total > 0, (known * np.nan_to_num(votes)).sum(axis=1) / np.maximum(total, 1e-30), 0.5)

    def tensors(self) -> dict[str, Tensor]:
        """What a file holds."""
        return {
            "features": torch.from_numpy(self.features.astype(np.float16)),
            "targets": torch.from_numpy(self.targets),
        }

    def about(self) -> dict[str, Any]:
        """What the file's header says beside."""
        return {"neighbours": self.neighbours}


def fit_linear(features: np.ndarray, targets: np.ndarray, kind: str, penalty: float) -> LinearProbe:
    """Fit on embeddings (N, D) and targets (N, C); unknown labels are left out, class by class.

    Args:
        features: embeddings.
        targets: 0...1, nan where unknown; soft labels count as what they are nearer to.
        kind: multi-class: one regression over all classes.
        penalty: strength of the L2 penalty (1 / C of scikit-learn).
    """
    mean, std = features.mean(axis=0), features.std(axis=0) + 1e-6
    scaled = (features - mean) / std
    if kind == "multi-class":
        rows = ~np.isnan(targets).any(axis=1)
        model = _regression(scaled[rows], targets[rows].argmax(axis=1), penalty)
        weight, bias = np.zeros((targets.shape[1], scaled.shape[1])), np.full(targets.shape[1], -np.inf)
        several = len(model.classes_) > 2
        weight[model.classes_] = model.coef_ if several else np.concatenate([-model.coef_, model.coef_]) / 2
        bias[model.classes_] = (
            model.intercept_ if several else np.concatenate([-model.intercept_, model.intercept_]) / 2
        )
        return LinearProbe(weight, np.maximum(bias, -50.0), mean, std)  # a class never seen: hardly possible
    weight, bias = np.zeros((targets.shape[1], scaled.shape[1])), np.zeros(targets.shape[1])
    for n, column in enumerate(targets.T):
        rows = ~np.isnan(column)
        labels = column[rows] > 0.5
        if labels.all() or not labels.any():
            bias[n] = 10.0 if labels.size and labels.all() else -10.0
            continue
        model = _regression(scaled[rows], labels, penalty)
        weight[n], bias[n] = model.coef_[0], model.intercept_[0]
    return LinearProbe(weight, bias, mean, std)


def _regression(features: np.ndarray, labels: np.ndarray, penalty: float) -> LogisticRegression:
    return LogisticRegression(C=1.0 / penalty, max_iter=ROUNDS).fit(features, labels)


def _unit(features: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return (features / np.maximum(lengths, 1e-12)).astype(np.float32)
