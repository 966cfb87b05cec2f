"""Part of a training set: as if fewer patients had been labelled."""

from __future__ import annotations

import numpy as np

from medssl.core.errors import CatalogError, be, counted
from medssl.datasets.catalog.catalog import Catalog
from medssl.datasets.catalog.labels import Labels


def subset(
    catalog: Catalog,
    seed: int,
    fraction: float = 1.0,
    patients: int = 0,
    per_class: int = 0,
    labels: Labels | None = None,
) -> Catalog:
    """A part of the patients, drawn by `seed`, in the catalogue's order; a smaller part lies within a larger one.

    Args:
        catalog: training images; validation and test images are never thinned out.
        seed: of the draw.
        fraction: of the patients, at least one.
        patients: so many patients; 0: as `fraction` says.
        per_class: so many images of each class, of different patients as far as there are enough; 0: not used. Images
            without any finding are a class of their own in binary and multi-label sets.
        labels: of the same images, for `per_class`.

    Raises:
        CatalogError: fewer patients or images of a class than asked for, or `per_class` without labels.
    """
    order = np.random.default_rng([seed, len(catalog.patients)]).permutation(catalog.patients).tolist()
    if per_class:
        if labels is None:
            raise CatalogError(
                f"{per_class} images per class", "need labels", "Name the label columns", code="labels-needed"
            )
        return _of_each_class(catalog, order, per_class, labels)
    if patients > len(order):
        raise CatalogError(
            counted(patients, "patient"),
            f"{be(patients)} more than the {counted(len(order), 'training patient')}",
            "Take fewer",
            code="too-few-patients",
        )
    count = patients or max(round(fraction * len(order)), 1)
    kept = set(order[:count])
    return Catalog(tuple(entry for entry in catalog if entry.patient in kept))


def _of_each_class(catalog: Catalog, order: list[str], count: int, labels: Labels) -> Catalog:
    """The first `count` images of each class, going through the patients in `order`, one image of each at a time."""
    place, seen = {patient: n for n, patient in enumerate(order)}, dict.fromkeys(order, 0)
    rank = []
    for entry in catalog:
        rank.append((seen[entry.patient], place[entry.patient]))
        seen[entry.patient] += 1
    visited = sorted(range(len(catalog)), key=rank.__getitem__)
    kept: set[int] = set()
    for name, members in labels.members().items():
        chosen = [n for n in visited if members[n]][:count]
        if len(chosen) < count:
            raise CatalogError(
                f"{counted(count, 'image')} per class",
                f"{be(count)} too many: only {len(chosen)} of class {name!r} are in training",
                "Take fewer",
                code="too-few-images-of-class",
            )
        kept.update(chosen)
    return Catalog(tuple(entry for n, entry in enumerate(catalog) if n in kept))
