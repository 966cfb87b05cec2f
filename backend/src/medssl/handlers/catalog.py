"""What is in a training set? Counts, modality and split, before anything is trained."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from medssl.core.protocol import DataSpec
from medssl.core.registry import config_class
from medssl.core.requests import CatalogRequest
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.catalog.catalog import Catalog, read_catalog
from medssl.datasets.catalog.labels import field
from medssl.datasets.catalog.split import depth, split_by_patient, split_three
from medssl.datasets.entry import Entry
from medssl.handlers.dataset_specs import inspect_sets
from medssl.pretraining import METHODS

if TYPE_CHECKING:
    from medssl.handlers.worker.context import FolderContext

MOST_VALUES = 12  # of a column that are counted one by one
LOOKED_INTO = 3  # images that are read to tell a modality that nobody stated


def inspect(asked: CatalogRequest, context: FolderContext) -> None:
    """Answer a CatalogRequest: a row per image; info: volumes, patients, modality, dimension, methods, training, validation,
    notes. `methods` are those that train on images of this dimension.

    Where there are label maps, info has `label_maps` (how many) and `label_values` (of those looked into), and rows name
    them; where the catalogue has further columns, `columns` tells what they hold: {column: {value: images}}, or the range of
    those with many values. `test` counts test images, where there are any.

    Headers of all images are checked; only a few images and label maps are read, and stay in the cache for the training.

    Declared sets: see `declared_sets`.

    Raises:
        CatalogError: nothing found, or a set that breaks a rule.
        VolumeError: an image that cannot be read, named.
    """
    data = asked.data
    if data.sets:
        return inspect_sets(data, context, asked.read_all)
    context.progress(0.0, "listing the images")
    catalog = read_catalog(data, context.home)
    found = set()
    for number, entry in enumerate(catalog):
        context.progress(0.5 * number / len(catalog), f"checking {entry.name}")
        found.add(2 if depth(entry) == 1 else 3)
    modalities, notes = _modalities(catalog, context)
    parts, remarks = _parts(catalog, data)
    notes.extend(remarks)
    sides = {entry.image: name for name, part in parts.items() for entry in part}
    table = [{"image": e.name, "patient": e.patient, "split": sides.get(e.image, "unused")} for e in catalog]
    if len(found) > 1:
        notes.append(
            "The set mixes 2D and 3D images: no method trains on both. Choose a view for the 3D ones, or part them"
        )
    info = {
        "volumes": len(catalog), "patients": len(catalog.patients), "modality": ", ".join(modalities),
        "dimension": " and ".join(f"{axes}D" for axes in sorted(found)),
        "methods": ", ".join(name for name in METHODS if found == {len(config_class(METHODS, name)().sample_size)}),
        **{name: len(part) for name, part in parts.items() if len(part) or name != "test"}, "notes": notes,
    }  # fmt: skip
    if any(entry.mask for entry in catalog):
        info |= _label_maps(catalog, context, notes)
        table = [{**row, "label map": e.mask.name if e.mask else ""} for row, e in zip(table, catalog)]
    if columns := column_counts(catalog):
        info["columns"] = columns
    context.finish([], table, info)


def column_counts(catalog: Catalog) -> dict[str, dict[str, int]]:
    """What the columns of a catalogue hold: {column: {value: images}}, most frequent first; "" is unknown.

    A column of numbers with many values is summed up as {"5 to 90": images}, one of texts as {"73 values": images}.
    """
    counts = {}
    for name in dict.fromkeys(column for entry in catalog for column in (*entry.labels, *entry.attributes)):
        found = Counter(field(entry, name) for entry in catalog)
        if len(found) > MOST_VALUES:
            known = [entry.labels[name] for entry in catalog if field(entry, name) and name in entry.labels]
            span = f"{min(known):g} to {max(known):g}" if known else f"{len(found)} values"
            found = Counter({span: len(catalog) - found[""], "": found[""]})
        counts[name] = {value: count for value, count in found.most_common() if count}
    return counts


def _parts(catalog: Catalog, data: DataSpec) -> tuple[dict[str, Catalog], list[str]]:
    """Training, validation and test images, and what there is to say about them."""
    if data.test_fraction or any(entry.split == "test" for entry in catalog):
        three = split_three(catalog, data.validation_fraction, data.test_fraction, seed=0)
        return {"training": three.training, "validation": three.validation, "test": three.test}, list(three.notes)
    split = split_by_patient(catalog, data.validation_fraction, seed=0)
    return {"training": split.training, "validation": split.validation}, [split.note] if split.note else []


def _label_maps(catalog: Catalog, context: FolderContext, notes: list[str]) -> dict[str, Any]:
    """How many there are, and the values of a few, which are checked against their images."""
    labelled = [entry for entry in catalog if entry.mask]
    cache = VolumeCache(context.home / "cache")
    values: set[int] = set()
    looked = labelled[:: max(len(labelled) // LOOKED_INTO, 1)][:LOOKED_INTO]
    for entry in looked:
        context.progress(0.9, f"reading the label map of {entry.name}")
        values.update(cache.add_mask(entry, cache.add(entry)).values)
    if len(labelled) < len(catalog):
        missing = next(entry.name for entry in catalog if not entry.mask)
        notes.append(
            f"{len(catalog) - len(labelled)} images have no label map ({missing}): they cannot train a segmentation"
        )
    if len(labelled) > len(looked):
        notes.append(f"The values were told from {len(looked)} of {len(labelled)} label maps")
    return {"label_maps": len(labelled), "label_values": ", ".join(map(str, sorted(values - {0})))}


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
