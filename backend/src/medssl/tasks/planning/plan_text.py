"""A plan in words, as command line, events and panel show it."""

from __future__ import annotations

from math import prod

from medssl.core.geometry import millimetres
from medssl.tasks.planning.fingerprint import Fingerprint
from medssl.tasks.planning.plan import OWN_WIDTH, Planned


def plan_rows(plan: Planned, fingerprint: Fingerprint) -> list[tuple[str, str]]:
    """(what, which) for a table."""
    axes = len(fingerprint.shape) if plan.crop[2:] else 2
    crop = plan.crop[: len(plan.pooling.divisors)]
    rows = [
        ("images", f"{fingerprint.images} of {sides(fingerprint.shape)} (median), {fingerprint.modality or 'unknown modality'}"),
        ("spacing", f"{millimetres(fingerprint.spacing[:axes])} mm"),
        *((f"class {name}", f"{voxels} voxels (median) in {fingerprint.class_images[name]} images")
          for name, voxels in fingerprint.class_voxels.items()),
        ("inside labels", f"{fingerprint.intensities[0]:.5g} to {fingerprint.intensities[2]:.5g}, median {fingerprint.intensities[1]:.5g}"
         if fingerprint.intensities else "nothing labelled"),
        ("crop", f"{sides(crop)} voxels, {_share(crop, fingerprint)} of a median image"),
        ("batch", f"{plan.batch}"),
        *([("width", f"{plan.width} channels in the first layer")] if plan.width != OWN_WIDTH else []),
        ("stages", "; ".join(sides(strides) for strides in plan.pooling.strides) + " (strides)"),
        ("kernels", "; ".join(sides(kernels) for kernels in plan.pooling.kernels)),
    ]  # fmt: skip
    if plan.memory:
        rows.append(("step", f"{plan.memory / 1e9:.2g} GB, {plan.flops / 1e9:.3g} billion operations"))
    return [*rows, ("budget", plan.budget), *(("note", note) for note in plan.notes)]


def plan_text(plan: Planned, fingerprint: Fingerprint) -> str:
    """One line."""
    crop = plan.crop[: len(plan.pooling.divisors)]
    text = f"Crops of {sides(crop)} voxels, {plan.batch} in a batch, {len(plan.pooling.strides)} stages"
    text += f" from {plan.width} channels" if plan.width != OWN_WIDTH else ""
    return ". ".join([text, *plan.notes])


def sides(size: tuple[int, ...]) -> str:
    """2 × 2 × 1."""
    return " × ".join(map(str, size))


def _share(crop: tuple[int, ...], fingerprint: Fingerprint) -> str:
    share = prod(min(1.0, side / whole) for side, whole in zip(crop, fingerprint.shape))
    return f"{100 * share:.0f} %"
