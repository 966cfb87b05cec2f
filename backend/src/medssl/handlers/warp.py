"""Bend one radiograph onto another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from medssl.core.errors import ConfigError, InputError, be, counted
from medssl.core.requests import WarpRequest
from medssl.core.tables import write_table
from medssl.handlers.context import Context
from medssl.handlers.images import READING, describe_images, finer_of, notes_of, twin_of
from medssl.images.formats.image_files import write_displacements
from medssl.images.formats.reading import write_volume
from medssl.images.planes import as_plane
from medssl.inspection.warp.point_pairs import PointPairs, agreeing, check_enough, found_pairs, given_pairs
from medssl.inspection.warp.thin_plate import FOLDED, fit_warp, typical
from medssl.inspection.warp.warped_image import (
    correlations,
    displacement_lattice,
    displacement_vectors,
    warped,
)
from medssl.reports.figures.warp import draw_warp

if TYPE_CHECKING:
    from medssl.images.volume import Volume

FEWEST, FEW = 6, 12  # pairs found that agree: below, no warp; below, a note
COLUMNS = ("x", "y", "target_x", "target_y", "confidence", "used", "residual")
FILES = ["warped.nrrd", "displacement.nrrd", "pairs.csv", "montage.png"]


def warp(request: WarpRequest, context: Context) -> None:
    """Answer with the bent image, its displacement field, the pairs of points and a picture.

    Raises:
        InputError: other than two images, no model and no points, points that do not agree or lie on a line.
        ConfigError, VolumeError, WeightsError, NotFoundError: see `describe_images`.
    """
    if len(request.images) != 2:
        raise InputError(
            counted(len(request.images), "image"),
            f"{be(len(request.images))} not two",
            "Choose the radiograph that is bent, then the one that it is bent onto",
            code="too-few-images",
        )
    (moving, fixed), names, pairs, used, notes = _pairs(request, context)
    context.progress(0.85, "bending")
    stiffness = request.stiffness if request.stiffness >= 0 else None
    chosen = pairs.chosen(used)
    found = fit_warp(chosen, fixed.shape, stiffness, request.seed)
    percent = 100 / moving.shape[0]
    bent, (after, before) = warped(moving, fixed, found), correlations(moving, fixed, found)
    info: dict[str, Any] = {
        "names": names, "model": request.model, "pairs": len(pairs), "used": int(used.sum()),
        "folded": found.folded, "stiffness": found.stiffness, "residual": float(np.median(found.residuals) * percent),
        "held_out": typical(found.held_out * percent), "correlation": after, "correlation_before": before,
    }  # fmt: skip
    info["text"] = sentence(info)
    if beside := {} if request.points else _beside(request, context):
        info["untrained"] = beside
        notes.append(beside_note(info, beside))
    if found.folded > FOLDED:
        notes.append(f"{found.folded:.1%} of the image folds: give a larger stiffness, or fewer points")
    residuals = np.full(len(pairs), np.nan)
    residuals[used] = found.residuals * percent
    table = [
        dict(zip(COLUMNS, (*map(float, row), bool(use), float(away) if use else None)))
        for *row, use, away in zip(*pairs.moving.T, *pairs.fixed.T, pairs.confidence, used, residuals)
    ]
    context.progress(0.95, "drawing")
    write_volume(bent, context.folder / FILES[0])
    vectors = displacement_vectors(moving, fixed, found)
    write_displacements(vectors, displacement_lattice(fixed, found), context.folder / FILES[1])
    write_table(table, context.folder / FILES[2], COLUMNS)
    draw_warp(moving, fixed, bent, found, chosen, names, context.folder / FILES[3])
    context.finish(FILES, table, {**info, "notes": notes})


def sentence(info: dict[str, Any]) -> str:
    """What came of it, for people."""
    left_out = "" if info["held_out"] is None else f", of left-out points {info['held_out']:.1f} %"
    return (
        f"{info['used']} of {counted(info['pairs'], 'point pair')} used; median residual {info['residual']:.1f} % of the width"
        f"{left_out}; {info['folded']:.2%} of the image folds; correlation with the target {info['correlation']:.2f}, before "
        f"{info['correlation_before']:.2f}"
    )


def beside_note(info: dict[str, Any], beside: dict[str, Any]) -> str:
    """What an untrained network finds with the same settings, and whether the model does better."""
    worse = "none" if beside["held_out"] is None else f"{beside['held_out']:.1f} %"
    note = (
        f"With the same settings {beside['used']} of {counted(beside['pairs'], 'point pair')} of an untrained network agree, error of "
        f"left-out points {worse}"
    )
    known = info["held_out"] is not None and beside["held_out"] is not None
    beaten = info["used"] > beside["used"] and not (known and info["held_out"] >= beside["held_out"])
    doubt = "the model does not beat it in both, so that this warp shows nothing that it has learnt. Give points that you know"
    return note if beaten else f"{note}: {doubt}"


def _beside(request: WarpRequest, context: Context) -> dict[str, Any]:
    """Pairs of an untrained network, how many agree, and their error when left out; nothing where the model is untrained."""
    if not (control := twin_of(request.model)):
        return {}
    asked = replace(request, model=control)
    grids, _ = describe_images(asked, context, least=2, span=(0.9, 0.95))
    pairs = found_pairs(grids, request.search_radius, finer_of(asked, grids, context), request.least_confidence)
    moving, fixed = grids[0].source, grids[1].source
    used = agreeing(pairs, moving.shape[0], fixed.shape[0], request.seed)
    away = None
    if used.sum() >= FEWEST:
        stiffness = request.stiffness if request.stiffness >= 0 else None
        found = fit_warp(pairs.chosen(used), fixed.shape, stiffness, request.seed)
        away = typical(found.held_out * (100 / moving.shape[0]))
    return {"pairs": len(pairs), "used": int(used.sum()), "held_out": away}


def _pairs(
    request: WarpRequest, context: Context
) -> tuple[tuple[Volume, Volume], list[str], PointPairs, np.ndarray, list[str]]:
    """The two images, their names, the pairs of points, (N,) which of them are used, and notes."""
    if request.points:
        planes = [as_plane(context.volume(ref), ref.view, ref.inverted) for ref in request.images]
        names = [
            ref.name or plane.name or f"image {n}" for n, (ref, plane) in enumerate(zip(request.images, planes), 1)
        ]
        pairs = given_pairs(request.points, planes[0], planes[1])
        return (planes[0], planes[1]), names, pairs, np.ones(len(pairs), bool), []
    if not request.model:
        raise ConfigError(
            "model", "is missing", "Name one that finds points of equal anatomy, or give points", code="model-missing"
        )
    grids, names = describe_images(request, context, least=2)
    pairs = found_pairs(
        grids, request.search_radius, finer_of(request, grids, context), request.least_confidence,
        lambda share: context.progress(READING + 0.05 * share, "looking for equal places"),
    )  # fmt: skip
    moving, fixed = grids[0].source, grids[1].source
    used = agreeing(pairs, moving.shape[0], fixed.shape[0], request.seed)
    agree, notes = int(used.sum()), notes_of(grids, names)
    check_enough(agree, len(pairs), FEWEST)
    if agree < FEW or 2 * agree < len(pairs):
        notes.append(
            f"Only {agree} of {counted(len(pairs), 'point pair')} agree on one map: look at the result with doubt"
        )
    return (moving, fixed), names, pairs, used, notes
