"""Pairs of points of equal anatomy in two radiographs: given, or found and filtered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LinearRegression, RANSACRegressor

from medssl.core.errors import InputError, counted
from medssl.images.volume import Volume
from medssl.inference.fine_patches import FinePatches
from medssl.inference.patch_grid import PatchGrid
from medssl.inspection.anatomy.correspondence import match_place, mutual_neighbours
from medssl.inspection.anatomy.similarity import check_point

COLUMNS = ("x", "y", "target_x", "target_y")
TOLERANCE = 8.0  # percent of the width: farther from one affine map than patients differ from each other
TRIALS = 400  # of three pairs each
LARGEST_SCALE = 2.0  # a map that enlarges or shrinks by more is no patient's


@dataclass(frozen=True)
class PointPairs:
    """Pixels (N, 2) x and y of the moving and of the fixed image, and how far each match stands out (N,), 1 where given."""

    moving: np.ndarray
    fixed: np.ndarray
    confidence: np.ndarray

    def __len__(self) -> int:
        return len(self.moving)

    def chosen(self, which: np.ndarray) -> PointPairs:
        """Some of them, by mask or numbers."""
        return PointPairs(self.moving[which], self.fixed[which], self.confidence[which])


def given_pairs(rows: Iterable[Mapping[str, Any]], moving: Volume, fixed: Volume) -> PointPairs:
    """Pairs of a table with x, y (moving image) and target_x, target_y (fixed image), in pixels.

    Raises:
        InputError: a coordinate that is none, or a point outside its image.
    """
    places = []
    for number, row in enumerate(rows, start=1):
        try:
            x, y, u, v = (float(row[name]) for name in COLUMNS)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"point pair {number}",
                "has no four numbers",
                f"Give {', '.join(COLUMNS)} in pixels",
                code="pair-unreadable",
            ) from error
        check_point(moving, x, y, f"point {number}")
        check_point(fixed, u, v, f"target of point {number}")
        places.append((x, y, u, v))
    found = np.array(places, float).reshape(-1, 4)
    return PointPairs(found[:, :2], found[:, 2:], np.ones(len(found)))


def found_pairs(
    grids: Sequence[PatchGrid],
    radius: float = 0.0,
    finer: Sequence[FinePatches] = (),
    least_confidence: float = 0.0,
    progress: Callable[[float], None] = lambda share: None,
) -> PointPairs:
    """Of every grid place of the first image its match in the second, where each is the other's nearest, and stays it on finer cells.

    Args:
        grids: of the moving and the fixed image.
        radius, finer: see `find_correspondences`.
        least_confidence: matches that stand out less are left out.
        progress: called with the share done; may raise to stop.
    """
    mutual, _, _ = mutual_neighbours(grids[0], grids[1], radius)
    rows, columns = np.divmod(np.flatnonzero(mutual.numpy()), grids[0].shape[1])
    moving = grids[0].pixels(np.stack([rows, columns], axis=1)).reshape(-1, 2)
    matches = []
    for number, (x, y) in enumerate(moving):
        progress(number / len(moving))
        matches.append(match_place(grids, x, y, [True], radius, finer)[0])
    fixed = np.array([(m.x, m.y) for m in matches if m], float).reshape(-1, 2)
    confidence = np.array([m.confidence for m in matches if m], float)
    stayed = np.array([m.stayed for m in matches if m], bool)
    return PointPairs(moving, fixed, confidence).chosen(stayed & (confidence >= least_confidence))


def agreeing(pairs: PointPairs, moving_width: int, fixed_width: int, seed: int = 0) -> np.ndarray:
    """(N,) bool: the largest number of pairs that one affine map brings within TOLERANCE of each other.

    Random sample consensus (Fischler and Bolles, Communications of the ACM 24, 1981). None agree where that map mirrors the
    image, or scales it by more than 2.
    """
    if len(pairs) < 4:
        return np.zeros(len(pairs), bool)
    search = RANSACRegressor(
        LinearRegression(), min_samples=3, residual_threshold=TOLERANCE / 100 * moving_width, max_trials=TRIALS,
        random_state=seed % 2**32, loss=lambda true, found: np.hypot(*(true - found).T),
    )  # fmt: skip
    try:
        search.fit(pairs.fixed, pairs.moving)
    except ValueError:  # no three pairs give a map that a fourth agrees with
        return np.zeros(len(pairs), bool)
    linear = search.estimator_.coef_ * fixed_width / moving_width
    scales = np.linalg.svd(linear, compute_uv=False)
    plausible = np.linalg.det(linear) > 0 and scales.min() >= 1 / LARGEST_SCALE and scales.max() <= LARGEST_SCALE
    return np.asarray(search.inlier_mask_) & plausible


def check_enough(agree: int, pairs: int, fewest: int) -> None:
    """Refuse to warp by points that do not agree.

    Raises:
        InputError: fewer than `fewest` do.
    """
    if agree < fewest:
        raise InputError(
            f"{agree} of {counted(pairs, 'point pair')}",
            f"agree on one map of the images, and {fewest} are needed",
            "Try a search radius, a model that finds landmarks better, or give points that you know",
            code="points-disagree",
        )
