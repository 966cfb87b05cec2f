"""A plane in which patches of equal descriptors lie together, coloured by their place in the image."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from medssl.core.errors import ConfigError, ResourceError
from medssl.inference.patch_grid import PatchGrid
from medssl.inspection.anatomy.colours import of_places

METHODS = ("tsne", "pca", "umap")
COMPONENTS = 50  # principal ones that t-SNE and UMAP see, as their authors advise
NEIGHBOURS = 15  # of UMAP, its default


def flatten_patches(
    descriptors: np.ndarray, method: str, perplexity: float = 30.0, seed: int = 0
) -> tuple[np.ndarray, list[float]]:
    """Places (n, 2) in a plane of descriptors (n, D), and what share of the variance its axes explain (PCA only).

    Args:
        method: tsne (van der Maaten and Hinton, 2008), pca, or umap (McInnes et al., 2018) where it is installed.
        perplexity: t-SNE: how many neighbours count.
        seed: the same seed gives the same places on the same machine.

    Raises:
        ConfigError: an unknown method, or a perplexity that does not suit the number of patches.
        ResourceError: UMAP is not installed.
    """
    from sklearn.decomposition import PCA

    check_method(method)
    seed %= 2**32
    components = min(2 if method == "pca" else COMPONENTS, *descriptors.shape)
    found = PCA(components, svd_solver="randomized", random_state=seed).fit(descriptors)
    reduced = found.transform(descriptors)
    if method == "pca":
        return reduced, [float(share) for share in found.explained_variance_ratio_]
    if method == "umap":
        from umap import UMAP

        return np.asarray(
            UMAP(n_neighbors=min(NEIGHBOURS, len(reduced) - 1), random_state=seed).fit_transform(reduced)
        ), []
    from sklearn.manifold import TSNE

    if not 1 <= perplexity < len(reduced):
        raise ConfigError(
            f"perplexity = {perplexity:g}",
            f"must be at least 1 and below the number of patches, {len(reduced)}",
            "30 is a good start",
            code="setting-out-of-range",
        )
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced), []


def check_method(method: str) -> None:
    """Refuse a method before anything is computed.

    Raises:
        ConfigError: unknown. ResourceError: not installed.
    """
    if method not in METHODS:
        raise ConfigError(
            f"method {method!r}", "is unknown", f"Use one of {', '.join(METHODS)}", code="setting-not-a-choice"
        )
    if method == "umap" and find_spec("umap") is None:
        raise ResourceError(
            "package umap-learn",
            "is not installed with the backend",
            "Run `pip install umap-learn`, or use tsne or pca",
            code="package-missing",
        )


def shown_patches(grids: list[PatchGrid], names: list[str]) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Descriptors (n, D) of all cells that show something, and where each lies: the table without u and v."""
    table = []
    for number, (grid, name) in enumerate(zip(grids, names)):
        places = np.argwhere(grid.foreground.numpy())
        pixels = grid.pixels(places)
        colours = of_places(*(pixels / grid.source.shape).T)
        table += [
            {
                "image": number,
                "name": name,
                "row": int(r),
                "column": int(c),
                "x": float(x),
                "y": float(y),
                "colour": colour,
            }
            for (r, c), (x, y), colour in zip(places, pixels, colours)
        ]
    return np.concatenate([grid.descriptors[grid.foreground].numpy() for grid in grids]), table
