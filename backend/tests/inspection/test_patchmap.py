"""The patch map: a point per cell, alike ones together, coloured by place."""

from __future__ import annotations

import numpy as np
import pytest

from medssl.inspection.anatomy.colours import distinct, of_places
from medssl.inspection.anatomy.patchmap import flatten_patches


def two_clouds() -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 0.05, (80, 64)).astype(np.float32)
    noise[:40, 0] += 1
    noise[40:, 1] += 1
    return noise


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_what_is_alike_lies_together(method):
    places, explained = flatten_patches(two_clouds(), method, perplexity=10)
    assert places.shape == (80, 2)
    middles = places[:40].mean(axis=0), places[40:].mean(axis=0)
    spread = places[:40].std()
    assert np.hypot(*(middles[0] - middles[1])) > 2 * spread
    assert bool(explained) == (method == "pca") and sum(explained) <= 1


def test_the_same_seed_gives_the_same_places():
    first, second = (flatten_patches(two_clouds(), "tsne", 10, seed=4)[0] for _ in range(2))
    assert np.array_equal(first, second)


def test_colours_follow_the_place():
    def distance(one: str, other: str) -> float:
        return sum(abs(int(one[n : n + 2], 16) - int(other[n : n + 2], 16)) for n in (1, 3, 5))

    here, near, far = of_places(np.array([0.2, 0.22, 0.9]), np.array([0.3, 0.31, 0.8]))
    assert distance(here, near) < 20 < distance(here, far)


def test_palette_colours_are_distinct_and_do_not_change_with_the_number():
    assert distinct(20)[:5] == distinct(5) and len(set(distinct(255))) > 200
