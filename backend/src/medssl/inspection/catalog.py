"""What is in a training set? Counts, modality and split, before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medssl.data.cache import VolumeCache
from medssl.data.catalog import Catalog, read_catalog
from medssl.data.entry import Entry
from medssl.data.header import read_header
from medssl.data.image_files import is_image
from medssl.data.split import split_by_patient
from medssl.protocol import catalog_from_json

if TYPE_CHECKING:
    from medssl.inspection.context import FolderContext

LOOKED_INTO = 3  # images that are read to tell a modality that nobody stated


def inspect(request: dict[str, Any], context: FolderContext) -> None:
    """Answer a CatalogRequest: a row per image; info: volumes, patients, modality, training, validation, notes.

    Headers of all images are checked; only a few images are read, and stay in the cache for the training.

    Raises:
        CatalogError: nothing found, or a set that breaks a rule.
        VolumeError: an image that cannot be read, named.
    """
    data = catalog_from_json(request).data
    context.progress(0.0, "listing the images")
    catalog = read_catalog(data, context.home)
    for number, entry in enumerate(catalog):
        context.progress(0.5 * number / len(catalog), f"checking {entry.name}")
        if is_image(entry.image):
            read_header(entry.image)
    split = split_by_patient(catalog, data.validation_fraction, seed=0)
    modalities, notes = _modalities(catalog, context)
    sides = {entry.image: "training" for entry in split.training} | {
        entry.image: "validation" for entry in split.validation
    }
    table = [{"image": e.name, "patient": e.patient, "split": sides.get(e.image, "unused")} for e in catalog]
    if split.note:
        notes.append(split.note)
    info = {
        "volumes": len(catalog), "patients": len(catalog.patients), "modality": ", ".join(modalities),
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
