"""A thin-plate spline from a fixed image to a moving one, as stiff as it must be so that it hardly folds.

Bookstein, "Principal warps", IEEE Transactions on Pattern Analysis and Machine Intelligence 11, 1989; with a stiffness above 0 it
need not go through the points (Wahba, "Spline Models for Observational Data", 1990).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.interpolate import RBFInterpolator

from medssl.core.errors import InputError
from medssl.inspection.warp.point_pairs import PointPairs

STIFFNESSES = (0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)  # tried; of coordinates whose unit is the fixed image's width
FOLDED = 0.001  # share of the image that may fold
LATTICE = 96  # places along the longer side on which the map is kept
PARTS = 10  # of the pairs, each of which is left out once

Spline = Callable[[np.ndarray], np.ndarray]  # pixels (N, 2) of the fixed image to pixels of the moving one


@dataclass(frozen=True, eq=False)
class Warp:
    """A map of the fixed image's pixels to the moving image's.

    Attributes:
        places: (columns, rows, 2) pixels of the moving image, on a lattice over the fixed one.
        step: pixels of the fixed image between lattice places.
        stiffness: of the spline.
        folded: share of the fixed image where the map folds: its Jacobian is not above 0.
        residuals: (N,) of each pair, pixels of the moving image.
        held_out: (N,) of each pair when the spline was fitted without it and a tenth of the others.
    """

    places: np.ndarray
    step: int
    stiffness: float
    folded: float
    residuals: np.ndarray
    held_out: np.ndarray

    def everywhere(self, shape: tuple[int, ...]) -> np.ndarray:
        """(columns, rows, 2): the moving image's pixel of each pixel of the fixed one, linear between lattice places."""
        where = np.indices(shape[:2]) / self.step
        return np.stack([ndimage.map_coordinates(self.places[..., n], where, order=1) for n in (0, 1)], axis=-1)


def fit_warp(pairs: PointPairs, shape: tuple[int, ...], stiffness: float | None = None, seed: int = 0) -> Warp:
    """Fit the spline.

    Args:
        pairs: three at least, not on a line.
        shape: columns and rows of the fixed image.
        stiffness: 0 goes through every point, the larger the nearer to an affine map; None: of STIFFNESSES that which predicts
            left-out pairs best, among those that fold at most FOLDED of the image; where all fold more, the one that folds least.
        seed: of the parts that are left out.

    Raises:
        InputError: too few points, or points on a line.
    """
    if stiffness is not None:
        return _fitted(pairs, shape, stiffness, seed)
    tried = [_fitted(pairs, shape, one, seed) for one in STIFFNESSES]
    flat = [warp for warp in tried if warp.folded <= FOLDED]
    if not flat:
        return min(tried, key=lambda warp: warp.folded)
    return min(flat, key=lambda warp: typical(warp.held_out) or 0.0)


def typical(distances: np.ndarray) -> float | None:
    """The median of the known ones; None where none is."""
    known = distances[~np.isnan(distances)]
    return float(np.median(known)) if len(known) else None


def folded_share(places: np.ndarray, step: int) -> float:
    """Share of a lattice (columns, rows, 2) of pixels where the map's Jacobian is not above 0."""
    (xx, xy), (yx, yy) = (np.gradient(places[..., n], step) for n in (0, 1))
    return float(np.mean(xx * yy - xy * yx <= 0))


def _fitted(pairs: PointPairs, shape: tuple[int, ...], stiffness: float, seed: int) -> Warp:
    spline = _spline(pairs, shape[0], stiffness)
    step = max(1, round(max(shape[:2]) / LATTICE))
    lattice = np.stack(
        np.meshgrid(*(np.arange(-(-(n - 1) // step) + 1) * step for n in shape[:2]), indexing="ij"), axis=-1
    )
    places = spline(lattice.reshape(-1, 2)).reshape(lattice.shape)
    residuals = np.hypot(*(spline(pairs.fixed) - pairs.moving).T)
    held_out = _held_out(pairs, shape[0], stiffness, seed)
    return Warp(places, step, stiffness, folded_share(places, step), residuals, held_out)


def _held_out(pairs: PointPairs, width: int, stiffness: float, seed: int) -> np.ndarray:
    """Distances (N,) of pairs from a spline of the others; nan where too few are left to fit one."""
    found = np.full(len(pairs), np.nan)
    order = np.random.default_rng(seed).permutation(len(pairs))
    for part in range(min(PARTS, len(pairs))):
        out = order[part::PARTS]
        left = np.setdiff1d(order, out)
        if len(left) < 4:
            continue
        try:
            found[out] = np.hypot(
                *(_spline(pairs.chosen(left), width, stiffness)(pairs.fixed[out]) - pairs.moving[out]).T
            )
        except InputError:  # the others lie on a line
            continue
    return found


def _spline(pairs: PointPairs, width: int, stiffness: float) -> Spline:
    places, back = np.unique(
        pairs.fixed / width, axis=0, return_inverse=True
    )  # a place that two points share has their mean
    counts = np.bincount(back.ravel())
    moving = np.stack([np.bincount(back.ravel(), pairs.moving[:, n]) / counts for n in (0, 1)], axis=1)
    try:
        if len(places) < 3:
            raise np.linalg.LinAlgError
        found = RBFInterpolator(places, moving, kernel="thin_plate_spline", smoothing=stiffness)
    except np.linalg.LinAlgError as error:
        raise InputError(
            f"{len(pairs)} point pairs",
            "determine no warp: three that do not lie on a line are needed",
            "Give further points",
            code="points-on-a-line",
        ) from error
    return lambda pixels: found(np.asarray(pixels, float) / width)
