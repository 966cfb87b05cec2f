"""What is in a training set? Counts, modality and split, before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medssl.data.cache import VolumeCache
from medssl.data.catalog import Catalog, read_catalog
from medssl.data.entry import Entry
from medssl.data.split import depth, split_by_patient
from medssl.methods import METHODS
from medssl.protocol import catalog_from_json
from medssl.registry import config_class

if TYPE_CHECKING:
    from medssl.inspection.context import FolderContext

LOOKED_INTO = 3  # images that are read to tell a modality that nobody stated


def inspect(request: dict[str, Any], context: FolderContext) -> None:
    """Answer a CatalogRequest: a row per image; info: volumes, patients, modality, dimension, methods, training, validation,
    notes. `methods` are those that train on images of this dimension.

    Headers of all images are checked; only a few images are read, and stay in the cache for the training.

    Raises:
        CatalogError: nothing found, or a set that breaks a rule.
        VolumeError: an image that cannot be read, named.
    """
    data = catalog_from_json(request).data
    context.progress(0.0, "listing the images")
    catalog = read_catalog(data, context.home)
    found = set()
    for number, entry in enumerate(catalog):
        context.progress(0.5 * number / len(catalog), f"checking {entry.name}")
        found.add(2 if depth(entry) == 1 else 3)
    split = split_by_patient(catalog, data.validation_fraction, seed=0)
    modalities, notes = _modalities(catalog, context)
    sides = {entry.image: "training" for entry in split.training} | {
        entry.image: "validation" for entry in split.validation
    }
    table = [{"image": e.name, "patient": e.patient, "split": sides.get(e.image, "unused")} for e in catalog]
    if split.note:
        notes.append(split.note)
    if len(found) > 1:
        notes.append(
            "The set mixes 2D and 3D images: no method trains on both. Choose a view for the 3D ones, or part them"
        )
    info = {
        "volumes": len(catalog), "patients": len(catalog.patients), "modality": ", ".join(modalities),
        "dimension": " and ".join(f"{axes}D" for axes in sorted(found)),
        "methods": ", ".join(name for name in METHODS if found == {len(config_class(METHODS, name)().sample_size)}),
        "training": len(split.training), "validation": len(split.validation), "notes": notes,
    }  # fmt: skip
    context.finish([], table, info)


def _modalities(catalog: Catalog, context: FolderContext) -> tuple[list[str], list[str]]:
    """The modalities that are stated or found, and what there is to say about them."""
    stated = {entry.modality for entry in catalog if entry.modality}
    silent: list[Entry] = [entry for entry in catalog if not entry.modality]
    cache, notes = VolumeCache(context.home / "cache"), []
    looked = silent[:: max(len(silent) // LOOKED_INTO, 1)][:LOOKED_INTO]
    for number, entry in enumerate(looked):
        context.progress(0.5 + 0.5 * number / len(looked), f"reading {entry.name}")
        stated.add(cache.add(entry).modality or "unknown")
    if len(silent) > len(looked):
        notes.append(f"The modality was told from {len(looked)} of {len(silent)} images that do not state it")
    if len(stated) > 1:
        notes.append(f"The set mixes {' and '.join(sorted(stated))}: train on one modality at a time")
    return sorted(stated), notes
