"""Parts of equal anatomy in several radiographs: clusters of all their patches, drawn at full size.

After Amir et al., "Deep ViT Features as Dense Visual Descriptors" (2021): cluster the descriptors of all images together,
keep the clusters that most images vote salient, and refine at pixel level. A Swin transformer has no class token whose
attention would tell what is salient; here position does, see `votes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medssl.core.errors import ConfigError
from medssl.inference.patch_grid import PatchGrid
from medssl.inspection.anatomy.clusters import cluster, principal_components
from medssl.inspection.anatomy.colours import distinct
from medssl.inspection.anatomy.part_maps import label_map

FEWEST, MOST = 3, 12  # clusters that the elbow rule chooses from
LARGEST = 255  # parts that a label map of bytes can tell apart
LEAST_SHARE = 0.01  # of an image's cells: fewer are no part of it
CROWDED = 2.0  # times as many cells at the border as all cells have: background


@dataclass(frozen=True)
class Cosegmentation:
    """Clusters that most images vote salient, the largest first.

    Attributes:
        centres: (clusters, D) unit length, of all clusters.
        kept: numbers of the clusters that are parts, in the order of the parts.
        votes: (clusters,) how many images vote each cluster salient.
        elbow: numbers of clusters that were tried and the inertia of each; empty where the number was given.
    """

    centres: Tensor
    kept: tuple[int, ...]
    votes: tuple[int, ...]
    elbow: tuple[tuple[int, float], ...]


def find_parts(grids: Sequence[PatchGrid], parts: int = 0, seed: int = 0) -> Cosegmentation:
    """Cluster the cells of all images and let the images vote.

    Args:
        grids: one image or more.
        parts: number of clusters; 0 takes the one at the elbow of the inertia. Those that are background are no parts.
        seed: the same seed gives the same parts.

    Raises:
        ConfigError: more parts than a label map or the images can hold.
    """
    shown = [grid.descriptors[grid.foreground] for grid in grids]  # (cells, D) each
    cells = torch.cat(shown)
    most = min(LARGEST, len(cells) // 2)
    if not 0 <= parts <= most:
        raise ConfigError(
            f"parts = {parts}",
            f"must lie between 1 and {most} here, or be 0",
            "0 finds a number",
            code="setting-out-of-range",
        )
    reduced = principal_components(cells.numpy(), seed)
    elbow: tuple[tuple[int, float], ...] = ()
    if parts:
        labels = cluster(reduced, parts, seed)[0]
    else:
        labels, elbow = _at_elbow(reduced, min(MOST, most), seed)
    count = int(labels.max()) + 1
    of_images = np.split(labels, np.cumsum([len(one) for one in shown])[:-1])
    ballot = np.sum([votes(grid, own, count) for grid, own in zip(grids, of_images)], axis=0, dtype=int)
    sizes = np.bincount(labels, minlength=count)
    kept = [int(n) for n in np.argsort(-sizes, kind="stable") if 2 * ballot[n] > len(grids)]
    centres = torch.stack([cells[torch.from_numpy(labels == n)].mean(dim=0) for n in range(count)])
    return Cosegmentation(functional.normalize(centres, dim=1), tuple(kept), tuple(int(n) for n in ballot), elbow)


def votes(grid: PatchGrid, labels: np.ndarray, count: int) -> np.ndarray:
    """Which clusters (count,) an image votes salient: they are in it, and do not crowd at its border.

    Collimation, air beside the body and burnt-in frames lie along the border; anatomy crosses it at most. A cluster is voted
    for where it has 1 % of the image's cells at least, and no more than twice the share of them in the outermost cells that
    all cells have.

    Args:
        labels: (cells that show something,) cluster of each, row by row.
    """
    rows, columns = np.indices(grid.shape)
    ring = np.rint(np.array(grid.cell) / grid.step).astype(int)  # grid places along a cell, x and y
    across, down = (np.minimum(n, n.max() - n) for n in (columns, rows))
    border = ((across < ring[0]) | (down < ring[1]))[grid.foreground.numpy()]
    sizes = np.bincount(labels, minlength=count)
    at_border = np.bincount(labels, border, minlength=count) / np.maximum(sizes, 1)
    return (sizes >= LEAST_SHARE * grid.foreground.numel()) & (at_border <= CROWDED * border.mean())


def label_parts(grid: PatchGrid, parts: Cosegmentation) -> np.ndarray:
    """The label map (column, row) uint8 of an image at its full size: 1 is the first part, 0 what is none."""
    similarities = grid.descriptors @ parts.centres.T  # (rows, columns, clusters)
    return label_map(similarities, _part_of(parts), grid)


def cell_parts(grid: PatchGrid, parts: Cosegmentation) -> np.ndarray:
    """The part (rows, columns) uint8 of each cell of an image's grid, 0: none."""
    return _part_of(parts)[(grid.descriptors @ parts.centres.T).argmax(dim=2).numpy()]


def _part_of(parts: Cosegmentation) -> np.ndarray:
    """The part (clusters,) uint8 of each cluster, 0: none."""
    labels = np.zeros(len(parts.centres), np.uint8)
    labels[list(parts.kept)] = np.arange(1, len(parts.kept) + 1)
    return labels


def _at_elbow(cells: np.ndarray, most: int, seed: int) -> tuple[np.ndarray, tuple[tuple[int, float], ...]]:
    """The clusters at the elbow, and the inertia of every number that was tried."""
    tried = range(min(FEWEST, most), most + 1)
    found = [cluster(cells, count, seed) for count in tried]
    inertia = [value for _, value in found]
    return found[elbow(inertia)][0], tuple(zip(tried, inertia))


def elbow(values: Sequence[float]) -> int:
    """Number of the value that lies farthest below the line from the first to the last."""
    line = np.linspace(values[0], values[-1], len(values))
    return int(np.argmax(line - np.asarray(values)))


def part_rows(maps: Sequence[np.ndarray], count: int) -> list[dict[str, Any]]:
    """The result's table: each part, how many images show it, and its share of each image's pixels."""
    shares = np.array([np.bincount(one.ravel(), minlength=count + 1)[1:] / one.size for one in maps])  # (images, parts)
    return [
        {
            "part": n + 1, "name": f"part {n + 1}", "colour": colour, "images": int((shares[:, n] > 0).sum()),
            **{f"share_{image}": float(share) for image, share in enumerate(shares[:, n])},
        }
        for n, colour in enumerate(distinct(count))
    ]  # fmt: skip
