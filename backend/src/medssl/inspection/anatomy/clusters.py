"""Clusters of descriptors: k-means on their principal components."""

from __future__ import annotations

import numpy as np

COMPONENTS = 32  # distances between cells need no more, and it is many times as fast


def principal_components(descriptors: np.ndarray, seed: int) -> np.ndarray:
    """The first principal components (n, 32 at most) of descriptors (n, D)."""
    from sklearn.decomposition import PCA

    if min(descriptors.shape) <= COMPONENTS:
        return descriptors
    return PCA(COMPONENTS, svd_solver="randomized", random_state=seed % 2**32).fit_transform(descriptors)


def cluster(points: np.ndarray, count: int, seed: int, starts: int = 3) -> tuple[np.ndarray, float]:
    """The cluster (n,) of each point (n, C), and the sum of squared distances from the clusters' centres.

    The best of `starts` beginnings is kept.
    """
    from sklearn.cluster import KMeans

    found = KMeans(count, n_init=starts, random_state=seed % 2**32).fit(points)
    return found.labels_.astype(np.int64), float(found.inertia_)
