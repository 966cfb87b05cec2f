"""What is in a training set: counts, modality, label maps and split, before anything is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from medssl.core.protocol import DataSpec
from medssl.core.registry import config_class
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.catalog.catalog import Catalog
from medssl.datasets.catalog.labels import field
from medssl.datasets.catalog.split import depth, split_by_patient, split_three
from medssl.datasets.entry import Entry
from medssl.pretraining import METHODS

MOST_VALUES = 12  # of a column that are counted one by one
LOOKED_INTO = 3  # images that are read to find a modality that nobody stated

Progress = Callable[[float, str], None]


def catalog_overview(
    catalog: Catalog, data: DataSpec, cache: VolumeCache, progress: Progress
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A row per image, and what they amount to: volumes, patients, modality, dimension, methods, training, validation, notes.

    `methods` are those that train on images of this dimension; `test` counts test images, where there are any. Where there
    are label maps, `label_maps` (how many) and `label_values` (of those looked into) are there too, and rows name them; where
    the catalogue has further columns, `columns` says what they hold, see `column_counts`.

    Headers of all images are checked; only a few images and label maps are read, and stay in the cache for the training.

    Args:
        catalog: the images.
        data: how they are split.
        cache: takes the images that are read.
        progress: called with (fraction, message); may raise to stop.

    Raises:
        VolumeError: an image that cannot be read, named.
    """
    axes = set()
    for number, entry in enumerate(catalog):
        progress(0.5 * number / len(catalog), f"checking {entry.name}")
        axes.add(2 if depth(entry) == 1 else 3)
    modalities, notes = _modalities(catalog, cache, progress)
    parts, remarks = _parts(catalog, data)
    notes.extend(remarks)
    part_of = {entry.image: name for name, part in parts.items() for entry in part}
    table = [{"image": e.name, "patient": e.patient, "split": part_of.get(e.image, "unused")} for e in catalog]
    if len(axes) > 1:
        notes.append(
            "The set mixes 2D and 3D images: no method trains on both. Choose a view for the 3D ones, or part them"
        )
    info = {
        "volumes": len(catalog), "patients": len(catalog.patients), "modality": ", ".join(modalities),
        "dimension": " and ".join(f"{n}D" for n in sorted(axes)),
        "methods": ", ".join(name for name in METHODS if axes == {len(config_class(METHODS, name)().sample_size)}),
        **{name: len(part) for name, part in parts.items() if len(part) or name != "test"}, "notes": notes,
    }  # fmt: skip
    if any(entry.mask for entry in catalog):
        info |= _label_maps(catalog, cache, notes, progress)
        table = [{**row, "label map": e.mask.name if e.mask else ""} for row, e in zip(table, catalog)]
    if columns := column_counts(catalog):
        info["columns"] = columns
    return table, info


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


def _label_maps(catalog: Catalog, cache: VolumeCache, notes: list[str], progress: Progress) -> dict[str, Any]:
    """How many there are, and the values of a few, which are checked against their images."""
    labelled = [entry for entry in catalog if entry.mask]
    values: set[int] = set()
    looked = labelled[:: max(len(labelled) // LOOKED_INTO, 1)][:LOOKED_INTO]
    for entry in looked:
        progress(0.9, f"reading the label map of {entry.name}")
        values.update(cache.add_mask(entry, cache.add(entry)).values)
    if len(labelled) < len(catalog):
        missing = next(entry.name for entry in catalog if not entry.mask)
        notes.append(
            f"{len(catalog) - len(labelled)} images have no label map ({missing}): they cannot train a segmentation"
        )
    if len(labelled) > len(looked):
        notes.append(f"The values were read from {len(looked)} of {len(labelled)} label maps")
    return {"label_maps": len(labelled), "label_values": ", ".join(map(str, sorted(values - {0})))}


def _modalities(catalog: Catalog, cache: VolumeCache, progress: Progress) -> tuple[list[str], list[str]]:
    """The modalities that are stated or found, and what there is to say about them."""
    stated = {entry.modality for entry in catalog if entry.modality}
    silent: list[Entry] = [entry for entry in catalog if not entry.modality]
    notes = []
    looked = silent[:: max(len(silent) // LOOKED_INTO, 1)][:LOOKED_INTO]
    for number, entry in enumerate(looked):
        progress(0.5 + 0.5 * number / len(looked), f"reading {entry.name}")
        stated.add(cache.add(entry).modality or "unknown")
    if len(silent) > len(looked):
        notes.append(f"The modality was read from {len(looked)} of {len(silent)} images that do not state it")
    if len(stated) > 1:
        notes.append(f"The set mixes {' and '.join(sorted(stated))}: train on one modality at a time")
    return sorted(stated), notes
