"""How near to the true place do matches lie under known affine maps, with and without refinement?

    python benchmarks/experiments/refinement.py IMAGES --model untrained:laptop --images 20

Each image is compared with an affinely moved copy of itself (rotation within 10 degrees, scale 0.86 to 1.16, moved by at most
6 % of each side), so that the true place of every point is known; that is easier than another patient. Distances are in cells
of the network, with intervals by bootstrap over the images.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from medssl.core.home import home_folder
from medssl.core.protocol import DataSpec
from medssl.datasets.catalog.catalog import read_catalog
from medssl.evaluation.statistics.bootstrap import PatientBootstrap
from medssl.images.formats.reading import read_volume
from medssl.images.volume import Volume
from medssl.inference.fine_patches import FinePatches
from medssl.inference.models import WarmModels
from medssl.inference.patch_grid import embed_patches
from medssl.inspection.anatomy.point_search import find_point
from medssl.networks.network import Network

DEGREES, SCALE, SHARE = 10.0, 0.15, 0.06
MARGIN = 0.12  # of each side: points nearer to the border may leave the image


def affine_copy(image: Volume, random: np.random.Generator) -> tuple[Volume, Callable[[np.ndarray], np.ndarray]]:
    """A copy under an affine map, and the map of pixels (..., 2) x and y."""
    angle, scale = np.deg2rad(random.uniform(-DEGREES, DEGREES)), np.exp(random.uniform(-SCALE, SCALE))
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    size = np.array(image.shape)
    middle, move = (size - 1) / 2, random.uniform(-SHARE, SHARE, 2) * size
    back = np.linalg.inv(turn)
    pixels = ndimage.affine_transform(
        image.array.astype(np.float32), back, middle - back @ (middle + move), order=1, mode="nearest"
    )
    moved = replace(image, array=np.rint(pixels).astype(image.array.dtype), name=f"{image.name} moved")
    return moved, lambda points: (points - middle) @ turn.T + middle + move


def distances(
    net: Network, image: Volume, points: int, dense: int, radius: float, random: np.random.Generator
) -> dict[str, list[float]]:
    """In cells, of matches without and with refinement."""
    moved, mapped = affine_copy(image, random)
    grids = [embed_patches(one, net, dense) for one in (image, moved)]
    finer = [FinePatches(grid, net) for grid in grids]
    size, cell = np.array(image.shape), np.array(grids[1].cell)
    found: dict[str, list[float]] = {"coarse": [], "refined": []}
    while len(found["coarse"]) < points:
        point = random.uniform(MARGIN, 1 - MARGIN, 2) * size
        truth = mapped(point)
        if not ((truth > MARGIN / 2 * size) & (truth < (1 - MARGIN / 2) * size)).all():
            continue
        for name, close in (("coarse", []), ("refined", finer)):
            match = find_point(grids, 0, *point, radius, close)[1][1]
            found[name].append(float(np.hypot(*((np.array([match.x, match.y]) - truth) / cell))))
    return found


def summary(away: np.ndarray, bootstrap: PatientBootstrap) -> str:
    """Median and share within a cell of distances in cells, each with its interval."""
    median = bootstrap.interval(lambda rows: float(np.median(away[rows])))
    within = bootstrap.interval(lambda rows: float(np.mean(away[rows] <= 1)))
    return (
        f"median {median.value:.2f} cells ({median.low:.2f} to {median.high:.2f}), within a cell {within.value:.0%} "
        f"({within.low:.0%} to {within.high:.0%}), {len(away)} points"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="folder or catalogue of radiographs")
    parser.add_argument("--model", default="untrained:laptop", help="job, weight file or untrained:PRESET")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--points", type=int, default=10, help="of each image")
    parser.add_argument("--dense", type=int, default=1)
    parser.add_argument("--search-radius", type=float, default=0.0, help="percent of the width; 0: everywhere")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--home", type=Path)
    given = parser.parse_args()
    entries = read_catalog(DataSpec(path=given.data, modality="CXR"), home_folder(given.home)).entries
    random = np.random.default_rng(given.seed)
    chosen = random.choice(len(entries), min(given.images, len(entries)), replace=False)
    net = WarmModels(home_folder(given.home)).get(given.model, "", "cpu", "")
    found: dict[str, list[float]] = {"coarse": [], "refined": []}
    for number in sorted(chosen):
        of_image = distances(
            net, read_volume(entries[number].image), given.points, given.dense, given.search_radius, random
        )
        for name, values in of_image.items():
            found[name] += values
    images = np.repeat([str(n) for n in chosen], given.points)
    bootstrap = PatientBootstrap(images, 1000, given.seed)
    for name, values in found.items():
        print(f"{name:8} {summary(np.array(values), bootstrap)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
