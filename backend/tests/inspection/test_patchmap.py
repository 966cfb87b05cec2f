"""The patch map: a point per cell, alike ones together, coloured by place."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from radiograph_fakes import RadiographContext, radiograph, references

from medssl.core.errors import ConfigError, ResourceError
from medssl.inspection.anatomy import patchmap
from medssl.inspection.anatomy.patchmap import flatten_patches
from medssl.reports.figures.palette import distinct, of_places


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


def test_every_cell_is_a_row_with_its_place(tmp_path):
    images = [radiograph(1), radiograph(2, (200, 300))]
    context = RadiographContext(tmp_path, images)
    patchmap.inspect({"images": references(2), "model": "m", "method": "pca"}, context)
    rows = context.found.table
    assert sum(row["image"] == 0 for row in rows) == 19 * 19
    assert all(-0.5 <= row["x"] <= images[row["image"]].shape[0] for row in rows)
    assert {"row", "column", "u", "v", "colour", "name"} <= rows[0].keys() and len(context.found.info["explained"]) == 2
    assert all((context.folder / name).stat().st_size for name in ("patchmap.csv", "montage.png"))


def test_colours_follow_the_place():
    def distance(one: str, other: str) -> float:
        return sum(abs(int(one[n : n + 2], 16) - int(other[n : n + 2], 16)) for n in (1, 3, 5))

    here, near, far = of_places(np.array([0.2, 0.22, 0.9]), np.array([0.3, 0.31, 0.8]))
    assert distance(here, near) < 20 < distance(here, far)


def test_palette_colours_are_distinct_and_do_not_change_with_the_number():
    assert distinct(20)[:5] == distinct(5) and len(set(distinct(255))) > 200


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"method": "lda"}, "lda"),
        ({"perplexity": 0.5}, "perplexity = 0.5"),
        ({"perplexity": 361}, "below the number of patches, 361"),
    ],
)
def test_refusals(tmp_path, change, says):
    context = RadiographContext(tmp_path, [radiograph(1)])
    with pytest.raises(ConfigError, match=says):
        patchmap.inspect({"images": references(1), "model": "m", **change}, context)


@pytest.mark.skipif(find_spec("umap") is not None, reason="UMAP is installed here")
def test_umap_says_what_to_install(tmp_path):
    with pytest.raises(ResourceError, match="umap-learn"):
        patchmap.inspect(
            {"images": references(1), "model": "m", "method": "umap"}, RadiographContext(tmp_path, [radiograph(1)])
        )
