"""The spacing of a segmentation whose device has time for small boxes only: coarser, so that they show enough of a volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf, prod

from medssl.core.files import read_json
from medssl.core.geometry import Geometry, millimetres
from medssl.core.run import Run
from medssl.images.geometry_config import PLANNED, GeometryConfig
from medssl.tasks.labelled_data import LabelledSplit
from medssl.tasks.planning.budget import budget_of
from medssl.tasks.planning.fingerprint import Fingerprint, take_fingerprint
from medssl.tasks.segmentation.planning import PLAN_FILE, Setup, make_plan

SEEN = 0.25  # share of the median volume that a box shows at least (Isensee et al. 2021: below it they train a coarser network too)
ACROSS = 4.0  # voxels across the smallest class, at least


def planned_spacing(rule: GeometryConfig, setup: Setup, part: LabelledSplit, geometry: Geometry, run: Run) -> Geometry:
    """What the training images are brought to: a geometry, or a coarser one where that is to be planned; a warning says so.

    Args:
        rule: the settings.
        setup: of the segmentation.
        part: the training images, as they are stored.
        geometry: with the spacing that the plan begins with.
        run: a plan in its folder is kept to.
    """
    path = run.folder / PLAN_FILE
    if path.is_file() and is_planned(rule, geometry):
        return replace(geometry, spacing=Fingerprint.from_dict(read_json(path)["fingerprint"]).spacing)
    found, note = coarser(rule, setup, part, geometry)
    if note:
        run.emit(
            "warning", step=0, code="coarser-spacing", message=note,
            remedy="With geometry.spacing=median small things are seen better, on a GPU or in a long training",
        )  # fmt: skip
    return found


def is_planned(rule: GeometryConfig, geometry: Geometry) -> bool:
    """Whether the spacing is left to the plan; images that are not resampled have none."""
    return rule.spacing == PLANNED and bool(geometry.spacing)


def coarser(rule: GeometryConfig, setup: Setup, part: LabelledSplit, geometry: Geometry) -> tuple[Geometry, str]:
    """The geometry at which a planned box shows enough of a volume, and why.

    "" where it does anyway, nothing limits it but memory, or the spacing is not left to the plan; the geometry stays then.

    Args:
        rule, setup, part, geometry: see `planned_spacing`.
    """
    if not is_planned(rule, geometry):
        return geometry, ""
    budget = budget_of(setup.device, setup.config.training.memory)
    if budget.flops is None or setup.form != "3d" or all(setup.config.crop):
        return geometry, ""
    fingerprint = take_fingerprint(part.images, part.masks, setup.classes, geometry.spacing)
    planned = make_plan(setup, fingerprint, budget)
    shown = prod(min(1.0, side / whole) for side, whole in zip(planned.crop, fingerprint.shape))
    spacing = levelled(geometry.spacing, SEEN / shown, _coarsest(fingerprint))
    if spacing == tuple(geometry.spacing):
        return geometry, ""
    return replace(geometry, spacing=spacing), (
        f"Volumes are brought to {millimetres(spacing)} mm: at {millimetres(geometry.spacing)} mm this processor has time for boxes "
        f"that show {100 * shown:.0f} % of one"
    )


def levelled(spacing: Sequence[float], times: float, coarsest: float = inf) -> tuple[float, ...]:
    """A spacing (mm) whose voxels are so many times as large, the finest sides growing alike.

    Args:
        spacing: mm; sides that are coarser than what the finest grow to stay.
        times: 1 or less: it stays as it is.
        coarsest: mm, beyond which no side grows.
    """
    sides = sorted(spacing)
    level = sides[0]
    for count in range(1, len(sides) + 1):
        level = (max(times, 1.0) * prod(sides[:count])) ** (1 / count)
        if count == len(sides) or level <= sides[count]:
            break
    level = min(level, coarsest)
    return tuple(side if side >= level * (1 - 1e-9) else float(level) for side in spacing)


def _coarsest(fingerprint: Fingerprint) -> float:
    """mm at which the smallest class is so many voxels across."""
    sizes = [voxels for voxels in fingerprint.class_voxels.values() if voxels]
    return (min(sizes) * prod(fingerprint.spacing)) ** (1 / 3) / ACROSS if sizes else inf
